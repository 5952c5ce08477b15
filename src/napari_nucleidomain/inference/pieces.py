"""Pieces of an image that show nuclei, where its overview is too coarse to."""

from __future__ import annotations

import numpy as np

from .seen import Seen

_SIDE = 512


def varied_pieces(view: Seen, count: int = 12) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Pieces of the image at full resolution, where its overview varies most: an overview of a slide shows no nuclei.

    Parameters
    ----------
    view : Seen
        The image, without what is left out.
    count : int
        Pieces at most.

    Returns
    -------
    pieces : list of ndarray (*spatial, C)
        At most 512 pixels a side, 64 along z.
    signal : list of ndarray (*spatial) bool
        Which of their pixels set thresholds.
    """
    shape, overview = view.shape, view.overview
    side = [min(_SIDE if axis >= len(shape) - 2 else 64, n) for axis, n in enumerate(shape)]
    grid = [range(0, max(1, n - s + 1), s) for n, s in zip(shape, side, strict=True)]
    corners = np.stack(np.meshgrid(*grid, indexing="ij"), -1).reshape(-1, len(shape))
    ratio = np.array(overview.shape[: len(shape)]) / np.array(shape)
    contrast = []
    for corner in corners:
        low = np.floor(corner * ratio).astype(int)
        high = np.maximum(low + 1, np.ceil((corner + side) * ratio).astype(int))
        piece = overview[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        contrast.append(float(np.nanstd(piece.astype(np.float32))))
    best = np.argsort(contrast)[::-1][:count]
    boxes = [tuple((int(c), int(c + s)) for c, s in zip(corners[k], side, strict=True)) for k in best]
    return [view.read(box) for box in boxes], [view.signal_in(box) for box in boxes]
