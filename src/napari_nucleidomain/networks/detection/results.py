"""What a detector gives back: detections, and all of a training step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .backbone import Features
from .heads import Boxes
from .mask_generator import Masks


@dataclass(frozen=True)
class Detections:
    """The nuclei found in one image, best first.

    Attributes
    ----------
    boxes : Tensor
        (N, 4) in px, edges of pixels.
    scores : Tensor
        (N,) in 0..1.
    masks : Tensor
        (N, 28, 28) float32 probabilities, each stretched over its box.
    levels : Tensor
        (N,) int64: which of P2 (0) to P5 (3) the masks were read from.
    kept : Tensor
        (N,) int64: the proposal of which each was made.
    proposals : Tensor
        (P, 4) all proposals, so that ``proposals[kept]`` are the boxes whose features gave these detections.
    """

    boxes: Tensor
    scores: Tensor
    masks: Tensor
    levels: Tensor
    kept: Tensor
    proposals: Tensor

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True)
class Drawn:
    """The proposals of a batch that a training step learns from, the images' one after the other.

    Attributes
    ----------
    boxes : list of Tensor
        (R_b, 4) of each image.
    image : Tensor
        (R,) int64.
    labels : Tensor
        (R,) int64, 1 nucleus, 0 background.
    ids : Tensor
        (R,) int64, label of the matched nucleus, 0 for background.
    goals : Tensor
        (R, 4) regression targets, 0 for background.
    """

    boxes: list[Tensor]
    image: Tensor
    labels: Tensor
    ids: Tensor
    goals: Tensor

    @property
    def positive(self) -> Tensor:
        """Rows that are nuclei."""
        return torch.nonzero(self.labels).flatten()


@dataclass(frozen=True)
class Step:
    """All of one training step, for methods that learn from more than its losses.

    Attributes
    ----------
    losses : dict of str to Tensor
        Scalars, see `Detector.losses`.
    features : Features
    drawn : Drawn
    boxes : Boxes
        Of all drawn proposals.
    masks : Masks
        Of the positive ones, ``drawn.positive``.
    semantic, fused : Tensor or None
        (B, 2, H, W) logits, where switched on.
    """

    losses: dict[str, Tensor]
    features: Features
    drawn: Drawn
    boxes: Boxes
    masks: Masks
    semantic: Tensor | None = None
    fused: Tensor | None = None
