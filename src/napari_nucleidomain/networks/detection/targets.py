"""What a detector learns from: a label map and its boxes, never one mask per nucleus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

UNKNOWN = -1
"""Label of pixels of which nothing is known: outside the regions in which everything is outlined."""


@dataclass(frozen=True)
class Target:
    """The nuclei of one image.

    Attributes
    ----------
    labels : Tensor
        (H, W) int64: 0 background, 1..N one value per nucleus without gaps, -1 unknown.
    boxes : Tensor
        (N, 4) float32 ``x1, y1, x2, y2`` in px, edges of pixels: a nucleus of one pixel has a box of 1 by 1. Row ``k``
        belongs to label ``k + 1``.
    """

    labels: Tensor
    boxes: Tensor

    @classmethod
    def of(cls, labels: Tensor | np.ndarray) -> Target:
        """Target of a label map of any whole-number type; values are renumbered, negative ones are unknown.

        Parameters
        ----------
        labels : Tensor or ndarray
            (H, W).
        """
        if isinstance(labels, np.ndarray):
            labels = torch.from_numpy(labels.astype(np.int64))
        values, place = torch.unique(labels.long(), return_inverse=True)
        numbers = torch.where(values < 0, UNKNOWN, (values > 0).cumsum(0))
        numbers[values == 0] = 0
        dense = numbers[place]
        return cls(dense, boxes_of(dense, int((values > 0).sum())))

    def to(self, device: torch.device | str) -> Target:
        """The same on another device."""
        return Target(self.labels.to(device), self.boxes.to(device))

    @property
    def unknown(self) -> bool:
        """Whether anything is unknown."""
        return bool((self.labels < 0).any())


def boxes_of(labels: Tensor, count: int) -> Tensor:
    """(N, 4) float32 boxes of the labels 1..N, ``x2`` and ``y2`` one past the last pixel."""
    y, x = torch.nonzero(labels > 0, as_tuple=True)
    of = labels[y, x] - 1
    low = [
        torch.full((count,), max(labels.shape), device=labels.device).scatter_reduce(0, of, v, "amin") for v in (x, y)
    ]
    high = [
        torch.zeros(count, dtype=torch.long, device=labels.device).scatter_reduce(0, of, v + 1, "amax") for v in (x, y)
    ]
    return torch.stack([*low, *high], 1).float()


def mask_targets(labels: Tensor, ids: Tensor, boxes: Tensor, side: int, aligned: bool) -> tuple[Tensor, Tensor]:
    """What the masks of boxes should be, read from the label map.

    Equal to RoIAlign (adaptive sampling) of one mask per nucleus, without ever making those masks.

    Parameters
    ----------
    labels : Tensor
        (H, W) int64.
    ids : Tensor
        (R,) the label each box belongs to.
    boxes : Tensor
        (R, 4) in px.
    side : int
        Of the mask.
    aligned : bool
        As in torchvision's ``roi_align``.

    Returns
    -------
    targets : Tensor
        (R, side, side) float32 in 0..1.
    known : Tensor
        (R, side, side) bool, False where a pixel that was read is unknown.
    """
    targets = torch.zeros(len(boxes), side, side, device=labels.device)
    known = torch.ones(len(boxes), side, side, dtype=torch.bool, device=labels.device)
    low, size = boxes[:, :2].float(), (boxes[:, 2:] - boxes[:, :2]).float()
    if aligned:
        low = low - 0.5
    else:
        size = size.clamp(min=1)
    samples = (size / side).ceil().clamp(min=1).long()
    # Boxes of one size class have as many samples per bin; nuclei come in two or three classes.
    for per_x, per_y in torch.unique(samples, dim=0).tolist():
        rows = torch.nonzero((samples[:, 0] == per_x) & (samples[:, 1] == per_y)).flatten()
        for part in rows.split(max(1, 4_000_000 // (side * side * per_x * per_y))):
            x = _points(low[part, 0], size[part, 0], side, per_x)
            y = _points(low[part, 1], size[part, 1], side, per_y)
            targets[part], known[part] = _read(labels, ids[part], x, y, (per_x, per_y))
    return targets, known


def _points(low: Tensor, size: Tensor, side: int, per_bin: int) -> Tensor:
    """(R, side * per_bin) places of the samples along one axis."""
    bins = (size / side)[:, None, None]
    # In RoIAlign's order of operations, for the same rounding.
    within = (torch.arange(per_bin, device=low.device) + 0.5) * bins / per_bin
    at = low[:, None, None] + torch.arange(side, device=low.device)[:, None] * bins + within
    return at.flatten(1)


def _ends(at: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Lower and upper neighbour, weight of the upper one, and whether the place lies in the image; as in RoIAlign."""
    inside = (at >= -1) & (at <= length)
    at = at.clamp(0, length - 1)
    first = at.long()
    return first, (first + 1).clamp(max=length - 1), at - first, inside


def _read(labels: Tensor, ids: Tensor, x: Tensor, y: Tensor, per_bin: tuple[int, int]) -> tuple[Tensor, Tensor]:
    height, width = labels.shape
    x0, x1, right, x_inside = _ends(x, width)
    y0, y1, down, y_inside = _ends(y, height)
    value = x.new_zeros(len(x), y.shape[1], x.shape[1])
    known = torch.ones_like(value, dtype=torch.bool)
    for rows, weight_y in ((y0, 1 - down), (y1, down)):
        for columns, weight_x in ((x0, 1 - right), (x1, right)):
            found = labels[rows[:, :, None], columns[:, None, :]]
            weight = weight_y[:, :, None] * weight_x[:, None, :]
            value += weight * (found == ids[:, None, None])
            known &= (found >= 0) | (weight == 0)
    value *= y_inside[:, :, None] & x_inside[:, None, :]
    side = x.shape[1] // per_bin[0]
    bins = (len(x), side, per_bin[1], side, per_bin[0])
    return value.view(bins).mean((2, 4)), known.view(bins).all(4).all(2)
