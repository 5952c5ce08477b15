"""An image as methods are to see it: without ink, bars, padding and the like, which were found once in its overview.

Where nothing is to leave out, which is the rule, pixels are handed on as they are.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_nucleidomain.data.images import Image
from napari_nucleidomain.data.intensity import IntensityRange
from napari_nucleidomain.instances.stains import white_level
from napari_nucleidomain.instances.tissue import Tissue, find_tissue, is_bright_field
from napari_nucleidomain.instances.tissue_spots import without_hot

_KEPT: weakref.WeakKeyDictionary[Image, dict[int | None, Seen]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Seen:
    """One image, or one plane of it.

    Attributes
    ----------
    image : Image
    plane : int or None
        As in `Image.read`.
    shape : tuple of int
        Spatial, at full resolution.
    tissue : Tissue
        Of the overview.
    overview : ndarray (*spatial, C)
        Already without what is left out.
    """

    image: Image
    plane: int | None
    shape: tuple[int, ...]
    tissue: Tissue
    overview: np.ndarray

    def read(self, box: Sequence[tuple[int, int]]) -> np.ndarray:
        """Pixels (*box, C) of the image at full resolution, without what is left out."""
        return self.clean(self.image.read(tuple(box), plane=self.plane), box)

    def clean(self, block: np.ndarray, box: Sequence[tuple[int, int]]) -> np.ndarray:
        """Pixels that were read from a box of the image, without what is left out; the same object where that is all.

        Parameters
        ----------
        block : ndarray (*spatial, C)
        box : sequence of (start, stop)
        """
        tissue = self.tissue
        if tissue.is_clean:
            return block
        places = [
            np.minimum(np.arange(start, stop) * seen // whole, seen - 1)
            for (start, stop), seen, whole in zip(box, tissue.missing.shape, self.shape, strict=True)
        ]
        return _cleaned(block, tissue, tissue.left_out[np.ix_(*places)])

    def signal_in(self, box: Sequence[tuple[int, int]]) -> np.ndarray:
        """Which pixels of a box set ranges and thresholds, (*box) bool."""
        signal = self.tissue.signal
        places = [
            np.minimum(np.arange(start, stop) * seen // whole, seen - 1)
            for (start, stop), seen, whole in zip(box, signal.shape, self.shape, strict=True)
        ]
        return signal[np.ix_(*places)]


def seen(image: Image, plane: int | None = None) -> Seen:
    """What is in an image; looked for once, as long as the image is open.

    Parameters
    ----------
    image : Image
    plane : int, optional
        As in `Image.read`; for a volume that is looked at as a flat picture.
    """
    known = _KEPT.setdefault(image, {})
    if plane not in known:
        known[plane] = _look(image, plane)
    return known[plane]


def _look(image: Image, plane: int | None) -> Seen:
    overview = image.overview(plane=plane, exact=True)
    ndim = overview.ndim - 1
    shape = tuple(image.spatial_shape)[-ndim:]
    # What the dtype's largest number is must not depend on the tile; floats are judged by all of the overview.
    white = white_level(overview)
    tissue = find_tissue(overview, image.rgb and is_bright_field(overview, white), white)
    if not tissue.is_clean:
        overview = _cleaned(overview, tissue, tissue.left_out)
    return Seen(image, plane, shape, tissue, overview)


def _cleaned(block: np.ndarray, tissue: Tissue, left_out: np.ndarray) -> np.ndarray:
    if tissue.hot is not None:
        parts = [without_hot(block[..., k], tissue.hot) for k in range(block.shape[-1])]
        if any(part.base is not block for part in parts):
            block = np.stack(parts, axis=-1)
    if left_out.any():
        fill = np.rint(tissue.fill) if block.dtype.kind in "ui" else tissue.fill
        block = np.where(left_out[..., None], fill.astype(block.dtype), block)
    return block


def intensity_of(image: Image, plane: int | None = None) -> IntensityRange:
    """The range of brightness of an image's tissue or signal, the same for training and prediction.

    Parameters
    ----------
    image : Image
    plane : int, optional
        As in `Image.read`.
    """
    view = seen(image, plane)
    signal = None if view.tissue.is_clean else view.tissue.signal
    return IntensityRange.fit(view.overview, image.dtype, rgb=image.rgb, used=signal)
