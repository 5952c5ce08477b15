"""The two networks: semantic proposal (SPN) and instance encoding (IEN). Liu et al., sections 2.1 and 3.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_nucleidomain.networks import imagenet
from napari_nucleidomain.networks.coordinates import CoordConv
from napari_nucleidomain.networks.resnet_unet import ResNetUNet
from napari_nucleidomain.networks.small_unet import SmallUNet

from .config import SpnIenConfig

if TYPE_CHECKING:
    from napari_nucleidomain.contracts import RunContext


def u_net(config: SpnIenConfig, channels: int, outputs: int) -> nn.Module:
    """A U-Net of the configured size."""
    if config.network == "resnet34":
        return ResNetUNet(channels, outputs)
    return SmallUNet(channels, outputs, config.width, config.depth)


def side_multiple(config: SpnIenConfig) -> int:
    """Sides of a tile must be multiples of this."""
    return 32 if config.network == "resnet34" else 2 ** (config.depth + 1)


def trained_side(config: SpnIenConfig) -> int:
    """Side of the tiles the networks are trained on, in px."""
    multiple = side_multiple(config)
    return -(-config.crop_px // multiple) * multiple


class Encoding(nn.Module):
    """IEN: coordinates mixed into the channels, then a U-Net that gives each pixel an embedding.

    With `config.coordinate_skip` the pixel's place, in units in which nuclei lie one push margin apart, is added to the
    first two dimensions, so that the network only has to learn where in its nucleus a pixel lies. That is the same
    everywhere in a tile and learned in seconds; the paper's form, which has to invent a code for every place,
    takes hours.

    Parameters
    ----------
    config : SpnIenConfig
    channels : int
        Of the image.
    """

    step: Tensor

    def __init__(self, config: SpnIenConfig, channels: int) -> None:
        super().__init__()
        self.coordinates = CoordConv(channels, trained_side(config))
        self.net = u_net(config, channels, config.embedding_dims)
        # Embedding units per pixel; 0 leaves the coordinates out.
        self.register_buffer("step", torch.zeros(()))

    def set_diameter(self, diameter_px: float, push_margin: float) -> None:
        """Scale the added coordinates so that nuclei of this size, side by side, are one margin apart."""
        self.step.fill_(push_margin / max(4.0, diameter_px))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D, H, W) float32."""
        out: Tensor = self.net(self.coordinates(x)).float()
        height, width = x.shape[-2:]
        rows = (torch.arange(height, device=x.device) - (height - 1) / 2) * self.step
        columns = (torch.arange(width, device=x.device) - (width - 1) / 2) * self.step
        place = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
        return torch.cat([out[:, :2] + place, out[:, 2:]], 1)

    def begin_as(self, spn: nn.Module) -> None:
        """Copy everything but the last layer from a trained SPN."""
        mine = self.net.state_dict()
        same = {name: value for name, value in spn.state_dict().items() if mine[name].shape == value.shape}
        self.net.load_state_dict({**mine, **same})


def begin_from_imagenet(net: nn.Module, config: SpnIenConfig, run: RunContext) -> None:
    """Load ImageNet weights into a ResNet34 encoder where the config wants them."""
    if config.imagenet and isinstance(net, ResNetUNet):
        imagenet.begin_from_imagenet(net.encoder, "resnet34", config.imagenet_file, run)
