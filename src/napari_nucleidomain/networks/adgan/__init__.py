"""The networks and the training step of AD-GAN (Yao et al.), in 2D and 3D from one definition.

Importing this imports torch.
"""

from __future__ import annotations

from .adain import Style, adaptive_instance_norm
from .discriminator import Discriminator
from .generator import Decoder, Encoder, Generator
from .settings import CODE_NETWORKS, IMAGES, MASKS, PAPER_NETWORKS, NetworkSettings, domain_label

__all__ = [
    "CODE_NETWORKS",
    "IMAGES",
    "MASKS",
    "PAPER_NETWORKS",
    "Decoder",
    "Discriminator",
    "Encoder",
    "Generator",
    "NetworkSettings",
    "Style",
    "adaptive_instance_norm",
    "domain_label",
]
