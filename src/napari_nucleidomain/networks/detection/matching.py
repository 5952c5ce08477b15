"""Which candidate box belongs to which nucleus, which ones nothing is known of, and which are drawn to learn from."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import box_iou

BACKGROUND = -1
BETWEEN = -2

CHUNK = 4096


def match(boxes: Tensor, candidates: Tensor, foreground: float, background: float, keep_best: bool) -> Tensor:
    """Match candidates with nuclei by IoU, as torchvision's ``Matcher`` does, without the whole matrix.

    Parameters
    ----------
    boxes : Tensor
        (N, 4) of the nuclei.
    candidates : Tensor
        (M, 4). Quick where neighbours in the list are neighbours in the image, as anchors are.
    foreground, background : float
        IoU from which on a candidate belongs to its best nucleus, and below which it is background.
    keep_best : bool
        Whether the best candidates of each nucleus belong to their nucleus whatever their IoU.

    Returns
    -------
    Tensor
        (M,) int64: index of the nucleus, -1 background, -2 between the two.
    """
    matched = torch.full((len(candidates),), BACKGROUND, device=candidates.device)
    if not len(boxes) or not len(candidates):
        return matched
    nearest = torch.zeros_like(matched)
    starts = range(0, len(candidates), CHUNK)
    best = boxes.new_zeros(len(starts), len(boxes))
    for row, start in enumerate(starts):
        chunk = candidates[start : start + CHUNK]
        near = _touching(boxes, chunk)
        if not len(near):
            continue
        iou = _iou(boxes[near], chunk)
        value, index = iou.max(0)
        best[row, near] = iou.max(1).values
        of = near[index]
        nearest[start : start + CHUNK] = of
        decided = torch.where(value >= foreground, of, BETWEEN)
        matched[start : start + CHUNK] = torch.where(value < background, BACKGROUND, decided)
    if keep_best:
        top = best.amax(0)
        for row, start in enumerate(starts):
            here = torch.nonzero((best[row] == top) & (top > 0)).flatten()
            if len(here):
                chunk = candidates[start : start + CHUNK]
                found = (_iou(boxes[here], chunk) == top[here, None]).any(0)
                part = matched[start : start + CHUNK]
                part[found] = nearest[start : start + CHUNK][found]
    return matched


def _touching(boxes: Tensor, chunk: Tensor) -> Tensor:
    """Indices of the boxes that can have an IoU above 0 with any of the chunk."""
    low, high = chunk[:, :2].amin(0), chunk[:, 2:].amax(0)
    return torch.nonzero(((boxes[:, 2:] > low) & (boxes[:, :2] < high)).all(1)).flatten()


def _iou(boxes: Tensor, chunk: Tensor) -> Tensor:
    # Two boxes without any area have 0 / 0.
    return box_iou(boxes, chunk).nan_to_num(0.0)


def unknown_share(labels: Tensor, boxes: Tensor) -> Tensor:
    """Which part of each box, clipped to the image, is unknown (label below 0).

    A nucleus that lies in the unknown part has at most this IoU with the box; so a box with a smaller share than the
    IoU that makes a candidate a nucleus is background for certain if it matches nothing known.

    Parameters
    ----------
    labels : Tensor
        (H, W).
    boxes : Tensor
        (R, 4) in px.

    Returns
    -------
    Tensor
        (R,) float32, 0 for boxes outside the image.
    """
    height, width = labels.shape
    total = torch.zeros(height + 1, width + 1, dtype=torch.int64, device=labels.device)
    total[1:, 1:] = (labels < 0).cumsum(0).cumsum(1)
    x1, y1 = boxes[:, 0].floor().clamp(0, width).long(), boxes[:, 1].floor().clamp(0, height).long()
    x2, y2 = boxes[:, 2].ceil().clamp(0, width).long(), boxes[:, 3].ceil().clamp(0, height).long()
    inside = total[y2, x2] - total[y1, x2] - total[y2, x1] + total[y1, x1]
    return inside.float() / ((x2 - x1) * (y2 - y1)).clamp(min=1)


def draw(
    positive: Tensor, negative: Tensor, count: int, share: float, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Draw at most `count` candidates, at most `share` of them positive, as torchvision's sampler does.

    Parameters
    ----------
    positive, negative : Tensor
        (M,) bool.
    generator : torch.Generator or None
        Of the processor; None draws from torch's own.

    Returns
    -------
    positive, negative : Tensor
        Sorted indices of those drawn.
    """
    drawn: list[Tensor] = []
    left = int(count * share)
    for mask in (positive, negative):
        found = torch.nonzero(mask).flatten()
        order = torch.randperm(len(found), generator=generator)[:left].to(found.device)
        drawn.append(found[order].sort().values)
        left = count - len(drawn[0])
    return drawn[0], drawn[1]
