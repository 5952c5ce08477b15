"""The default grouping: few seeds, more of them until every pixel is covered, no modes of a handful of pixels.

The kernel is narrower than the bandwidth (`NARROWER`). The bandwidth is half the distance of 3 that the loss asks for
between nuclei; networks trained for minutes rather than for the paper's 12 hours leave many neighbours nearer to each
other than that. Where they are 3 apart and spread by 0.5, as the loss wants, both give the same clusters.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .grouping_kernel import FlatKernel, nearest, squared_to_nearest
from .grouping_modes import climb, climb_batch, strongest

NARROWER = 0.8
MIN_SUPPORT = 10
BLOCK = 6
SAMPLE = 8192
TILES = 32
_SAME = 0.1
_STOP = 0.01
_ROUNDS = 4
_MORE_SEEDS = 128


def _seeds(mask: np.ndarray | None, count: int) -> np.ndarray:
    """Of every block of pixels, the foreground pixel nearest to its middle; indices in raster order."""
    if mask is None:
        return np.arange(0, count, BLOCK * BLOCK)
    y, x = np.nonzero(mask)
    block = (y // BLOCK) * (mask.shape[1] // BLOCK + 1) + x // BLOCK
    off_middle = (y % BLOCK - (BLOCK - 1) / 2) ** 2 + (x % BLOCK - (BLOCK - 1) / 2) ** 2
    order = np.lexsort((off_middle, block))
    first = np.ones(len(order), bool)
    first[1:] = block[order][1:] != block[order][:-1]
    return np.sort(order[first])


def _sample(points: Tensor) -> tuple[Tensor, int]:
    """Every so-manieth point, evenly over the tile, and how many points each stands for."""
    step = -(-len(points) // SAMPLE)
    return points[::step], step


def _spread(left: Tensor) -> Tensor:
    """At most so many of these indices, evenly spaced."""
    return left[torch.linspace(0, len(left) - 1, min(_MORE_SEEDS, len(left)), device=left.device).long()]


def fast_modes(points: Tensor, mask: np.ndarray | None, radius: float, support: float) -> Tensor:
    """Modes of one tile by seeds that are added until they cover it."""
    sample, weight = _sample(points)
    kernel = FlatKernel(sample, radius)
    support = support / weight
    seeds = points[torch.from_numpy(_seeds(mask, len(points))).to(points.device)]
    modes, counts = strongest(*climb(kernel, seeds, _SAME, _STOP), radius)
    untried = torch.ones(len(points), dtype=torch.bool, device=points.device)
    for _ in range(_ROUNDS):
        far = squared_to_nearest(points, modes)[0] > radius * radius
        left = (far & untried).nonzero()[:, 0]
        if not len(left):
            break
        chosen = _spread(left)
        untried[chosen] = False
        new, new_counts = climb(kernel, points[chosen], _SAME, _STOP)
        supported = int((counts >= support).sum())
        modes, counts = strongest(torch.cat([modes, new]), torch.cat([counts, new_counts]), radius)
        if int((counts >= support).sum()) <= supported:
            break
    return keep_modes(modes, counts, radius, support)


def keep_modes(modes: Tensor, counts: Tensor, bandwidth: float, support: float) -> Tensor:
    """Modes with support, none within a bandwidth of a stronger one, strongest first."""
    enough = counts >= torch.clamp(counts.max(), max=support)
    return strongest(modes[enough], counts[enough], bandwidth)[0]


def compact(labels: np.ndarray) -> np.ndarray:
    """0-based numbers to 1..K without gaps, order kept."""
    used, small = np.unique(labels, return_inverse=True)
    return (small.reshape(labels.shape) + 1).astype(np.int32) if len(used) else labels.astype(np.int32)


def fast_on_device(
    points: Sequence[Tensor], masks: Sequence[np.ndarray], radius: float, support: int
) -> list[np.ndarray]:
    """`fast` for many tiles at once: one batch of seeds, then one batch for what they leave uncovered."""
    result: list[np.ndarray] = [np.zeros(0, np.int32)] * len(points)
    filled = [k for k, data in enumerate(points) if len(data)]
    for start in range(0, len(filled), TILES):
        group = filled[start : start + TILES]
        labels = _fast_batch([points[k] for k in group], [masks[k] for k in group], radius, support)
        for k, one in zip(group, labels, strict=True):
            result[k] = one
    return result


def _fast_batch(points: list[Tensor], masks: list[np.ndarray], radius: float, support: int) -> list[np.ndarray]:
    """One batch of `fast_on_device`; no tile is empty."""
    device = points[0].device
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        points = [data.float() - data.float().mean(0) for data in points]
        samples = [_sample(data) for data in points]
        data, valid = _padded([sample for sample, _ in samples])
        chosen = [torch.from_numpy(_seeds(mask, len(one))).to(device) for mask, one in zip(masks, points, strict=True)]
        modes = [(one[:0], one.new_zeros(0)) for one in points]
        for _ in range(2):
            seeds, used = _padded([one[pick] for one, pick in zip(points, chosen, strict=True)])
            if not seeds.shape[1]:
                break
            found, counts = climb_batch(data, valid, seeds, radius, _STOP)
            for k, (old, old_counts) in enumerate(modes):
                new, new_counts = found[k][used[k]], counts[k][used[k]]
                modes[k] = strongest(torch.cat([old, new]), torch.cat([old_counts, new_counts]), radius)
            far = [squared_to_nearest(one, m[0])[0] > radius * radius for one, m in zip(points, modes, strict=True)]
            chosen = [_spread(left.nonzero()[:, 0]) for left in far]
        kept = [keep_modes(m, c, radius, support / weight) for (m, c), (_, weight) in zip(modes, samples, strict=True)]
        return [compact(nearest(one, m).cpu().numpy()) for one, m in zip(points, kept, strict=True)]


def _padded(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Tensors (n_k, D) as one (B, n, D), and which rows are real (B, n)."""
    data = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
    length = torch.tensor([len(one) for one in rows], device=data.device)
    return data, torch.arange(data.shape[1], device=data.device)[None] < length[:, None]
