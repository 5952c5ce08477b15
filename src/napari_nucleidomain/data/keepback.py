"""A part of what a person marked, kept back to check with."""

from __future__ import annotations

import numpy as np

# A fifth of the fewest clicks that are taken.
_CHECK_LEAST = 4
# So many clicks tell a score to about four percent; more are better used to teach.
CHECK_ENOUGH = 150


def lie_in(points: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Which points, in the window's coordinates, lie on a pixel of the mask: (N,) bool."""
    at = np.floor(points + 0.5).astype(int)
    found: np.ndarray = np.all((at >= 0) & (at < inside.shape), axis=1)
    found[found] = inside[tuple(at[found].T)]
    return found


def moved(side: tuple[int, int], by: int) -> tuple[int, int]:
    """A range of pixels, shifted."""
    return side[0] + by, side[1] + by


def keep_back(
    points: np.ndarray, inside: np.ndarray, share: float
) -> tuple[tuple[tuple[int, int], tuple[int, int]] | None, np.ndarray, np.ndarray | None, np.ndarray, np.ndarray]:
    """Cut a strip off the clicked area, along its longer side, that holds the share of its clicks.

    Returns
    -------
    box : tuple of (start, stop) or None
        The strip; None where too few clicks would lie in it.
    check_points : ndarray (M, 2)
        In pixels of the strip.
    check_mask : ndarray or None
    inside : ndarray (H, W) bool
        What is left to teach.
    points : ndarray (N, 2)
        Clicks that are left.
    """
    none = (None, np.zeros((0, 2)), None, inside, points)
    wanted = round(share * len(points))
    if wanted < _CHECK_LEAST:
        return none
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    bounds = [(int(rows[0]), int(rows[-1]) + 1), (int(columns[0]), int(columns[-1]) + 1)]
    axis = int(np.argmax([stop - start for start, stop in bounds]))
    order = np.sort(points[:, axis])
    cut = int(np.ceil((order[-wanted] + order[-wanted - 1]) / 2)) if wanted < len(order) else bounds[axis][0]
    if not bounds[axis][0] < cut < bounds[axis][1]:
        return none
    bounds[axis] = (cut, bounds[axis][1])
    box = (bounds[0], bounds[1])
    mask = inside[box[0][0] : box[0][1], box[1][0] : box[1][1]].copy()
    rest = inside.copy()
    rest[box[0][0] : box[0][1], box[1][0] : box[1][1]] = False
    back = points[:, axis] >= cut - 0.5
    # Clicks in a line across the cut go together; then too few would be left to teach.
    if back.sum() > max(wanted, len(points) // 2):
        return none
    origin = np.array([box[0][0], box[1][0]], float)
    return box, points[back] - origin, mask, rest, points[~back]
