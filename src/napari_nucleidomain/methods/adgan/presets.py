"""Named settings. `quick` was tuned on train and val images only (for volumes: of gonuclear3d); the papers' cite their
places.
"""

from __future__ import annotations

from typing import Any

from napari_nucleidomain.contracts import Preset
from napari_nucleidomain.instances.synthesis.presets import TABLE_9, PaperMasks
from napari_nucleidomain.instances.synthesis.settings import semi_major_of

_QUICK: dict[str, Any] = {
    "work_diameter_px": 16.0,
    "work_diameter_volume_px": 12.0,
    "smooth_volume": 0.08,
    "least_volume": 0.8,
    "most_volume": 1.2,
    "own_scale": True,
    "width": 16,
    "width_volume": 8,
    "style_width": 64,
    "up": "resize",
    "gan": "lsgan",
    "crop_px": 96,
    "crop_volume_px": 48,
    "crop_z": 24,
    "batch": 4,
    "batch_volume": 1,
    "steps": 4000,
    "steps_volume": 500,
    "rate": 5e-4,
    "head_start": 0.02,
    "average_decay": 0.99,
    "quarter_turns": True,
    "turn": 0.0,
    "mirrored": True,
    "low": -0.45,
    "edge": 0.5,
}
# What the paper says and nothing else: the last state, no running average.
_PAPER: dict[str, Any] = {"precision": "32-true", "choose": False, "window_crops": 32.0, "stretch": 1.0}


def _table_9(row: PaperMasks) -> Preset:
    """A row as a preset: it tells semi-major axes in work pixels, the configuration diameters in those of the image."""
    low, high = row.semi_major
    middle = (low + high) / 2
    values = {
        **_PAPER,
        "form": row.form,
        "resize": row.resize,
        "diameter_px": middle / semi_major_of(1.0, row.ndim) / row.resize,
        "size_least": low / middle,
        "size_most": high / middle,
        "count_least": row.count[0],
        "count_most": row.count[1],
    }
    return Preset(f"Paper's settings ({row.title})", "As above, with nuclei of the size and number of Table 9.", values)


PRESETS: dict[str, Preset] = {
    "quick": Preset(
        "Quick look",
        "Small networks: worth using after some twenty minutes on a laptop, flat images and volumes.",
        _QUICK,
        minutes=20.0,
    ),
    "balanced": Preset(
        "Better",
        "Larger networks: some hours on a processor, minutes on a graphics card.",
        {
            **_QUICK,
            "work_diameter_px": 20.0,
            "work_diameter_volume_px": 16.0,
            "width": 32,
            "width_volume": 16,
            "crop_px": 160,
            "crop_volume_px": 96,
            "crop_z": 48,
            "batch": 8,
            "batch_volume": 2,
            "rate": 2e-4,
            "steps": 10000,
            "steps_volume": 2000,
            "average_decay": 0.995,
        },
        minutes=180.0,
    ),
    "paper": Preset(
        "Paper's settings",
        "Networks and schedule of the paper, sizes estimated; needs a graphics card and hours.",
        # Section 4.2: 0.0001, batches of 16 flat images and 4 volumes, 5000 steps and 5000 falling to 0.
        _PAPER,
    ),
    "code": Preset(
        "Authors' code",
        "As the paper's, with the numbers of the authors' program where they differ.",
        {**_PAPER, "gan": "lsgan", "style_width": 64, "rate": 2e-4, "batch": 8},
    ),
    **{f"paper-{name}": _table_9(row) for name, row in TABLE_9.items()},
}
