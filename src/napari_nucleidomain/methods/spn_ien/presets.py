"""Named settings. `quick` and `balanced` were tuned on train and val images only; `paper` cites its places."""

from __future__ import annotations

from typing import Any

from napari_nucleidomain.contracts import Preset

_SMALL: dict[str, Any] = {
    "network": "small",
    "imagenet": False,
    "ien_from_spn": True,
    "coordinate_skip": True,
    # The background has no place of its own: it is left to the first network.
    "background_weight": 0.0,
    # Pseudo labels are a little smaller than nuclei. Tried on val and unused training images: 0.35, 0.42, 0.5.
    "foreground_above": 0.35,
    "scale_to_nuclei": True,
    "fit_stride": 4,
    "restarts": 2,
    "schedule": "cosine",
    "spn_rate": 3e-3,
    "ien_rate": 3e-3,
    "average_decay": 0.98,
    "gradient_limit": 5.0,
    "crops": "clicks",
    "least_probability": 0.4,
    "crop_px": 160,
    "halo_px": 24,
    "flips": "both",
    "shear": 0.1,
    "rotation": 180.0,
    "jitter": 0.15,
}

# What the paper does, or leaves to the published code: all clicks teach, nuclei are told apart by the second network,
# mean-shift as scikit-learn has it, full precision, no limit on gradients (the default).
_PAPER: dict[str, Any] = {
    "keep_back": 0.0,
    "decoder": "ien",
    "grouping": "exact",
    "precision": "32-true",
    "halo_px": 60,
    "fit_stride": 1,
    "restarts": 10,
}

PRESETS: dict[str, Preset] = {
    "quick": Preset(
        "Quick look",
        "Small networks: something to see in seconds, worth using in two minutes on a laptop.",
        {**_SMALL, "width": 24, "depth": 3, "spn_steps": 400, "ien_steps": 400},
        minutes=2.0,
    ),
    "balanced": Preset(
        "Better",
        "Wider networks and ten minutes: for images you will count in.",
        {**_SMALL, "width": 32, "depth": 3, "spn_steps": 2000, "ien_steps": 2000, "average_decay": 0.995},
        minutes=10.0,
    ),
    "paper": Preset(
        "Paper's settings (MultiOrgan)",
        "Networks and schedule of the paper; needs a graphics card and hours.",
        # Section 3.2: lambda 0.2, L 60, d* 20, T_fg 0.5, T_bg 0.3, alpha 1, 60 and 1000 epochs, 1e-4 and 1e-3.
        # Steps are for the 12 training images: 16 patches of each, 8 a step, 24 steps an epoch.
        _PAPER,
    ),
    "paper-tnbc": Preset(
        "Paper's settings (TNBC)",
        "As above, with the paper's numbers for the TNBC images.",
        # Section 3.2: lambda 0.12, L 80, d* 18, T_bg 0.2, alpha 0.5.
        # Steps are for the 45 training images of a fold: 16 patches of each, 8 a step, 90 steps an epoch.
        {
            **_PAPER,
            "spn_steps": 5400,
            "ien_steps": 90000,
            "colour_weight": 0.12,
            "patch_px": 80,
            "max_distance_px": 18.0,
            "background_below": 0.2,
            "background_weight": 0.5,
        },
    ),
}
