"""The U-Net of SPN+IEN: a ResNet34 encoder and a plain decoder without a full-resolution skip.

Liu et al., section 3.2 (ResNet34 encoders, pretrained on ImageNet, as in Qu et al. 2019); the decoder follows what the
paper leaves silent and the authors' published code does: activation before normalisation, dropout of 0.1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class UpBlock(nn.Module):
    """Transposed convolution, skip, twice [3x3 convolution, ReLU, batch norm, channel dropout]."""

    def __init__(self, inside: int, skip: int, outside: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.rise = nn.ConvTranspose2d(inside, inside // 2, 2, stride=2)
        layers: list[nn.Module] = []
        # Activation before normalisation, as published.
        for source in (inside // 2 + skip, outside):
            layers += [nn.Conv2d(source, outside, 3, padding=1), nn.ReLU(inplace=True)]
            layers += [nn.BatchNorm2d(outside), nn.Dropout2d(dropout)]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Rise `x` to the size of `skip` and fuse both."""
        y = self.rise(x)[..., : skip.shape[-2], : skip.shape[-1]]
        if y.shape[-2:] != skip.shape[-2:]:
            pad = (0, skip.shape[-1] - y.shape[-1], 0, skip.shape[-2] - y.shape[-2])
            y = F.pad(y, pad, mode="replicate")
        return self.body(torch.cat([y, skip], 1))


class ResNetUNet(nn.Module):
    """U-Net over torchvision's ResNet34.

    Parameters
    ----------
    channels : int
        Input channels. Where it is not 3 the stem is new (ImageNet weights of the rest can still be loaded).
    outputs : int
        Output channels.
    dropout : float
        Channel dropout in the decoder.
    """

    multiple = 32

    def __init__(self, channels: int, outputs: int, dropout: float = 0.1) -> None:
        super().__init__()
        from torchvision.models import resnet34

        net = resnet34(weights=None)
        if channels != 3:
            net.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        del net.fc, net.avgpool
        self.encoder = net
        self.up = nn.ModuleList(
            UpBlock(*sizes, dropout) for sizes in ((512, 256, 256), (256, 128, 128), (128, 64, 64), (64, 64, 64))
        )
        self.rise = nn.ConvTranspose2d(64, 64, 2, stride=2)
        self.head = nn.Conv2d(64, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, outputs, H, W)."""
        return self.head(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """What the last 1x1 convolution sees, at full resolution."""
        net = self.encoder
        skips = [net.relu(net.bn1(net.conv1(x)))]
        y = net.maxpool(skips[0])
        for layer in (net.layer1, net.layer2, net.layer3):
            y = layer(y)
            skips.append(y)
        y = net.layer4(y)
        for block in self.up:
            y = block(y, skips.pop())
        return self.rise(y)[..., : x.shape[-2], : x.shape[-1]]
