"""The region proposal network: which boxes could hold a nucleus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.rpn import RPNHead, concat_box_prediction_layers
from torchvision.ops import batched_nms, clip_boxes_to_image, remove_small_boxes

from .backbone import Features
from .losses import mean_per_image, smooth_l1
from .matching import BACKGROUND, draw, match, unknown_share
from .settings import DetectorSettings
from .targets import Target

Generators = Sequence[torch.Generator | None]


@dataclass(frozen=True)
class Proposing:
    """What the RPN says of every anchor.

    Attributes
    ----------
    objectness : Tensor
        (B, A) logits.
    deltas : Tensor
        (B, A, 4).
    anchors : Tensor
        (A, 4) in px, level after level, in raster order.
    per_level : list of int
        Anchors of P2 to P6.
    """

    objectness: Tensor
    deltas: Tensor
    anchors: Tensor
    per_level: list[int]


class Rpn(nn.Module):
    """Region proposal network on P2 to P6.

    Parameters
    ----------
    settings : DetectorSettings
    """

    def __init__(self, settings: DetectorSettings) -> None:
        super().__init__()
        self.settings = settings
        self.anchors = AnchorGenerator(
            tuple((size,) for size in settings.anchor_sizes), (settings.ratios,) * len(settings.anchor_sizes)
        )
        self.head = RPNHead(settings.fpn_channels, len(settings.ratios))
        self.coder = BoxCoder((1.0, 1.0, 1.0, 1.0))

    def forward(self, features: Features) -> Proposing:
        """Scores and boxes of all anchors."""
        objectness, deltas = self.head(features.p)
        shapes = [level.shape[-2:] for level in features.p]
        # The strides are those of the levels; torchvision's forward guesses them from sizes that are rounded up.
        device = features.p[0].device
        strides = [[torch.tensor(4 * 2**level, device=device)] * 2 for level in range(len(shapes))]
        self.anchors.set_cell_anchors(torch.float32, device)
        anchors = self.anchors.grid_anchors([list(shape) for shape in shapes], strides)
        images = len(features.p[0])
        scores, boxes = concat_box_prediction_layers(objectness, deltas)
        per_level = [len(level) for level in anchors]
        return Proposing(
            scores.float().view(images, -1), boxes.float().view(images, -1, 4), torch.cat(anchors), per_level
        )

    @torch.no_grad()
    def propose(self, proposing: Proposing, size: tuple[int, int], before: int, after: int) -> list[Tensor]:
        """The best boxes of each image, without doublets.

        Parameters
        ----------
        proposing : Proposing
        size : tuple of int
            Height and width to which boxes are clipped.
        before, after : int
            At most so many per level before the non-maximum suppression, and in all after it.

        Returns
        -------
        list of Tensor
            (P, 4) per image, best first.
        """
        return [
            self._best(scores, deltas, proposing, size, before, after)
            for scores, deltas in zip(proposing.objectness, proposing.deltas, strict=True)
        ]

    def _best(
        self, scores: Tensor, deltas: Tensor, proposing: Proposing, size: tuple[int, int], before: int, after: int
    ) -> Tensor:
        chosen, level, start = [], [], 0
        for number, count in enumerate(proposing.per_level):
            top = scores[start : start + count].topk(min(before, count)).indices + start
            chosen.append(top)
            level.append(torch.full_like(top, number))
            start += count
        rows, levels = torch.cat(chosen), torch.cat(level)
        boxes = self.coder.decode_single(deltas[rows], proposing.anchors[rows])
        boxes = clip_boxes_to_image(boxes, size)
        keep = remove_small_boxes(boxes, 1e-3)
        boxes, rows, levels = boxes[keep], rows[keep], levels[keep]
        keep = batched_nms(boxes, scores[rows].sigmoid(), levels, self.settings.rpn_nms)[:after]
        return boxes[keep]

    def losses(self, proposing: Proposing, targets: Sequence[Target], generators: Generators) -> tuple[Tensor, Tensor]:
        """L_rpn-obj and L_rpn-reg of Eq. 4 (Liu et al. 2019), means of the images' losses."""
        settings, anchors = self.settings, proposing.anchors
        rows, goals, images, boxes, box_goals, box_images = [], [], [], [], [], []
        per_image = proposing.objectness.shape[1]
        for number, (target, generator) in enumerate(zip(targets, generators, strict=True)):
            with torch.no_grad():
                matched = match(target.boxes, anchors, settings.rpn_foreground, settings.rpn_background, True)
                known = torch.ones_like(matched, dtype=torch.bool)
                if target.unknown:
                    known = unknown_share(target.labels, anchors) < settings.rpn_background
                positive, negative = draw(
                    (matched >= 0) & known,
                    (matched == BACKGROUND) & known,
                    settings.rpn_samples,
                    settings.rpn_positive,
                    generator,
                )
                goal = self.coder.encode_single(target.boxes[matched[positive]], anchors[positive])
            rows.append(torch.cat([positive, negative]) + number * per_image)
            goals.append(torch.cat([torch.ones_like(positive), torch.zeros_like(negative)]))
            images.append(torch.full_like(rows[-1], number))
            boxes.append(positive + number * per_image)
            box_goals.append(goal)
            box_images.append(torch.full_like(positive, number))
        image = torch.cat(images)
        counts = torch.bincount(image, minlength=len(targets))
        logits = proposing.objectness.flatten()[torch.cat(rows)]
        each = F.binary_cross_entropy_with_logits(logits, torch.cat(goals).to(logits), reduction="none")
        deltas = proposing.deltas.view(-1, 4)[torch.cat(boxes)]
        far = smooth_l1(deltas, torch.cat(box_goals), settings.rpn_beta)
        return mean_per_image(each, image, counts), mean_per_image(far, torch.cat(box_images), counts)
