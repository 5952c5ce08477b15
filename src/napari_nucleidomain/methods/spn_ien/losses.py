"""The two losses of SPN+IEN (Liu et al., section 2.2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .pseudo_labels import IGNORED


def partial_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy over labelled pixels only.

    Parameters
    ----------
    logits : Tensor (B, 2, H, W)
    labels : Tensor (B, H, W) int64
        0, 1, or 2 for unlabelled.
    weights : Tensor (2,), optional
        Class weights; 1:1 in the paper's experiments.

    Returns
    -------
    Tensor
        Mean over labelled pixels; 0 (with a gradient of 0) where none is labelled.
    """
    logits = logits.float()
    total = F.cross_entropy(logits, labels, weight=weights, ignore_index=IGNORED, reduction="sum")
    known = labels != IGNORED
    count = known.sum() if weights is None else weights[labels.clamp(max=1)][known].sum()
    return total / count.clamp(min=1)


def discriminative_loss(
    embedding: Tensor,
    instances: Tensor,
    *,
    pull_margin: float = 0.5,
    push_margin: float = 3.0,
    background_weight: float = 1.0,
    regularisation: float = 0.001,
    squared: bool = True,
) -> Tensor:
    """Equation 1: pull pixels to their nucleus' mean, push means apart, keep all near the origin.

    All images of a batch at once, by segment means.

    Parameters
    ----------
    embedding : Tensor (B, D, H, W)
    instances : Tensor (B, H, W) int64
        0 background instance, 1..C nuclei (consecutive or not), -1 neither.
    pull_margin, push_margin : float
        delta_intra and delta_inter.
    background_weight : float
        alpha.
    regularisation : float
        gamma.
    squared : bool
        Square the hinges, as De Brabandere et al. and the published code do; False is the paper's equation as printed.

    Returns
    -------
    Tensor
        Mean over images with at least one nucleus; 0 (with a gradient of 0) where there is none.
    """
    embedding = embedding.float()
    batch, dims = embedding.shape[:2]
    index, batch_of, background = _segments(instances)
    count = len(batch_of)
    pixels = embedding.permute(0, 2, 3, 1).reshape(-1, dims)
    known = index >= 0
    pixels, index = pixels[known], index[known]
    sizes = torch.zeros(count, device=pixels.device).index_add_(0, index, torch.ones_like(pixels[:, 0]))
    sums = torch.zeros(count, dims, device=pixels.device).index_add_(0, index, pixels)
    means = sums / sizes.clamp(min=1)[:, None]
    # Images without a nucleus have nothing to tell apart.
    nuclei = torch.zeros(batch, device=pixels.device).index_add_(0, batch_of, (~background).float())
    used = nuclei > 0
    if not bool(used.any()):
        return embedding.sum() * 0.0
    alpha = torch.where(background, background_weight, 1.0)
    per_image = torch.zeros(batch, device=pixels.device).index_add_(0, batch_of, torch.ones_like(alpha))
    pull = _hinge(_norm(pixels - means[index]) - pull_margin, squared)
    pull = torch.zeros(count, device=pixels.device).index_add_(0, index, pull) / sizes.clamp(min=1)
    each = (alpha * pull + regularisation * _norm(means)) / per_image[batch_of]
    loss = torch.zeros(batch, device=pixels.device).index_add_(0, batch_of, each)
    loss = loss + _push(means, batch_of, alpha, per_image, push_margin, squared)
    return loss[used].mean()


def _push(means: Tensor, batch_of: Tensor, alpha: Tensor, per_image: Tensor, margin: float, squared: bool) -> Tensor:
    """Inter-class term of each image: ordered pairs, those with the background weighted by alpha, over C (C - 1)."""
    first, second = torch.nonzero(
        (batch_of[:, None] == batch_of[None]) & ~torch.eye(len(means), dtype=torch.bool, device=means.device),
        as_tuple=True,
    )
    gaps = _hinge(margin - _norm(means[first] - means[second]), squared)
    weight = alpha[first] * alpha[second]
    image = batch_of[first]
    total = torch.zeros(len(per_image), device=means.device).index_add_(0, image, weight * gaps)
    return total / (per_image * (per_image - 1)).clamp(min=1)


def _segments(instances: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Consecutive segment of each pixel (-1 none), and each segment's image and whether it is background."""
    batch = instances.shape[0]
    highest = int(instances.max()) + 1
    image = torch.arange(batch, device=instances.device).view(-1, 1, 1)
    key = torch.where(instances >= 0, instances + image * highest, torch.full_like(instances, -1)).reshape(-1)
    present, index = torch.unique(key, return_inverse=True)
    skip = int(bool(present[0] < 0)) if len(present) else 0
    present = present[skip:]
    return index - skip, present // max(1, highest), present % max(1, highest) == 0


def _norm(x: Tensor) -> Tensor:
    """Length of rows; `vector_norm` has gradient 0 at 0, where a plain root has NaN."""
    return torch.linalg.vector_norm(x, dim=1)


def _hinge(x: Tensor, squared: bool) -> Tensor:
    positive = x.clamp(min=0.0)
    return positive * positive if squared else positive
