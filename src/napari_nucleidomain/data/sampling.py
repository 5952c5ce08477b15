"""Which few pixels of a large image stand for the whole of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np


def overview_level(shapes: Sequence[tuple[int, ...]], max_side: int) -> tuple[int, tuple[int, ...]]:
    """Choose a pyramid level and a stride for a small version of an image.

    Parameters
    ----------
    shapes : sequence of tuple of int
        Spatial lengths of each level, the largest first.
    max_side : int
        Longest side wanted, in pixels; a volume is thinned to at most ``4 * max_side**2`` voxels.

    Returns
    -------
    level : int
        The smallest that is still large enough.
    step : tuple of int
        Stride per spatial axis.
    """
    level = 0
    for k, shape in enumerate(shapes):
        if max(shape[-2:]) >= max_side:
            level = k
    shape = shapes[level]
    step = [max(1, math.ceil(n / max_side)) for n in shape]
    while math.prod(math.ceil(n / s) for n, s in zip(shape, step, strict=True)) > 4 * max_side**2:
        # Rows and columns first: they are usually finer than the planes.
        step = [step[0], *(s + 1 for s in step[1:])] if min(step[1:]) <= step[0] else [s + 1 for s in step]
    return level, tuple(step)


def crop_boxes(shape: Sequence[int], wanted: int) -> list[list[tuple[int, int]]]:
    """Boxes on a regular grid (4 × 4, in 3 planes of a volume) with about `wanted` pixels in all.

    Parameters
    ----------
    shape : sequence of int
        Spatial lengths.
    wanted : int
        Pixels; an image that has no more of them is one box.

    Returns
    -------
    list of list of (start, stop)
        The same for the same shape, always.
    """
    if math.prod(shape) <= wanted:
        return [[(0, n) for n in shape]]
    flat = len(shape) - 2
    side = max(8, int(math.sqrt(wanted / (16 * 3**flat))))
    return spread_boxes(shape, [1] * flat + [side] * 2, [3] * flat + [4] * 2)


def spread_boxes(shape: Sequence[int], sides: Sequence[int], counts: Sequence[int]) -> list[list[tuple[int, int]]]:
    """Boxes from one end of an image to the other, so many of such sides along each axis; none twice.

    Parameters
    ----------
    shape, sides, counts : sequence of int
        Per axis. Sides are cut to the image's.

    Returns
    -------
    list of list of (start, stop)
    """
    axes = []
    for n, wanted, count in zip(shape, sides, counts, strict=True):
        side = min(wanted, n)
        starts = np.unique(np.linspace(0, n - side, count).astype(int))
        axes.append([(int(start), int(start) + side) for start in starts])
    return [list(box) for box in itertools.product(*axes)]
