"""Losses of each anchor, box and mask, and how they become one number. All of them can be replaced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


def mean_per_image(values: Tensor, image: Tensor, counts: Tensor) -> Tensor:
    """The mean over images of each image's sum divided by its count.

    So the gradient of a batch is the mean of its images' gradients, on one processor as on several. An image without
    any values adds 0.

    Parameters
    ----------
    values : Tensor
        (R,) losses.
    image : Tensor
        (R,) int64, to which image each belongs.
    counts : Tensor
        (B,) what each image's sum is divided by.
    """
    return (values / counts.clamp(min=1)[image]).sum() / len(counts)


def smooth_l1(values: Tensor, goals: Tensor, beta: float) -> Tensor:
    """(R, 4), (R, 4) -> (R,), the sum over the four."""
    return F.smooth_l1_loss(values, goals, beta=beta, reduction="none").sum(1)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """(R, 2), (R,) -> (R,)."""
    return F.cross_entropy(logits, labels, reduction="none")


def mask_bce(logits: Tensor, goals: Tensor) -> Tensor:
    """(R, 28, 28) logits of the nucleus, (R, 28, 28) in 0..1 -> (R, 28, 28)."""
    return F.binary_cross_entropy_with_logits(logits, goals, reduction="none")


def semantic_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of nuclei against background, the mean over each image's known pixels, then over images.

    Parameters
    ----------
    logits : Tensor
        (B, 2, H, W).
    labels : Tensor
        (B, H, W), above 0 nucleus, below 0 unknown.
    """
    goals = torch.where(labels < 0, -1, (labels > 0).long())
    each = F.cross_entropy(logits.float(), goals, ignore_index=-1, reduction="none")
    known = (goals >= 0).sum((1, 2)).clamp(min=1)
    return (each.sum((1, 2)) / known).mean()


@dataclass(frozen=True)
class LossFunctions:
    """What a `Detector` measures its boxes and masks by; a method replaces what its paper does otherwise.

    Attributes
    ----------
    box_class : callable
        (R, 2) logits, (R,) int64 -> (R,).
    box_regression : callable
        (R, 4), (R, 4), beta -> (R,).
    mask : callable
        (R, 28, 28) logits, (R, 28, 28) in 0..1 -> (R, 28, 28).
    semantic : callable
        (B, 2, H, W) logits, (B, H, W) labels -> scalar. Also for the fused map.
    """

    box_class: Callable[[Tensor, Tensor], Tensor] = cross_entropy
    box_regression: Callable[[Tensor, Tensor, float], Tensor] = smooth_l1
    mask: Callable[[Tensor, Tensor], Tensor] = mask_bce
    semantic: Callable[[Tensor, Tensor], Tensor] = semantic_loss
