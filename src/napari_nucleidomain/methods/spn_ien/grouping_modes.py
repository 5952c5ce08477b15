"""From seeds to modes: flat-kernel mean-shift of many seeds at once, and scikit-learn's rules for what is kept."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .grouping_kernel import FlatKernel, as_points, shift_batch, with_ones

MAX_ITERATIONS = 300  # scikit-learn's
STOP = 1e-3  # of the bandwidth, scikit-learn's
_LOOK_EVERY = 8  # steps between asking the device whether any seed still moves
_BATCH_NUMBERS = 1 << 26  # 256 MB of float32 in the largest product


def climb(kernel: FlatKernel, seeds: Tensor, same: float = 1e-4, stop: float = STOP) -> tuple[Tensor, Tensor]:
    """Shift every seed until it stands still.

    A flat kernel makes the next place a function of the set of neighbours alone, so seeds that once had the same
    neighbours go the same way for ever: after every step seeds at the same place become one. That is what makes
    starting from every pixel affordable, and it changes nothing in the result.

    Parameters
    ----------
    kernel : FlatKernel
    seeds : Tensor (k, D) float32, k >= 1
    same : float
        Places that agree to this share of the bandwidth are the same place.
    stop : float
        A seed that moves by no more than this share of the bandwidth stands still.

    Returns
    -------
    modes : Tensor (m, D) float32
        Where seeds came to rest; several of them may be almost the same.
    counts : Tensor (m,) float32
        Points within one bandwidth, at the last shift.
    """
    cell = same * kernel.bandwidth
    modes, counts = [], []
    for _ in range(MAX_ITERATIONS):
        means, count = kernel(seeds)
        rest = torch.linalg.vector_norm(means - seeds, dim=1) <= stop * kernel.bandwidth
        kept = _first_of_each(means, rest, cell)
        means, count, rest = means[kept], count[kept], rest[kept]
        modes.append(means[rest])
        counts.append(count[rest])
        seeds, last = means[~rest], count[~rest]
        if not len(seeds):
            break
    else:
        modes.append(seeds)
        counts.append(last)
    return torch.cat(modes), torch.cat(counts)


def _first_of_each(places: Tensor, rest: Tensor, cell: float) -> Tensor:
    """Index of one seed for every distinct place, resting and moving ones apart."""
    generator = torch.Generator().manual_seed(0)
    mix = torch.randint(-(1 << 40), 1 << 40, (places.shape[1],), generator=generator).to(places.device)
    key = ((places / cell).round().long() * mix).sum(1) * 2 + rest.long()  # a hash: integers wrap around, by intent
    value, order = key.sort(stable=True)
    first = torch.ones_like(rest)
    first[1:] = value[1:] != value[:-1]
    return order[first].sort().values


def climb_batch(
    points: Tensor, valid: Tensor, seeds: Tensor, bandwidth: float, stop: float = STOP
) -> tuple[Tensor, Tensor]:
    """`climb` for several tiles at once, by plain products: what a GPU does best.

    Parameters
    ----------
    points : Tensor (B, n, D) float32
    valid : Tensor (B, n) bool
        False where a tile has fewer points than the largest.
    seeds : Tensor (B, k, D) float32
    bandwidth, stop : float

    Returns
    -------
    modes : Tensor (B, k, D) float32
        Where each seed came to rest.
    counts : Tensor (B, k) float32
    """
    left, right = as_points(points), with_ones(points)
    left[..., -2].masked_fill_(~valid, -1e30)
    right.masked_fill_(~valid[..., None], 0)
    chunk = max(256, _BATCH_NUMBERS // max(1, seeds.shape[0] * seeds.shape[1]))
    counts = seeds.new_zeros(seeds.shape[:2])
    moving = torch.ones_like(counts, dtype=torch.bool)
    for step in range(MAX_ITERATIONS):
        means, count = shift_batch(left, right, seeds, bandwidth, chunk)
        counts = torch.where(moving, count, counts)
        moved = torch.linalg.vector_norm(means - seeds, dim=2)
        seeds = torch.where(moving[..., None], means, seeds)
        moving &= moved > stop * bandwidth
        if step % _LOOK_EVERY == _LOOK_EVERY - 1 and not bool(moving.any()):
            break
    return seeds, counts


def strongest(modes: Tensor, counts: Tensor, bandwidth: float) -> tuple[Tensor, Tensor]:
    """Drop every mode within one bandwidth of a stronger one.

    The order is scikit-learn's: by count, then by coordinates, both descending.

    Parameters
    ----------
    modes : Tensor (m, D) float32
    counts : Tensor (m,) float32
    bandwidth : float

    Returns
    -------
    modes : Tensor (k, D) float32
        Strongest first.
    counts : Tensor (k,) float32
    """
    place = modes.cpu().numpy().astype(np.float64)
    order = np.lexsort((*place.T[::-1], counts.cpu().numpy()))[::-1]
    place = place[order]
    left = np.arange(len(place))
    kept = []
    while len(left):
        kept.append(left[0])
        left = left[((place[left] - place[left[0]]) ** 2).sum(1) > bandwidth**2]
    index = torch.from_numpy(order[np.array(kept, dtype=np.int64)].copy()).to(modes.device)
    return modes[index], counts[index]
