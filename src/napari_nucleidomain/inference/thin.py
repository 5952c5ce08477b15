"""Stacks too thin to hold a nucleus: piles of planes, not volumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_nucleidomain.data.images import Image

# Of a nucleus's diameter: in a stack less deep the classical method finds none, or loses some.
_LEAST_DEPTH = 0.6
# Pixels that a nucleus can be wide: deeper stacks are volumes without a look at their pixels.
_WIDEST = 150.0
_SIDE = 512


@dataclass(frozen=True)
class Thin:
    """What was found out of a thin stack.

    Attributes
    ----------
    plane : int
        The one with the most contrast.
    planes : int
    depth, diameter : float
        Of the stack and of a typical nucleus, in pixels of the plane.
    """

    plane: int
    planes: int
    depth: float
    diameter: float

    def sentence(self) -> str:
        """Why it is no volume."""
        return (
            f"its {self.planes} planes are too thin for a volume: together {self.depth:.0f} pixels deep, where nuclei "
            f"are about {self.diameter:.0f} wide"
        )


def thin_stack(image: Image) -> Thin | None:
    """Look whether the planes of a volume (Z, Y, X) are too few to hold a nucleus; None where they are enough.

    Parameters
    ----------
    image : Image
        With planes as a spatial axis. Where the distance of planes is not known, voxels are taken as cubes.

    Returns
    -------
    Thin or None
    """
    if image.ndim != 3 or image.plane_axes:
        return None
    planes = image.spatial_shape[0]
    size = image.pixel_size_um
    depth = planes * (size[0] / size[-1] if size else 1.0)
    if depth >= _LEAST_DEPTH * _WIDEST:
        return None
    from napari_nucleidomain.instances.classical import fit_classical

    views = [image.overview(_SIDE, plane=k) for k in range(planes)]
    channel = image.nuclei_channel or 0
    contrast = [_contrast(view[..., channel]) for view in views]
    best = int(np.argmax(contrast))
    flat = views[best]
    scale = flat.shape[1] / image.spatial_shape[-1]
    fitted = fit_classical(
        flat,
        image.rgb,
        channel=image.nuclei_channel if not image.rgb and image.n_channels > 1 else None,
        spacing=(1.0, 1.0),
        scale=scale,
    )
    if fitted.blank or depth >= _LEAST_DEPTH * fitted.diameter:
        return None
    return Thin(best, planes, depth, fitted.diameter)


def _contrast(values: np.ndarray) -> float:
    """How far bright pixels stand out of the plane, few and very bright ones left out."""
    finite = values[np.isfinite(values)].astype(np.float32)
    if not finite.size:
        return 0.0
    low, high = np.percentile(finite, (10, 98))
    return float(high - low)
