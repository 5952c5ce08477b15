"""Named settings. `quick` and `balanced` were tuned on train and val images only; the papers' cite their places."""

from __future__ import annotations

from typing import Any

from napari_nucleidomain.contracts import Preset

_SMALL: dict[str, Any] = {
    "imagenet": False,
    "norm": "group",
    "crop_px": 192,
    "batch": 2,
    "optimiser": "adamw",
    "rate": 1e-3,
    "weight_decay": 1e-2,
    "schedule": "cosine",
    "warm_steps": 0,
    "gradient_limit": 5.0,
    "average_decay": 0.99,
    "turn": 180.0,
    "zoom_least": 0.8,
    "zoom_most": 1.25,
    "colours": "jitter",
    "rois": 96,
    "roi_positives": 0.5,
    "proposals_train": 400,
    "proposals": 1000,
    "tile_px": 384,
    "halo_px": 48,
}

# Section 3.3: SGD, momentum 0.9, weight decay 0.0001, 500 steps of warm-up, no batch normalisation.
# The paper names no anchors; those of the program it is built on are assumed.
_PAPER: dict[str, Any] = {"keep_back": 0.0, "precision": "32-true", "anchor_px": 32.0}

PRESETS: dict[str, Preset] = {
    "quick": Preset(
        "Quick look",
        "A small network: worth using after some ten minutes on a laptop.",
        {
            **_SMALL,
            "backbone": "small",
            "pyramid_channels": 64,
            "mask_channels": 64,
            "box_features": 128,
            "steps": 1500,
        },
        minutes=10.0,
    ),
    "balanced": Preset(
        "Better",
        "A larger network: an hour on a processor, minutes on a small graphics card.",
        {
            **_SMALL,
            "backbone": "resnet18",
            "imagenet": True,
            "pyramid_channels": 128,
            "mask_channels": 128,
            "box_features": 256,
            "crop_px": 256,
            "batch": 4,
            "steps": 6000,
            "average_decay": 0.998,
        },
        minutes=60.0,
    ),
    "paper": Preset(
        "Paper's settings (TCGA-kumar)",
        "Network and schedule of the paper; needs a graphics card and hours.",
        # Section 4.2: 0.0025, a tenth at step 8640, a hundredth at 12960, 17280 steps, crops of 512.
        _PAPER,
    ),
    "paper-tnbc": Preset(
        "Paper's settings (TNBC)",
        "As above, with the paper's numbers for the TNBC images.",
        # Section 4.2: 60 epochs of 30 images, 0.00075, drops at epochs 30 and 45; flips and right angles only.
        {**_PAPER, "rate": 0.00075, "batch": 1, "steps": 1800, "colours": "none"},
    ),
    "paper-cell17": Preset(
        "Paper's settings (Cell17)",
        "As above, with the paper's numbers for the images of the MICCAI 2017 challenge.",
        # Section 4.2: 100 epochs of 28 images, 0.001, drops at epochs 50 and 75; flips and right angles only.
        {**_PAPER, "rate": 0.001, "batch": 1, "steps": 2800, "colours": "none"},
    ),
}
