"""Position as an input: CoordConv (Liu, R. et al., NeurIPS 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def unit_grid(x: Tensor, side: int | None = None) -> Tensor:
    """Row and column of every pixel of a tile, from -1 to 1.

    Parameters
    ----------
    x : Tensor (B, C, H, W)
        Gives size, device and number type.
    side : int, optional
        Side of the tiles a network is trained on, in px: a smaller tile has the coordinates of the middle of such a
        one, so that a step of a pixel is always the same. By default the tile's own sides.

    Returns
    -------
    Tensor (B, 2, H, W)
    """
    height, width = x.shape[-2:]
    axes = []
    for length in (height, width):
        end = 1.0 if side is None else (length - 1) / max(1, side - 1)
        axes.append(torch.linspace(-end, end, length, device=x.device, dtype=x.dtype))
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    return grid.expand(x.shape[0], -1, -1, -1)


class CoordConv(nn.Module):
    """1x1 convolution over (row, column, channels), giving as many channels as came in.

    At first it hands the channels on unchanged, so that a pretrained or copied network behind it starts where it was.

    Parameters
    ----------
    channels : int
        Channels in and out; 3 for an RGB image: rows and columns make five, mixed into three, so that a pretrained
        network fits behind it.
    side : int, optional
        See `unit_grid`.
    """

    def __init__(self, channels: int, side: int | None = None) -> None:
        super().__init__()
        self.side = side
        self.conv = nn.Conv2d(channels + 2, channels, 1)
        with torch.no_grad():
            self.conv.weight[:, :2] *= 0.1
            self.conv.weight[:, 2:, 0, 0] = torch.eye(channels)
            nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return self.conv(torch.cat([unit_grid(x, self.side), x], 1))
