"""Filling polygons and asking what lies inside them, exactly and without loops over pixels.

A pixel is inside when its centre is; a centre on the outline belongs to the polygon on its lower or right
side, so that two polygons with a common edge share no pixel and leave none out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def fill(ring: np.ndarray, shape: Sequence[int], offset: Sequence[int] = (0, 0)) -> np.ndarray:
    """Pixels whose centres a ring winds round.

    Parameters
    ----------
    ring : ndarray (N, 2)
        Vertices (y, x); the centre of the first pixel is (0, 0). Closed by itself; where it crosses itself,
        all that it winds round counts.
    shape : sequence of int
        Rows and columns of the window to fill.
    offset : sequence of int
        Place of the window's first pixel.

    Returns
    -------
    ndarray (rows, columns) bool
    """
    rows, columns = int(shape[0]), int(shape[1])
    turns = np.zeros((rows, columns + 1), np.int16)
    start = np.asarray(ring, np.float64) - np.asarray(offset, np.float64)
    if len(start) < 3 or rows == 0 or columns == 0:
        return np.zeros((rows, columns), bool)
    end = np.roll(start, -1, axis=0)
    sign = np.where(end[:, 0] > start[:, 0], 1, -1).astype(np.int16)
    top, bottom = np.minimum(start[:, 0], end[:, 0]), np.maximum(start[:, 0], end[:, 0])
    # Each edge is crossed by the rows r with top <= r < bottom.
    first = np.clip(np.ceil(top), 0, rows).astype(np.int64)
    last = np.clip(np.ceil(bottom), 0, rows).astype(np.int64)
    count = last - first
    edge = np.repeat(np.arange(len(start)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    slope = (end[edge, 1] - start[edge, 1]) / (end[edge, 0] - start[edge, 0])
    crossing = start[edge, 1] + (row - start[edge, 0]) * slope
    column = np.clip(np.ceil(crossing), 0, columns).astype(np.int64)
    np.add.at(turns, (row, column), sign[edge])
    filled: np.ndarray = np.cumsum(turns[:, :-1], axis=1, dtype=np.int16) != 0
    return filled


def contains(ring: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Which points a ring winds round, with the same rule for its outline as `fill`.

    Parameters
    ----------
    ring : ndarray (N, 2)
    points : ndarray (M, 2)

    Returns
    -------
    ndarray (M,) bool
    """
    points = np.asarray(points, np.float64).reshape(-1, 2)
    start = np.asarray(ring, np.float64)
    end = np.roll(start, -1, axis=0)
    turns = np.zeros(len(points), np.int64)
    # Over edges, not points: an outline has few, an image many clicks.
    for (y0, x0), (y1, x1) in zip(start, end, strict=True):
        if y0 == y1:
            continue
        crossed = (points[:, 0] >= min(y0, y1)) & (points[:, 0] < max(y0, y1))
        at = x0 + (points[:, 0] - y0) * ((x1 - x0) / (y1 - y0))
        turns += np.where(crossed & (points[:, 1] >= at), 1 if y1 > y0 else -1, 0)
    return turns != 0


def area(ring: np.ndarray) -> float:
    """Area of a ring that does not cross itself, in square pixels (shoelace formula)."""
    y, x = np.asarray(ring, np.float64).T
    return float(abs(np.dot(y, np.roll(x, -1)) - np.dot(x, np.roll(y, -1))) / 2)
