"""Synthetic masks for AD-GAN (Yao et al.): ellipses and ellipsoids that never overlap, in 2D and 3D. No torch."""

from __future__ import annotations

from .ellipsoids import Ellipsoids
from .grids import labels_on
from .masks import SyntheticMask, draw_mask, shortfall
from .presets import TABLE_9, PaperMasks
from .settings import MaskSettings, semi_major_of

__all__ = [
    "TABLE_9",
    "Ellipsoids",
    "MaskSettings",
    "PaperMasks",
    "SyntheticMask",
    "draw_mask",
    "labels_on",
    "semi_major_of",
    "shortfall",
]
