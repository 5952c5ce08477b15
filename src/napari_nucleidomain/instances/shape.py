"""Shapes of all nuclei of an image at once."""

from __future__ import annotations

import numpy as np


def perimeters(labels: np.ndarray, count: int) -> np.ndarray:
    """Length of each nucleus's outline through the centres of its border pixels, as `skimage.measure.perimeter` has it.

    Parameters
    ----------
    labels : ndarray (Y, X) int
        Ids 1..count.
    count : int

    Returns
    -------
    ndarray (count,) float64
        In pixels; 0 for a single pixel.
    """
    padded = np.pad(labels, 1)
    here = padded[1:-1, 1:-1]
    border = here > 0
    inside = border.copy()
    for neighbour in (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
        inside &= neighbour == here
    border &= ~inside
    rim = np.pad(np.where(border, labels, 0), 1)
    y, x = np.nonzero(border)
    ids = labels[y, x].astype(np.int64)
    code = np.ones(len(ids), np.int64)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if dy or dx:
                code += (rim[y + 1 + dy, x + 1 + dx] == ids) * (10 if dy and dx else 2)
    # Benkrid and Crookes (2000): what a border pixel adds to the length depends on how it goes on.
    weight = np.zeros(int(code.max(initial=1)) + 34)
    weight[[5, 7, 15, 17, 25, 27]] = 1
    weight[[21, 33]] = np.sqrt(2)
    weight[[13, 23]] = (1 + np.sqrt(2)) / 2
    return np.bincount(ids - 1, weight[code], count).astype(float)


def inertia(
    where: tuple[np.ndarray, ...], nucleus: np.ndarray, area: np.ndarray, centroid: np.ndarray, spacing: np.ndarray
) -> np.ndarray:
    """Eccentricity of the ellipse (ellipsoid) with the same second moments as each nucleus.

    Parameters
    ----------
    where : tuple of ndarray (P,)
        Coordinates of all nuclear pixels, per axis.
    nucleus : ndarray (P,) int64
        Which nucleus each belongs to, from 0.
    area : ndarray (N,)
    centroid : ndarray (N, ndim)
    spacing : ndarray (ndim,)
        Pixel size; only proportions matter.

    Returns
    -------
    ndarray (N,) float64
        ``sqrt(1 - (shortest / longest axis)²)``; 0 for a single pixel.
    """
    count, ndim = centroid.shape
    away = [(axis - centroid[nucleus, k]) * spacing[k] for k, axis in enumerate(where)]
    tensor = np.zeros((count, ndim, ndim))
    for i in range(ndim):
        for j in range(i, ndim):
            tensor[:, i, j] = tensor[:, j, i] = np.bincount(nucleus, away[i] * away[j], count)
    if not count:
        return np.zeros(0)
    values = np.clip(np.linalg.eigvalsh(tensor / np.maximum(area, 1)[:, None, None]), 0, None)
    longest = values[:, -1]
    return np.sqrt(np.where(longest > 0, 1 - values[:, 0] / np.where(longest > 0, longest, 1), 0))


def convex_areas(where: tuple[np.ndarray, ...], nucleus: np.ndarray, area: np.ndarray) -> np.ndarray:
    """Area (volume) of the convex hull of the corners of each nucleus's pixels; (N,) float64, in pixels."""
    from scipy.spatial import ConvexHull

    if not len(area):
        return np.zeros(0)
    order = np.argsort(nucleus, kind="stable")
    points = np.stack(where, axis=1)[order]
    owner = nucleus[order]
    # Only the first and last pixel of each row can lie on the hull.
    same_row = (points[1:, :-1] == points[:-1, :-1]).all(axis=1) & (owner[1:] == owner[:-1])
    ends = np.concatenate([[True], ~same_row]) | np.concatenate([~same_row, [True]])
    points, owner = points[ends], owner[ends]
    ndim = points.shape[1]
    corners = np.stack(np.meshgrid(*[[0, 1]] * ndim, indexing="ij"), axis=-1).reshape(-1, ndim)
    starts = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(area)))])
    result = np.ones(len(area))
    for k in np.flatnonzero(area > 1).tolist():
        hull = points[starts[k] : starts[k + 1], None] + corners
        result[k] = ConvexHull(hull.reshape(-1, ndim)).volume
    return result
