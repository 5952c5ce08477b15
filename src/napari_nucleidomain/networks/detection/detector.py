"""The detector that three methods build on: Mask R-CNN's parts, and what each paper adds to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import batched_nms, clip_boxes_to_image, nms, remove_small_boxes

from .backbone import Backbone, Features
from .fusion import FusionMap, fuse
from .gcn import GcnDecoder
from .heads import BOX_SIDE, Boxes, BoxHead
from .losses import LossFunctions, mean_per_image
from .mask_generator import MASK_INPUT, MASK_SIDE, DualMaskHead, Masks, PlainMaskHead, probabilities
from .matching import BACKGROUND, draw, match, unknown_share
from .pooling import levels_of, pool
from .results import Detections, Drawn, Step
from .rpn import Generators, Rpn
from .settings import DetectorSettings
from .targets import Target, mask_targets

BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
"""Of the box head's regression, maskrcnn-benchmark's and torchvision's."""

BOX_CHUNK = 1024
MASK_CHUNK = 128


@dataclass(frozen=True)
class Replacements:
    """Modules and losses that a method brings itself; None takes those of the settings.

    Attributes
    ----------
    box_head : nn.Module or None
        (R, fpn_channels, 7, 7) -> `Boxes`.
    mask_head : nn.Module or None
        (R, fpn_channels, 14, 14) -> `Masks`.
    semantic_head : nn.Module or None
        `Features` -> (B, 2, H, W) logits; used where the settings switch the semantic branch on.
    losses : LossFunctions
    """

    box_head: nn.Module | None = None
    mask_head: nn.Module | None = None
    semantic_head: nn.Module | None = None
    losses: LossFunctions = field(default_factory=LossFunctions)


