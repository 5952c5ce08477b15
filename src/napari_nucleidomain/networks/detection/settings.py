"""What a detector is made of, and every number that it trains and detects with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Backbone = Literal["small", "resnet18", "resnet50", "resnet101"]
Norm = Literal["group", "frozen"]
MaskHead = Literal["plain", "dual"]
FusionMasks = Literal["boxes", "proposals"]

PAPER_ANCHORS = (32.0, 64.0, 128.0, 256.0, 512.0)
"""The sizes of maskrcnn-benchmark, which the papers keep, in px."""

NUCLEUS_ANCHORS = (8.0, 16.0, 32.0, 64.0, 128.0)
"""Sizes that suit nuclei of 10 to 40 px."""


@dataclass(frozen=True)
class DetectorSettings:
    """Settings of a `Detector`.

    Numbers that Liu et al. (IJCAI 2019) leave silent are those of Mask R-CNN as it is commonly built, but for those
    that limit proposals and nuclei, which are raised to images with a thousand of them. The rows of the paper's Table 3
    are `mask_head`, `fusion` and `semantic`; all off is Mask R-CNN.

    Parameters
    ----------
    channels : int
        Of the image.
    backbone : {"small", "resnet18", "resnet50", "resnet101"}
        The paper's is ResNet101. "small" has 16 to 128 channels and is made for processors.
    norm : {"group", "frozen"}
        Group norm, or batch norm that never learns (the paper's "no batch normalization"; only with ImageNet weights).
    fpn_channels : int
        Channels of P2 to P6.
    anchor_sizes : tuple of 5 floats
        Side of the square anchor of P2 to P6, in px of the image.
    ratios : tuple of float
        Height by width of the anchors.
    rpn_foreground, rpn_background : float
        An anchor is a nucleus from the first IoU on, background below the second.
    rpn_samples, rpn_positive : int, float
        Anchors drawn per image, and at most which part of them nuclei.
    rpn_nms : float
        IoU above which the worse of two proposals of one level goes.
    rpn_before_train, rpn_after_train, rpn_before_test, rpn_after_test : int
        Proposals per level before that, and of the image after it.
    rpn_beta, box_beta : float
        Where smooth L1 turns from square to linear.
    roi_canonical : float
        Boxes of this side, in px, read P4; each halving reads one level lower, P2 at least.
    aligned : bool
        RoIAlign without the shift of half a pixel. False gives torchvision's (and maskrcnn-benchmark's) RoIAlign and
        mask targets, with which nuclei lie half a pixel off.
    box_width : int
        Hidden units of the box head.
    box_iou : float
        A proposal is a nucleus from this IoU on.
    box_samples, box_positive : int, float
        Proposals drawn per image, and at most which part of them nuclei.
    box_nms : float
        IoU above which the worse of two detections goes.
    least_score : float
        Detections below go.
    detections : int
        At most so many per image.
    mask_head : {"plain", "dual"}
        Mask R-CNN's, or the dual-modal generator of Table 1.
    mask_channels : int
        256 in Table 1; its other widths go with it.
    fusion : bool
        The fused semantic map of Eq. 1-3 and its loss.
    fusion_masks : {"boxes", "proposals"}
        Whose masks are pasted into the box predictions in training: those of the box predictions, read again as in
        detection, or those that L_det-mask has seen, which lie in the frame of their proposals.
    fusion_nms : float
        IoU above which the worse of two masks is not pasted in training.
    semantic : bool
        The semantic branch with the GCN decoder.
    gcn_kernel : int
        Its large kernel.
    """

    channels: int = 3
    backbone: Backbone = "resnet101"
    norm: Norm = "group"
    fpn_channels: int = 256
    anchor_sizes: tuple[float, ...] = NUCLEUS_ANCHORS
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    rpn_foreground: float = 0.7
    rpn_background: float = 0.3
    rpn_samples: int = 256
    rpn_positive: float = 0.5
    rpn_nms: float = 0.7
    rpn_before_train: int = 2000
    rpn_after_train: int = 2000
    rpn_before_test: int = 6000
    rpn_after_test: int = 4000
    rpn_beta: float = 1 / 9
    roi_canonical: float = 224.0
    aligned: bool = True
    box_width: int = 1024
    box_iou: float = 0.5
    box_samples: int = 512
    box_positive: float = 0.25
    box_beta: float = 1.0
    box_nms: float = 0.5
    least_score: float = 0.05
    detections: int = 3000
    mask_head: MaskHead = "dual"
    mask_channels: int = 256
    fusion: bool = True
    fusion_masks: FusionMasks = "boxes"
    fusion_nms: float = 0.5
    semantic: bool = True
    gcn_kernel: int = 5

    def __post_init__(self) -> None:
        if len(self.anchor_sizes) != 5:
            raise ValueError(f"anchor_sizes: five are needed, P2 to P6, and {len(self.anchor_sizes)} are there")
        if self.mask_channels % 2 or self.gcn_kernel % 2 == 0:
            raise ValueError("mask_channels must be even and gcn_kernel odd")
