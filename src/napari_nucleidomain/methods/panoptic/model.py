"""The network of a configuration, and the sizes of the boxes it begins with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleidomain.networks.detection import Detector, DetectorSettings

from .config import PanopticConfig

if TYPE_CHECKING:
    from .outlined import Outlined

# The network sees every fourth pixel: smaller boxes than this are not told apart.
LEAST_ANCHOR = 6.0
_SMALL_NUCLEUS = 8.0
# So many of the smallest anchors beside each other are the tile for which `proposals` and `most_nuclei` are said: the
# tile of `quick` and `balanced` with nuclei of 16 px.
_ANCHORS_A_TILE = 48.0


def smallest_anchor(config: PanopticConfig, diameter_px: float) -> float:
    """Side of the anchors of P2, in px; by default the next level has the typical nucleus."""
    return config.anchor_px or round(max(LEAST_ANCHOR, diameter_px / 2), 2)


def typical_diameter(images: Sequence[Outlined]) -> float:
    """Median over all nuclei of the diameter of a disc of the same area, in px; 0 where there is none."""
    areas = np.concatenate([np.bincount(one.known[one.known > 0])[1:] for one in images] or [np.zeros(0, int)])
    return 2.0 * float(np.sqrt(np.median(areas) / np.pi)) if len(areas) else 0.0


def size_warning(diameter_px: float, anchor_px: float, continued: bool = False) -> tuple[str, str] | None:
    """Message and hint where nuclei are too small for the network; None where they are not.

    A model that is `continued` keeps its anchors.
    """
    if diameter_px < _SMALL_NUCLEUS:
        return (
            f"The nuclei are only {diameter_px:.0f} px wide: too few pixels to draw their edges by.",
            "Use images of higher magnification, or enlarge these (twice) before outlining and predicting.",
        )
    if diameter_px < 0.6 * anchor_px:
        return (
            f"The nuclei are {diameter_px:.0f} px wide and the smallest box to begin with is {anchor_px:.0f} px: "
            "many may be missed.",
            "Begin a new model: one that is continued keeps its boxes."
            if continued
            else "Choose anchor_px=0, which takes the size of your nuclei.",
        )
    return None


def room(config: PanopticConfig) -> float:
    """How many times the configured proposals and nuclei a tile may hold, since more fit into it; at least 1."""
    return max(1.0, (config.tile_px / (_ANCHORS_A_TILE * config.anchor_px)) ** 2)


def detector_settings(config: PanopticConfig, channels: int) -> DetectorSettings:
    """What the shared detector is told. `config.anchor_px` is no longer 0 here."""
    anchors = tuple(config.anchor_px * 2**level for level in range(5))
    proposals, nuclei = (math.ceil(limit * room(config)) for limit in (config.proposals, config.most_nuclei))
    return DetectorSettings(
        channels=channels,
        backbone=config.backbone,
        norm=config.norm,
        fpn_channels=config.pyramid_channels,
        anchor_sizes=anchors,
        rpn_before_train=config.proposals_train,
        rpn_after_train=config.proposals_train,
        rpn_before_test=proposals,
        rpn_after_test=proposals,
        # In Mask R-CNN's proportion to its anchors, 224 to 32.
        roi_canonical=7.0 * config.anchor_px,
        box_width=config.box_features,
        box_samples=config.rois,
        box_positive=config.roi_positives,
        box_nms=config.overlap,
        least_score=config.least_score,
        detections=nuclei,
        mask_head="dual" if config.mask_generator == "dual" else "plain",
        mask_channels=config.mask_channels,
        fusion=config.feature_fusion,
        semantic=config.semantic_branch,
        gcn_kernel=config.semantic_kernel,
    )


def new_detector(config: PanopticConfig, channels: int) -> Detector:
    """A network with random weights."""
    return Detector(detector_settings(config, channels))
