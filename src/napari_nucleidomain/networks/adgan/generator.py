"""Encoder and decoder of AD-GAN: Tables 5 and 7, in 2D and 3D."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.conv import _ConvNd

from .adain import Normalise, Style
from .settings import NetworkSettings

CONV: dict[int, Any] = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: dict[int, Any] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
Styles = Iterator[tuple[Tensor, Tensor] | None]


class Layer(nn.Module):
    """A convolution, AdaIN and ReLU.

    Parameters
    ----------
    convolution : nn.Module
    own_style : bool
        Instance norm instead of AdaIN.
    active : bool
        Whether there is a ReLU.
    """

    def __init__(self, convolution: nn.Module, channels: int, own_style: bool = False, active: bool = True) -> None:
        super().__init__()
        self.convolution = convolution
        self.norm = Normalise(channels, own_style)
        self.active = active

    def forward(self, x: Tensor, styles: Styles) -> Tensor:
        """Takes one style from `styles`."""
        y = self.norm(self.convolution(x), next(styles))
        return F.relu(y) if self.active else y


class ResidualBlock(nn.Module):
    """Two layers, added to what came in; the second has no ReLU (authors' code)."""

    def __init__(self, channels: int, ndim: int, own_style: bool = False) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            Layer(
                CONV[ndim](channels, channels, 3, padding=1, padding_mode="reflect"), channels, own_style, active=k == 0
            )
            for k in range(2)
        )

    def forward(self, x: Tensor, styles: Styles) -> Tensor:
        """Takes two styles."""
        y = x
        for layer in self.layers:
            y = layer(y, styles)
        return x + y


class Encoder(nn.Module):
    """From an image (mask) and its domain to content (Table 5).

    Parameters
    ----------
    settings : NetworkSettings
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        conv, base, own = CONV[settings.ndim], settings.base, not settings.style_in_encoder
        first = conv(settings.channels, base, 7, padding=3, padding_mode="reflect")
        self.down = nn.ModuleList(
            [
                Layer(first, base, own),
                Layer(conv(base, 2 * base, 3, stride=2, padding=1), 2 * base, own),
                Layer(conv(2 * base, 4 * base, 3, stride=2, padding=1), 4 * base, own),
            ]
        )
        self.blocks = nn.ModuleList(ResidualBlock(4 * base, settings.ndim, own) for _ in range(settings.blocks))
        layers = [base, 2 * base, *[4 * base] * (1 + 2 * settings.blocks)]
        self.style = None if own else Style(layers, settings.style_width, settings.gain == "one_plus")
        self.places = len(layers)
        start_kaiming(self)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """Content.

        Parameters
        ----------
        x : Tensor
            (B, channels, sides) in [-1, 1]; sides are multiples of 4.
        label : Tensor
            (B, 2), see `domain_label`.

        Returns
        -------
        Tensor
            (B, 4 width, sides / 4).
        """
        if any(side % self.settings.multiple for side in x.shape[2:]):
            raise ValueError(f"sides must be multiples of {self.settings.multiple}, not {tuple(x.shape[2:])}")
        given: list[Any] = self.style(label) if self.style is not None else [None] * self.places
        styles = iter(given)
        for layer in (*self.down, *self.blocks):
            x = layer(x, styles)
        return x


class Decoder(nn.Module):
    """From content and a domain to an image (mask) of that domain (Table 7, without the ReLU before the Tanh).

    Parameters
    ----------
    settings : NetworkSettings
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        base, ndim = settings.base, settings.ndim
        self.blocks = nn.ModuleList(ResidualBlock(4 * base, ndim) for _ in range(settings.blocks))
        self.up = nn.ModuleList(Layer(_doubling(settings, inside), inside // 2) for inside in (4 * base, 2 * base))
        self.last = CONV[ndim](base, settings.channels, 7, padding=3, padding_mode="reflect")
        layers = [*[4 * base] * (2 * settings.blocks), 2 * base, base]
        self.style = Style(layers, settings.style_width, settings.gain == "one_plus")
        start_kaiming(self)

    def forward(self, content: Tensor, label: Tensor) -> Tensor:
        """(B, 4 width, sides / 4), (B, 2) -> (B, channels, sides) in [-1, 1]."""
        return torch.tanh(self.logits(content, label))

    def logits(self, content: Tensor, label: Tensor) -> Tensor:
        """What the Tanh sees; tiles are blended here."""
        given: list[Any] = self.style(label)
        styles = iter(given)
        for layer in (*self.blocks, *self.up):
            content = layer(content, styles)
        return self.last(content)


class Generator(nn.Module):
    """Encoder and decoder, whose parameters are learned from different losses.

    Parameters
    ----------
    settings : NetworkSettings
    """

    def __init__(self, settings: NetworkSettings = NetworkSettings()) -> None:  # noqa: B008 - frozen
        super().__init__()
        self.settings = settings
        self.encoder = Encoder(settings)
        self.decoder = Decoder(settings)

    def forward(self, x: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Translate (B, channels, sides) from one domain to another; labels (B, 2)."""
        return self.decoder(self.encoder(x, source), target)


def _doubling(settings: NetworkSettings, inside: int) -> nn.Module:
    """Twice the sides, half the channels."""
    outside = inside // 2
    if settings.up == "transposed":
        return TRANSPOSED[settings.ndim](inside, outside, 3, stride=2, padding=1, output_padding=1)
    return nn.Sequential(nn.Upsample(scale_factor=2), CONV[settings.ndim](inside, outside, 3, padding=1))


def start_kaiming(network: nn.Module) -> None:
    """He's normal initial weights by fan-in, biases 0, for convolutions and linear layers (authors' code)."""
    for module in network.modules():
        if isinstance(module, (_ConvNd, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, mode="fan_in")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
