"""Models of adgan that have learned nothing: what is tested is what is done with their output."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch

from napari_nucleidomain.contracts import ModelCard
from napari_nucleidomain.inference.model_files import save_model
from napari_nucleidomain.inference.trained import weights_of
from napari_nucleidomain.methods.adgan import SPEC
from napari_nucleidomain.methods.adgan.config import AdganConfig
from napari_nucleidomain.methods.adgan.segment import network_settings
from napari_nucleidomain.networks.adgan import Generator


def untrained(folder: Path, ndim: Literal[2, 3] = 2, um: float | None = 0.5, **changes: Any) -> Path:
    """A model's folder: nuclei of 20 px, 12 in work pixels, planes of volumes twice as far apart as pixels."""
    values = {
        **SPEC.preset("quick").values,
        "width": 4,
        "width_volume": 2,
        "blocks": 1,
        "style_width": 8,
        "work_diameter_px": 12.0,
        "precision": "32-true",
        **changes,
    }
    config = AdganConfig.model_validate(values)
    torch.manual_seed(0)
    generator = Generator(network_settings(config, ndim))
    facts = {
        "diameter_px": 20.0,
        "low_px": 15.0,
        "high_px": 25.0,
        "stretch": 1.0,
        "count": (3, 8),
        "crop": (48, 48) if ndim == 2 else (24, 32, 32),
        "spacing": (1.0, 1.0) if ndim == 2 else (2.0, 1.0, 1.0),
    }
    card = ModelCard(
        name=folder.name,
        method="adgan",
        ndim=ndim,
        channels=1,
        kind="fluorescence",
        pixel_size_um=um,
        nucleus_diameter_px=20.0,
        normalisation=facts,
        config=config.model_dump(mode="json"),
    )
    save_model(folder, weights_of(generator=generator), card)
    return folder