class Detector(nn.Module):
    """Mask R-CNN for one class, with the dual-modal mask generator, feature fusion and semantic branch as switches.

    Parameters
    ----------
    settings : DetectorSettings
    replacements : Replacements, optional

    Notes
    -----
    Nothing here depends on ``train()`` or ``eval()``. Gradients reach the images, also with frozen parameters.
    """

    def __init__(self, settings: DetectorSettings, replacements: Replacements | None = None) -> None:
        super().__init__()
        own = replacements or Replacements()
        self.settings = settings
        self.functions = own.losses
        self.backbone = Backbone(settings)
        self.rpn = Rpn(settings)
        self.box_head = own.box_head or BoxHead(settings.fpn_channels, settings.box_width)
        mask_head = PlainMaskHead if settings.mask_head == "plain" else DualMaskHead
        self.mask_head = own.mask_head or mask_head(settings.fpn_channels, settings.mask_channels)
        self.semantic_head: nn.Module | None = None
        if settings.semantic:
            self.semantic_head = own.semantic_head or GcnDecoder(self.backbone.widths, settings.gcn_kernel)
        self.fusion_map = FusionMap(settings.fpn_channels) if settings.fusion else None
        self.coder = BoxCoder(BOX_WEIGHTS)

    def forward(
        self, images: Tensor, targets: Sequence[Target] | None = None, seeds: Sequence[int] | None = None
    ) -> dict[str, Tensor] | list[Detections]:
        """`losses` with targets, `detect` without; for wrappers (several devices) that only see ``forward``."""
        return self.detect(images) if targets is None else self.losses(images, targets, seeds)

    def features(self, images: Tensor) -> Features:
        """C2 to C5 and P2 to P6 of (B, C, H, W) normalised images of any size."""
        return self.backbone(images)

    def losses(
        self, images: Tensor, targets: Sequence[Target], seeds: Sequence[int] | None = None
    ) -> dict[str, Tensor]:
        """The terms of Eq. 4, each a scalar whose weight is 1.

        Parameters
        ----------
        images : Tensor
            (B, C, H, W) float32, normalised.
        targets : sequence of Target
            One per image, on the images' device.
        seeds : sequence of int, optional
            One per image: which anchors and proposals are drawn then depends on nothing else. Without, torch's own
            random numbers are used.

        Returns
        -------
        dict of str to Tensor
            ``rpn_objectness``, ``rpn_box``, ``box_class``, ``box_regression``, ``mask``, and where switched on
            ``semantic`` and ``fused``. Each is the mean over images of the image's own mean, and 0 (with a gradient of
            0) where there is nothing to learn from.
        """
        return self.step(images, targets, seeds).losses

    def step(self, images: Tensor, targets: Sequence[Target], seeds: Sequence[int] | None = None) -> Step:
        """`losses` with everything they were made of."""
        generators: Generators = [None] * len(images)
        if seeds is not None:
            generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        features = self.features(images)
        proposing = self.rpn(features)
        losses = dict(zip(("rpn_objectness", "rpn_box"), self.rpn.losses(proposing, targets, generators), strict=True))
        settings = self.settings
        proposals = self.rpn.propose(proposing, features.size, settings.rpn_before_train, settings.rpn_after_train)
        drawn = self.draw(proposals, targets, generators)
        boxes = self.box_branch(features, drawn.boxes)
        masks = self.mask_branch(features, _split(torch.cat(drawn.boxes)[drawn.positive], drawn, len(images)))
        losses |= self._box_losses(boxes, drawn, len(images))
        losses["mask"] = self._mask_loss(masks, drawn, targets)
        step = Step(losses, features, drawn, boxes, masks)
        return self._whole_image(step, torch.stack([target.labels for target in targets]))

    def _whole_image(self, step: Step, labels: Tensor) -> Step:
        """Add the semantic branch and the fused map."""
        semantic = fused = None
        if self.semantic_head is not None:
            semantic = self.semantic_head(step.features)
            step.losses["semantic"] = self.functions.semantic(semantic, labels)
        if self.fusion_map is not None:
            fused = self._fused(step)
            step.losses["fused"] = self.functions.semantic(fused, labels)
        return replace(step, semantic=semantic, fused=fused)

    def _fused(self, step: Step) -> Tensor:
        """F_N of Eq. 2 from the box predictions of the positive proposals, doublets left out."""
        assert self.fusion_map is not None
        base = self.fusion_map(step.features).float()
        rows = step.drawn.positive
        image = step.drawn.image[rows]
        with torch.no_grad():
            scores = step.boxes.logits[rows].softmax(1)[:, 1]
            found = self._decode(step.boxes.deltas[rows], torch.cat(step.drawn.boxes)[rows], step.features.size)
            keep = _nms_per_image(found, scores, image, self.settings.fusion_nms)
        found, scores, image = found[keep], scores[keep], image[keep]
        masks = step.masks.both[keep] if self.settings.fusion_masks == "proposals" else None
        if masks is None:
            per_image = torch.bincount(image, minlength=len(base)).tolist()
            masks = self.mask_branch(step.features, list(found.split(per_image))).both
        return fuse(base, masks, found, scores, image)

    @torch.no_grad()
    def draw(self, proposals: list[Tensor], targets: Sequence[Target], generators: Generators) -> Drawn:
        """Match proposals (and the nuclei's own boxes) with nuclei, and draw those to learn from."""
        settings = self.settings
        boxes, images, labels, ids, goals = [], [], [], [], []
        for number, (found, target, generator) in enumerate(zip(proposals, targets, generators, strict=True)):
            own = target.boxes[remove_small_boxes(target.boxes, 1e-3)]
            candidates = torch.cat([found, own])
            matched = match(target.boxes, candidates, settings.box_iou, settings.box_iou, False)
            known = torch.ones_like(matched, dtype=torch.bool)
            if target.unknown:
                known = unknown_share(target.labels, candidates) < settings.box_iou
            positive, negative = draw(
                (matched >= 0) & known,
                (matched == BACKGROUND) & known,
                settings.box_samples,
                settings.box_positive,
                generator,
            )
            rows = torch.cat([positive, negative])
            goal = candidates.new_zeros(len(rows), 4)
            goal[: len(positive)] = self.coder.encode_single(target.boxes[matched[positive]], candidates[positive])
            boxes.append(candidates[rows])
            images.append(torch.full_like(rows, number))
            labels.append((matched[rows] >= 0).long())
            ids.append((matched[rows] + 1).clamp(min=0))
            goals.append(goal)
        return Drawn(boxes, torch.cat(images), torch.cat(labels), torch.cat(ids), torch.cat(goals))

    def roi_features(self, features: Features, boxes: list[Tensor], side: int) -> Tensor:
        """(R, C, side, side) features of each image's (R_b, 4) boxes, in order; `side`: 7 for boxes, 14 for masks."""
        return pool(features.p, boxes, side, self.settings.roi_canonical, self.settings.aligned)

    def box_branch(self, features: Features, boxes: list[Tensor]) -> Boxes:
        """Classes and boxes of proposals."""
        return self.box_head(self.roi_features(features, boxes, BOX_SIDE))

    def mask_branch(self, features: Features, boxes: list[Tensor]) -> Masks:
        """Masks of boxes."""
        return self.mask_head(self.roi_features(features, boxes, MASK_INPUT))

    def _box_losses(self, boxes: Boxes, drawn: Drawn, images: int) -> dict[str, Tensor]:
        counts = torch.bincount(drawn.image, minlength=images)
        each = self.functions.box_class(boxes.logits, drawn.labels)
        rows = drawn.positive
        far = self.functions.box_regression(boxes.deltas[rows], drawn.goals[rows], self.settings.box_beta)
        return {
            "box_class": mean_per_image(each, drawn.image, counts),
            "box_regression": mean_per_image(far, drawn.image[rows], counts),
        }

    def _mask_loss(self, masks: Masks, drawn: Drawn, targets: Sequence[Target]) -> Tensor:
        rows = drawn.positive
        image, ids, boxes = drawn.image[rows], drawn.ids[rows], torch.cat(drawn.boxes)[rows]
        goals = torch.zeros_like(masks.nucleus)
        known = torch.ones_like(goals, dtype=torch.bool)
        for number, target in enumerate(targets):
            here = image == number
            goals[here], known[here] = mask_targets(
                target.labels, ids[here], boxes[here], MASK_SIDE, self.settings.aligned
            )
        if not len(rows):
            # Every parameter gets a gradient, which several devices that wait for each other need.
            return torch.stack([parameter.sum() * 0 for parameter in self.mask_head.parameters()]).sum()
        each = self.functions.mask(masks.nucleus, goals)
        pixels = torch.zeros(len(targets), device=image.device).index_add(0, image, known.sum((1, 2)).float())
        return mean_per_image((each * known).sum((1, 2)), image, pixels)

    def detect(self, images: Tensor, *, grad: bool = False) -> list[Detections]:
        """Find nuclei.

        Parameters
        ----------
        images : Tensor
            (B, C, H, W) float32, normalised.
        grad : bool
            Keep what is needed for gradients of scores, boxes and masks.
        """
        with torch.set_grad_enabled(grad):
            return self.detect_in(self.features(images))

    def detect_in(self, features: Features) -> list[Detections]:
        """`detect` in features that are already there, with gradients where they are enabled."""
        settings = self.settings
        proposing = self.rpn(features)
        proposals = self.rpn.propose(proposing, features.size, settings.rpn_before_test, settings.rpn_after_test)
        return [self._detect_one(_one(features, row), found) for row, found in enumerate(proposals)]

    def _detect_one(self, features: Features, proposals: Tensor) -> Detections:
        settings = self.settings
        parts = [self.box_branch(features, [part]) for part in self._parts(proposals, BOX_CHUNK)]
        scores = torch.cat([part.logits for part in parts]).softmax(1)[:, 1]
        boxes = self._decode(torch.cat([part.deltas for part in parts]), proposals, features.size)
        kept = torch.nonzero(scores > settings.least_score).flatten()
        kept = kept[remove_small_boxes(boxes[kept], 1e-2)]
        kept = kept[nms(boxes[kept].detach(), scores[kept].detach(), settings.box_nms)][: settings.detections]
        boxes, scores = boxes[kept], scores[kept]
        masks = [probabilities(self.mask_branch(features, [part])) for part in self._parts(boxes.detach(), MASK_CHUNK)]
        levels = levels_of(boxes, settings.roi_canonical)
        return Detections(boxes, scores, torch.cat(masks), levels, kept, proposals)

    def _parts(self, boxes: Tensor, chunk: int) -> tuple[Tensor, ...]:
        """All at once where a graph is kept anyway, else in parts that fit into memory."""
        return (boxes,) if torch.is_grad_enabled() else boxes.split(chunk)

    def _decode(self, deltas: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
        return clip_boxes_to_image(self.coder.decode_single(deltas, boxes), size)


def _one(features: Features, row: int) -> Features:
    """One image of the batch."""
    return Features([c[row : row + 1] for c in features.c], [p[row : row + 1] for p in features.p], features.size)


def _split(boxes: Tensor, drawn: Drawn, images: int) -> list[Tensor]:
    """Boxes of the positive proposals, image by image."""
    return list(boxes.split(torch.bincount(drawn.image[drawn.positive], minlength=images).tolist()))


def _nms_per_image(boxes: Tensor, scores: Tensor, image: Tensor, iou: float) -> Tensor:
    """Rows that stay, image after image; images do not touch each other."""
    keep: Tensor = batched_nms(boxes, scores, image, iou)
    keep = keep[(boxes[keep, 2:] > boxes[keep, :2]).all(1)]
    return keep[image[keep].sort(stable=True).indices]
