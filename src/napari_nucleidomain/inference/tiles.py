"""Pixels of one tile, at the model's scale, from an image that is only read where it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_nucleidomain.data.images import Image

    from .seen import Seen

Box = tuple[tuple[int, int], ...]


def model_shape(shape: Sequence[int], factor: float) -> tuple[int, ...]:
    """Shape of the image in model pixels."""
    return tuple(max(1, round(side * factor)) for side in shape)


def resize(block: np.ndarray, shape: Sequence[int], *, order: int = 1) -> np.ndarray:
    """Resize the leading axes of a block; trailing ones (channels) stay.

    Parameters
    ----------
    block : ndarray (*spatial, ...)
    shape : sequence of int
        New spatial shape.
    order : {0, 1}
        0 for labels (nearest), 1 for intensities (linear, smoothed first where it shrinks).

    Returns
    -------
    ndarray (*shape, ...)
        Same dtype as `block`.
    """
    from skimage.transform import resize as skimage_resize

    target = (*shape, *block.shape[len(shape) :])
    if target == block.shape:
        return block
    smaller = any(new < old for new, old in zip(shape, block.shape, strict=False))
    made = skimage_resize(
        block, target, order=order, preserve_range=True, mode="edge", anti_aliasing=bool(order and smaller)
    )
    if np.issubdtype(block.dtype, np.integer):
        made = np.rint(made)
    return made.astype(block.dtype, copy=False)


def pad_to(block: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Mirror a block at its far edges until it has the given spatial shape (never less than it has)."""
    missing = [(0, max(0, want - have)) for want, have in zip(shape, block.shape, strict=False)]
    if not any(after for _, after in missing):
        return block
    missing += [(0, 0)] * (block.ndim - len(missing))
    return np.pad(block, missing, mode="symmetric")


@dataclass(frozen=True)
class TileReader:
    """Reads windows given in model pixels.

    Attributes
    ----------
    image : Image
        Where pixels come from.
    factor : float
        Model pixels per image pixel.
    plane : int or None
        z plane of a volume for a 2D model.
    shape : tuple of int
        Spatial shape of the image at full resolution, as the model sees it (2D where a plane is chosen).
    seen : Seen, optional
        What is left out of the pixels (ink, bars, padding).
    """

    image: Image
    factor: float
    plane: int | None
    shape: tuple[int, ...]
    seen: Seen | None = None

    def image_box(self, window: tuple[slice, ...]) -> Box:
        """The window in pixels of the image at full resolution, rounded outwards."""
        whole = model_shape(self.shape, self.factor)
        box = []
        for piece, side, model_side in zip(window, self.shape, whole, strict=True):
            ratio = side / model_side
            start = max(0, int(np.floor(piece.start * ratio)))
            box.append((start, min(side, max(start + 1, int(np.ceil(piece.stop * ratio))))))
        return tuple(box)

    def read(self, window: tuple[slice, ...]) -> np.ndarray:
        """Pixels (*window shape, C) in the image's dtype."""
        shape = tuple(piece.stop - piece.start for piece in window)
        if self.factor == 1.0:
            return self._pixels(tuple((piece.start, piece.stop) for piece in window))
        return resize(self._pixels(self.image_box(window)), shape)

    def _pixels(self, box: Box) -> np.ndarray:
        if self.seen is not None:
            return self.seen.read(box)
        return self.image.read(box, plane=self.plane)
