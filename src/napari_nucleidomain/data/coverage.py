"""Whether clicks plausibly cover a whole image, so that what lies between them may be taken for background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .points import inside
from .regions import hull_region, nucleus_distance

FEWEST = 4  # clicks
HULL_SHARE = 0.7
SIDE_SHARE = 0.15
QUARTER_SHARE = 0.05


def clicks_every_outline(points: np.ndarray, labels: np.ndarray) -> bool:
    """Say whether clicks are those of complete outlines that lie beside them, so that they cover the whole image.

    Parameters
    ----------
    points : ndarray (N, 2)
        Pixels of the image.
    labels : ndarray (Y, X), integers
        Label image; 0 is background.

    Returns
    -------
    bool
        True if there are as many clicks as nuclei (a twentieth may lack) and all but a tenth of the nuclei, or one,
        hold one: the middle of a bent nucleus may lie beside it.
    """
    ids = np.unique(labels)
    ids = ids[ids != 0]
    points = np.asarray(points, np.float64)
    if not len(ids) or points.size == 0:
        return False
    points = points[inside(points, labels.shape)]
    at = np.floor(points + 0.5).astype(np.int64)
    hit = np.unique(labels[tuple(at.T)])
    missed = len(ids) - int((hit != 0).sum())
    return len(points) >= 0.95 * len(ids) and missed <= max(1, len(ids) // 10)


def covers_image(points: np.ndarray, shape: Sequence[int]) -> bool:
    """Say whether the clicks plausibly are all nuclei of the image.

    Parameters
    ----------
    points : ndarray (N, 2) or (N, 3)
        Pixels of level 0; those outside the image do not count.
    shape : sequence of int
        Spatial lengths of the image.

    Returns
    -------
    bool
        True only if all of these hold; when in doubt False, because then a person is asked and nothing is taken for
        background that might not be:

        1. there are at least 4 clicks;
        2. their hull, widened by one nucleus distance (`hull_region`), covers at least 70 % of the image;
        3. towards each side, the outermost click is nearer to it than 15 % of the image's length, or than two nucleus
           distances;
        4. every quarter of the image holds at least one click, and at least a twentieth of an equal share of them.

    Notes
    -----
    Clicks alone cannot tell a person who clicked every nucleus from one who clicked a few all over the
    image; the rule finds clicks that stop in a corner, on one side or in the middle.
    """
    points = np.asarray(points, np.float64)
    if points.size == 0:
        return False
    points = points[inside(points, shape)]
    if len(points) < FEWEST:
        return False
    flat = points[:, -2:]
    lengths = np.asarray(shape[-2:], np.float64)
    region = hull_region(flat, shape=shape[-2:])
    if region.area < HULL_SHARE * lengths.prod():
        return False
    near = np.maximum(SIDE_SHARE * lengths, 2 * nucleus_distance(flat))
    if (flat.min(axis=0) > near).any() or (lengths - 1 - flat.max(axis=0) > near).any():
        return False
    quarter = 2 * (flat[:, 0] >= lengths[0] / 2) + (flat[:, 1] >= lengths[1] / 2)
    held = np.bincount(quarter.astype(np.int64), minlength=4)
    return bool(held.min() >= max(1.0, QUARTER_SHARE * len(flat) / 4))
