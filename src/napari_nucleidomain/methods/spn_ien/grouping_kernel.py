"""Sums over all points within a flat kernel, for many centres at once and without looking at every point.

A centre's neighbours are found by matrix products. With a point x and a centre s written as
``[x, -|x|²/2, 1]`` and ``[s, 1, (h² - |s|²)/2]``, their product is ``(h² - |x - s|²)/2``: its sign says whether x lies
within h, and a second product adds up the neighbours and counts them. Points are kept in small cells, so that by the
triangle inequality most cells are known to lie wholly outside a block of centres, or wholly inside.
"""

from __future__ import annotations

import torch
from torch import Tensor

_ROWS = 128  # centres in a block: two products of it with a few thousand points stay in the processor's cache
_COLUMNS = 1 << 13  # points in a product
_POINTS_PER_CELL = 32  # enough to place a cell
_SLACK = 1e-4  # relative: wider than the rounding of float32 distances, so that pruning never decides a near tie


def nearest(points: Tensor, centres: Tensor) -> Tensor:
    """Index of the nearest centre of every point.

    Parameters
    ----------
    points : Tensor (n, D) float32
    centres : Tensor (k, D) float32, k >= 1

    Returns
    -------
    Tensor (n,) int64
    """
    return _relative_squares(points, centres).argmin(1)


def squared_to_nearest(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distance to the nearest centre, and its index, for every point: (n,) float32 and (n,) int64."""
    smallest, index = _relative_squares(points, centres).min(1)
    return (smallest + points.square().sum(1)).clamp_min_(0), index


def _relative_squares(points: Tensor, centres: Tensor) -> Tensor:
    """|c|² - 2xc, that is the squared distance less |x|², which does not matter for choosing among centres."""
    return torch.addmm(centres.square().sum(1)[None], points, centres.T, alpha=-2)


def with_ones(points: Tensor) -> Tensor:
    """Points with a column of ones, so that a weighted sum of rows also counts them: (..., n, D+1)."""
    return torch.cat([points, points.new_ones((*points.shape[:-1], 1))], -1)


def as_points(points: Tensor) -> Tensor:
    """`[x, -|x|²/2, 1]`: (..., n, D+2)."""
    half = points.square().sum(-1, keepdim=True) * -0.5
    return torch.cat([points, half, torch.ones_like(half)], -1)


def as_centres(centres: Tensor, bandwidth: float) -> Tensor:
    """`[s, 1, (h² - |s|²)/2]`: (..., k, D+2)."""
    last = (bandwidth * bandwidth - centres.square().sum(-1, keepdim=True)) * 0.5
    return torch.cat([centres, torch.ones_like(last), last], -1)


class FlatKernel:
    """Means and counts of the points within one bandwidth of any centre.

    Parameters
    ----------
    points : Tensor (n, D) float32, n >= 1
        Best centred on their mean: products of large numbers lose digits.
    bandwidth : float
        Radius of the kernel.
    cells : int
        How many cells to sort the points into; it changes the speed, not the result.
    """

    def __init__(self, points: Tensor, bandwidth: float, cells: int = 128) -> None:
        self.bandwidth = bandwidth
        # More cells than one in 32 points would cost more to look at than the points that they spare.
        self._centres, owner = _make_cells(points, max(1, min(cells, len(points) // 32)))
        order = owner.argsort(stable=True)
        points, owner = points[order], owner[order]
        self._owner = owner
        self._left = as_points(points)
        self._right = with_ones(points)
        self._sums = points.new_zeros((len(self._centres), points.shape[1] + 1)).index_add_(0, owner, self._right)
        reach = torch.linalg.vector_norm(points - self._centres[owner], dim=1)
        self._reach = points.new_zeros(len(self._centres)).scatter_reduce_(0, owner, reach, "amax")

    def __call__(self, centres: Tensor) -> tuple[Tensor, Tensor]:
        """Shift centres once.

        Parameters
        ----------
        centres : Tensor (k, D) float32

        Returns
        -------
        means : Tensor (k, D) float32
            Mean of the points within one bandwidth of each centre; the centre itself where there are none.
        counts : Tensor (k,) float32
            How many points that were.
        """
        near_cell = nearest(centres, self._centres)
        order = near_cell.argsort(stable=True)  # alike centres in one block prune together
        centres_sorted = centres[order]
        rows = as_centres(centres_sorted, self.bandwidth)
        sums = torch.empty((len(centres), centres.shape[1] + 1), dtype=centres.dtype, device=centres.device)
        for start in range(0, len(centres), _ROWS):
            block = slice(start, start + _ROWS)
            sums[block] = self._block(centres_sorted[block], rows[block])
        back = torch.empty_like(sums)
        back[order] = sums
        counts = back[:, -1]
        means = torch.where(counts[:, None] > 0, back[:, :-1] / counts[:, None].clamp_min(1), centres)
        return means, counts

    def _block(self, centres: Tensor, rows: Tensor) -> Tensor:
        """Sums and counts for one block of centres, (k, D+1)."""
        distance = torch.cdist(centres, self._centres, compute_mode="donot_use_mm_for_euclid_dist")
        low, high = distance.amin(0), distance.amax(0)
        inside = high + self._reach <= self.bandwidth * (1 - _SLACK)
        maybe = (low - self._reach <= self.bandwidth * (1 + _SLACK)) & ~inside
        chosen = maybe[self._owner].nonzero()[:, 0]
        sums = self._sums[inside].sum(0).expand(len(centres), -1).clone()
        for part in chosen.split(_COLUMNS):
            weight = (rows @ self._left[part].T).ge_(0)  # in place: 1.0 within the bandwidth, else 0.0
            sums.addmm_(weight, self._right[part])
        return sums


def _make_cells(points: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """Sort points into cells by two rounds of k-means on some of them: centres (m, D) and each point's cell (n,)."""
    some = points[:: max(1, len(points) // (cells * _POINTS_PER_CELL))]
    centres = some[torch.linspace(0, len(some) - 1, cells, device=points.device).long()]
    for _ in range(2):
        owner = nearest(some, centres)
        count = torch.bincount(owner, minlength=len(centres))
        sums = torch.zeros_like(centres).index_add_(0, owner, some)
        used = count > 0
        centres = sums[used] / count[used, None]
    return centres, nearest(points, centres)


def shift_batch(left: Tensor, right: Tensor, centres: Tensor, bandwidth: float, chunk: int) -> tuple[Tensor, Tensor]:
    """Shift the centres of several tiles once, with no pruning and no waiting for the device.

    Parameters
    ----------
    left : Tensor (B, n, D+2) float32
        `as_points`; padding has -1e30 in the last column but one, so that it is within reach of nothing.
    right : Tensor (B, n, D+1) float32
        `with_ones`.
    centres : Tensor (B, k, D) float32
    bandwidth : float
    chunk : int
        Points looked at in one product: bounds the memory, B·k·chunk numbers.

    Returns
    -------
    means : Tensor (B, k, D) float32
    counts : Tensor (B, k) float32
    """
    rows = as_centres(centres, bandwidth)
    sums = centres.new_zeros((*centres.shape[:2], right.shape[2]))
    for a, b in zip(left.split(chunk, 1), right.split(chunk, 1), strict=True):
        weight = (torch.bmm(rows, a.transpose(1, 2)) >= 0).to(centres.dtype)
        sums.baddbmm_(weight, b)
    counts = sums[..., -1]
    means = torch.where(counts[..., None] > 0, sums[..., :-1] / counts[..., None].clamp_min(1), centres)
    return means, counts
