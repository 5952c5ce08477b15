"""The networks and the training step of AD-GAN (Yao et al.), in 2D and 3D from one definition.

Importing this imports torch.
"""

from __future__ import annotations

from .adain import Style, adaptive_instance_norm
from .aligned import AlignedTraining, GeneratorLosses, Translated
from .discriminator import Discriminator
from .generator import Decoder, Encoder, Generator
from .objectives import CODE_LOSSES, PAPER_LOSSES, TABLE_3, Ablation, LossSettings
from .pool import ImagePool
from .settings import CODE_NETWORKS, IMAGES, MASKS, PAPER_NETWORKS, NetworkSettings, domain_label

__all__ = [
    "CODE_LOSSES",
    "CODE_NETWORKS",
    "IMAGES",
    "MASKS",
    "PAPER_LOSSES",
    "PAPER_NETWORKS",
    "TABLE_3",
    "Ablation",
    "AlignedTraining",
    "Decoder",
    "Discriminator",
    "Encoder",
    "Generator",
    "GeneratorLosses",
    "ImagePool",
    "LossSettings",
    "NetworkSettings",
    "Style",
    "Translated",
    "adaptive_instance_norm",
    "domain_label",
]
