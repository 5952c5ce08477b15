"""What AD-GAN's networks are made of, and the two domains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

IMAGES, MASKS = 0, 1
"""The domains: microscope images are the first, synthetic masks the second."""


@dataclass(frozen=True)
class NetworkSettings:
    """Settings of `Generator` and `Discriminator`.

    Parameters
    ----------
    ndim : {2, 3}
    width : int, optional
        Channels after the first convolution, doubled twice. Default: 64 in 2D (Tables 5-8), half of it in 3D (4.2).
    blocks : int
        Residual blocks in the encoder, and again in the decoder.
    style_width : int
        Hidden units of the networks that make styles: 256 in Table 6, 64 in the authors' code.
    style_in_encoder : bool
        AdaIN in the encoder; False is the row "AdaIN in Encoder" of Table 3: instance norm with its own gain and shift.
    gain : {"one_plus", "plain"}
        AdaIN multiplies by 1 + what the style network says (the authors' code), or by just that (Eq. 7).
    up : {"transposed", "resize"}
        How the decoder doubles sides: transposed convolution as in Table 7, or pixels repeated and a convolution, which
        makes no checkerboard.
    channels : int
        Of images and masks.
    """

    ndim: Literal[2, 3] = 2
    width: int | None = None
    blocks: int = 4
    style_width: int = 256
    style_in_encoder: bool = True
    gain: Literal["one_plus", "plain"] = "one_plus"
    up: Literal["transposed", "resize"] = "transposed"
    channels: int = 1

    def __post_init__(self) -> None:
        if self.ndim not in (2, 3):
            raise ValueError(f"ndim is 2 or 3, not {self.ndim}")
        if self.base < 1 or self.blocks < 0 or self.style_width < 1 or self.channels < 1:
            raise ValueError("width, style_width and channels must be at least 1, blocks at least 0")

    @property
    def base(self) -> int:
        """Channels after the first convolution."""
        return self.width if self.width is not None else {2: 64, 3: 32}[self.ndim]

    @property
    def multiple(self) -> int:
        """Sides of images must be multiples of this."""
        return 4


PAPER_NETWORKS = NetworkSettings()
"""Tables 5-8; what they leave silent is as in the authors' code."""

CODE_NETWORKS = NetworkSettings(style_width=64)
"""The authors' code."""


def domain_label(domain: int, batch: int = 1, device: torch.device | str | None = None) -> Tensor:
    """(batch, 2) float32: the domain as a one-hot vector; anything between the two is a mixture (section 5.5)."""
    label = torch.zeros(batch, 2, device=device)
    label[:, domain] = 1
    return label
