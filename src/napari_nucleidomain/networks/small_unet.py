"""A small U-Net for processors without an accelerator: most of its work is done at half resolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv_block(inside: int, outside: int) -> nn.Sequential:
    """Twice [3x3 convolution, batch norm, ReLU]."""
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, padding=1, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(inplace=True),
        nn.Conv2d(outside, outside, 3, padding=1, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(inplace=True),
    )


class SmallUNet(nn.Module):
    """U-Net whose first level is at half resolution, refined once at full resolution.

    Parameters
    ----------
    channels : int
        Input channels.
    outputs : int
        Output channels.
    width : int
        Channels at half resolution; doubled at each of `depth` levels below, at most fourfold.
    depth : int
        Levels below half resolution. Sides must be multiples of ``2 ** (depth + 1)``.
    """

    def __init__(self, channels: int, outputs: int, width: int = 32, depth: int = 3) -> None:
        super().__init__()
        self.multiple = 2 ** (depth + 1)
        widths = [min(width * 2**level, width * 4) for level in range(depth + 1)]
        self.stem = nn.Conv2d(channels, width, 4, stride=2, padding=1)
        self.down = nn.ModuleList(
            conv_block(width if level == 0 else widths[level - 1], widths[level]) for level in range(depth + 1)
        )
        self.up = nn.ModuleList(
            conv_block(widths[level] + widths[level + 1], widths[level]) for level in reversed(range(depth))
        )
        fine = max(8, width // 2)
        self.rise = nn.ConvTranspose2d(width, fine, 2, stride=2)
        self.refine = nn.Sequential(
            nn.Conv2d(fine + channels, fine, 3, padding=1, bias=False), nn.BatchNorm2d(fine), nn.ReLU(inplace=True)
        )
        self.head = nn.Conv2d(fine, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, outputs, H, W)."""
        return self.head(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """What the last 1x1 convolution sees, at full resolution."""
        y = self.stem(x)
        skips = []
        for level, block in enumerate(self.down):
            y = block(F.max_pool2d(y, 2) if level else y)
            skips.append(y)
        skips.pop()
        for block in self.up:
            y = F.interpolate(y, scale_factor=2.0, mode="nearest")
            y = block(torch.cat([y, skips.pop()], 1))
        return self.refine(torch.cat([self.rise(y), x], 1))
