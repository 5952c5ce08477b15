"""Voronoi partition of an image by its clicks, and the labels that follow from it (Liu et al., section 2.2)."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def nearest_points(points: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Each pixel's nearest click and the distance to it.

    Works for any number of clicks, on one line or not; a polygon library's Voronoi does not.

    Parameters
    ----------
    points : ndarray (N, 2)
        Rows and columns; rounded to pixels, those outside are clipped to the image.
    shape : tuple of int

    Returns
    -------
    tuple of ndarray
        Cell of every pixel, int32, 1..N (0 everywhere without clicks), and distance in px, float32 (inf
        without clicks).
    """
    cells = np.zeros(shape, np.int32)
    if len(points) == 0:
        return cells, np.full(shape, np.inf, np.float32)
    rows, columns = pixel_of(points, shape)
    # The first of two clicks on one pixel keeps it.
    cells[rows[::-1], columns[::-1]] = np.arange(len(points), 0, -1)
    distance, (at_row, at_column) = ndimage.distance_transform_edt(cells == 0, return_indices=True)
    return cells[at_row, at_column], distance.astype(np.float32)


def pixel_of(points: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the pixel each click lies in."""
    pixels = np.floor(np.asarray(points, float).reshape(-1, 2) + 0.5).astype(np.int64)
    return np.clip(pixels[:, 0], 0, shape[0] - 1), np.clip(pixels[:, 1], 0, shape[1] - 1)


def cell_edges(cells: np.ndarray) -> np.ndarray:
    """Pixels with a 4-neighbour in another cell: a line two pixels thick (bool, shape of `cells`)."""
    edges = np.zeros(cells.shape, bool)
    down = cells[1:] != cells[:-1]
    across = cells[:, 1:] != cells[:, :-1]
    edges[1:] |= down
    edges[:-1] |= down
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    return edges
