"""Filling many polygons at once, row by row, without a loop over them."""

from __future__ import annotations

import numpy as np

# Of sides with rows, held at once: some 80 bytes each.
_MOST_CROSSINGS = 1 << 22


def fill_rings(rings: list[np.ndarray], polygon_of: np.ndarray, ids: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Even-odd filling of polygons at pixel centres.

    Parameters
    ----------
    rings : list of ndarray (N, 2) float
        Closed rings of corners (y, x) in pixel-edge coordinates; a repeated first corner does no harm.
    polygon_of : ndarray (R,) int64
        Polygon each ring belongs to; ascending. Rings of one polygon inside others are holes.
    ids : ndarray (P,) uint32
        Value each polygon is filled with; later ones lie on top.
    shape : tuple of int

    Returns
    -------
    ndarray of `shape`, uint32
    """
    result = np.zeros(shape, np.uint32)
    step = _rows_at_once(rings, shape[0])
    if step < shape[0]:
        for top in range(0, shape[0], step):
            band = (min(step, shape[0] - top), shape[1])
            result[top : top + step] = fill_rings([ring - (top, 0) for ring in rings], polygon_of, ids, band)
        return result
    polygon, row, x = _crossings(rings, polygon_of, shape[0])
    if not len(row):
        return result
    order = np.lexsort((x, row, polygon))
    polygon, row, x = polygon[order], row[order], x[order]
    # A closed polygon crosses every row an even number of times: inside is from first to second, third to fourth, ...
    first = np.clip(np.ceil(x[0::2] - 0.5), 0, shape[1]).astype(np.int64)
    last = np.clip(np.ceil(x[1::2] - 0.5), 0, shape[1]).astype(np.int64)
    row, polygon = row[0::2], polygon[0::2]
    length = np.maximum(last - first, 0)
    begin = np.repeat(row * shape[1] + first, length)
    within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    result.ravel()[begin + within] = np.repeat(ids[polygon], length)
    return result


def _rows_at_once(rings: list[np.ndarray], height: int) -> int:
    """How many rows are filled in one go, so that outlines that zigzag over the whole image fit into memory."""
    total = 0.0
    for ring in rings:
        y = np.clip(ring[:, 0], 0, height)
        total += float(np.abs(np.diff(y, append=y[:1])).sum())
    return height if total <= _MOST_CROSSINGS else max(1, int(height * _MOST_CROSSINGS / total))


def _crossings(rings: list[np.ndarray], polygon_of: np.ndarray, height: int) -> tuple[np.ndarray, ...]:
    """Where the rings' sides cross the rows' centre lines: polygon, row and x of each crossing."""
    kept = [k for k, ring in enumerate(rings) if len(ring) >= 3]
    if not kept:
        none = np.zeros(0, np.int64)
        return none, none, none.astype(float)
    lengths = np.array([len(rings[k]) for k in kept])
    points = np.concatenate([rings[k] for k in kept])
    after = np.arange(1, len(points) + 1)
    ends = np.cumsum(lengths)
    after[ends - 1] = ends - lengths
    polygon = np.repeat(polygon_of[kept], lengths)
    y0, x0 = points.T
    y1, x1 = points[after].T
    low, high = np.minimum(y0, y1), np.maximum(y0, y1)
    # Rows whose centre r + 0.5 lies in [low, high[: half open, so that a corner on a centre line counts once.
    first = np.clip(np.ceil(low - 0.5), 0, height).astype(np.int64)
    last = np.clip(np.ceil(high - 0.5), 0, height).astype(np.int64)
    count = np.maximum(last - first, 0)
    side = np.repeat(np.arange(len(points)), count)
    row = first[side] + np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    slope = (x1[side] - x0[side]) / (y1[side] - y0[side])
    return polygon[side], row, x0[side] + (row + 0.5 - y0[side]) * slope
