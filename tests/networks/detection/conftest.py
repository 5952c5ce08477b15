"""A detector of a few thousand parameters and images for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from napari_nucleidomain.networks.detection import Detector, DetectorSettings

SMALL: dict[str, Any] = {
    "backbone": "small",
    "fpn_channels": 16,
    "box_width": 32,
    "mask_channels": 16,
    "box_samples": 64,
    "rpn_before_train": 200,
    "rpn_after_train": 100,
    "rpn_before_test": 200,
    "rpn_after_test": 100,
}


def detector(**changed: Any) -> Detector:
    """The same random weights every time."""
    torch.manual_seed(0)
    return Detector(DetectorSettings(**{**SMALL, **changed}))


def discs(side: int = 96, step: int = 24, radius: int = 8) -> Tensor:
    """(side, side) int64 label map of a grid of discs."""
    at = torch.arange(side)
    y, x = torch.meshgrid(at, at, indexing="ij")
    inside = ((y % step - step // 2) ** 2 + (x % step - step // 2) ** 2) <= radius**2
    return torch.where(inside, y // step * (side // step) + x // step + 1, 0)


def picture(labels: Tensor, seed: int = 0) -> Tensor:
    """(1, 3, H, W) of the nuclei on noise."""
    noise = torch.randn(3, *labels.shape, generator=torch.Generator().manual_seed(seed))
    return (noise * 0.3 + 2 * (labels > 0))[None]


@pytest.fixture
def tiny() -> SimpleNamespace:
    """`detector`, `discs` and `picture`."""
    plain = {"mask_head": "plain", "fusion": False, "semantic": False}
    return SimpleNamespace(detector=detector, discs=discs, picture=picture, plain=plain)
