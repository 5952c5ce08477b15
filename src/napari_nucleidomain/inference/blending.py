"""Dense outputs of windows that overlap, blended before anything is decided: no seam inside a tile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import torch
from torch import Tensor


def window_starts(length: int, window: int, overlap: int) -> list[int]:
    """Where windows begin along an axis: evenly spread, both ends covered, at least `overlap` shared by neighbours.

    Parameters
    ----------
    length, window, overlap : int
        Pixels; the overlap is less than the window.
    """
    if window >= length:
        return [0]
    count = -(-(length - overlap) // (window - overlap))
    return [round(k * (length - window) / (count - 1)) for k in range(count)]


def ramp(length: int, overlap: int, at_start: bool, at_end: bool) -> Tensor:
    """Weights along an axis: 1, falling towards ends that a neighbour shares; never 0."""
    rising = (torch.arange(length) + 0.5) / max(1, overlap)
    ones = torch.ones(length)
    left = ones if at_start else rising.clamp(max=1)
    right = ones if at_end else rising.flip(0).clamp(max=1)
    return torch.minimum(left, right)


def blend(x: Tensor, forward: Callable[[Tensor], Tensor], window: Sequence[int], overlap: Sequence[int]) -> Tensor:
    """Send windows through a network and take the weighted mean where they overlap.

    Parameters
    ----------
    x : Tensor
        (1, C, *spatial).
    forward : callable
        (1, C, *window) -> (1, K, *window); what is blended should be linear, logits say.
    window, overlap : sequence of int
        Pixels per axis.

    Returns
    -------
    Tensor
        (1, K, *spatial) float32.
    """
    spatial = tuple(x.shape[2:])
    sides = [min(n, w) for n, w in zip(spatial, window, strict=True)]
    starts = [window_starts(n, w, min(o, w - 1)) for n, w, o in zip(spatial, sides, overlap, strict=True)]
    if all(len(one) == 1 for one in starts):
        return forward(x).float()
    total = weight = None
    for corner in product(*starts):
        place = tuple(slice(a, a + side) for a, side in zip(corner, sides, strict=True))
        made = forward(x[(slice(None), slice(None), *place)]).float()
        weights = torch.ones(sides, device=x.device)
        for axis, (a, side, o, n) in enumerate(zip(corner, sides, overlap, spatial, strict=True)):
            along = ramp(side, o, a == 0, a + side == n).to(x.device)
            weights = weights * along.view([-1 if k == axis else 1 for k in range(len(sides))])
        if total is None or weight is None:
            total = x.new_zeros((*made.shape[:2], *spatial), dtype=torch.float32)
            weight = x.new_zeros(spatial, dtype=torch.float32)
        total[(slice(None), slice(None), *place)] += made * weights
        weight[place] += weights
    assert total is not None and weight is not None
    return total / weight
