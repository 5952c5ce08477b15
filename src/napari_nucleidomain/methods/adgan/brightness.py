"""Which brightness of an image is black and which is white, the same for all its tiles; and where there is nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_nucleidomain.data.images import Image
from napari_nucleidomain.data.intensity import IntensityRange
from napari_nucleidomain.inference.seen import intensity_of, seen
from napari_nucleidomain.instances.scalespace import find_blobs, in_unit_range

# A tile whose brightest parts reach less far from the ground towards the nuclei is empty.
_EMPTY_BELOW = 0.35


@dataclass(frozen=True)
class Brightness:
    """Constants of one image.

    Attributes
    ----------
    range : IntensityRange
        What becomes 0..1.
    threshold : float
        Otsu's, in 0..1: of what is brighter most is nucleus.
    contrast : float
        In 0..1: from the ground to the threshold.
    blank : bool
        Nothing stands out from the noise in the whole image.
    """

    range: IntensityRange
    threshold: float
    contrast: float
    blank: bool

    @property
    def empty_below(self) -> float:
        """In 0..1: where nothing is brighter, there is no nucleus."""
        return self.threshold - (1 - _EMPTY_BELOW) * self.contrast

    def to_unit(self, block: np.ndarray) -> np.ndarray:
        """(*spatial, 1) in the image's numbers -> (*spatial) float32 in 0..1."""
        return np.asarray(self.range.to_unit(block)[..., 0])


def brightness_of(image: Image, plane: int | None) -> Brightness:
    """Look at an image.

    Parameters
    ----------
    image : Image
        One channel.
    plane : int or None
        z plane of a volume that is looked at as a flat image.
    """
    from skimage.filters import threshold_otsu

    overview, fitted = seen(image, plane).overview, intensity_of(image, plane)
    unit = fitted.to_unit(overview)[..., 0]
    part = in_unit_range(unit)
    if part is None or unit.min() == unit.max():
        return Brightness(fitted, 1.0, 0.0, True)
    step = np.ones(unit.ndim)
    blank = not len(find_blobs(part, step).sigma)
    threshold = float(threshold_otsu(unit))
    ground = float(np.median(unit[unit <= threshold]))
    return Brightness(fitted, threshold, threshold - ground, blank)
