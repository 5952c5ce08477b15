"""The semantic branch: the decoder of the Global Convolutional Network (Peng et al., CVPR 2017) on C2 to C5."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .backbone import Features


class LargeKernel(nn.Module):
    """A large kernel made of two pairs of thin ones: (k x 1, then 1 x k) + (1 x k, then k x 1)."""

    def __init__(self, inside: int, outside: int, kernel: int) -> None:
        super().__init__()
        tall, wide = ((kernel, 1), (kernel // 2, 0)), ((1, kernel), (0, kernel // 2))
        self.down_then_across = self._pair(inside, outside, tall, wide)
        self.across_then_down = self._pair(inside, outside, wide, tall)

    @staticmethod
    def _pair(inside: int, outside: int, *shapes: tuple[tuple[int, int], tuple[int, int]]) -> nn.Sequential:
        (first, first_padding), (second, second_padding) = shapes
        return nn.Sequential(
            nn.Conv2d(inside, outside, first, padding=first_padding),
            nn.Conv2d(outside, outside, second, padding=second_padding),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) -> (B, outside, H, W)."""
        return self.down_then_across(x) + self.across_then_down(x)


class BoundaryRefinement(nn.Module):
    """x + conv(relu(conv(x))), 3x3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> the same."""
        return x + self.body(x)


def doubling(channels: int) -> nn.ConvTranspose2d:
    """A deconvolution to twice the size that begins as bilinear interpolation."""
    layer = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1)
    ramp = torch.tensor([0.25, 0.75, 0.75, 0.25])
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[range(channels), range(channels)] = ramp[:, None] * ramp
        assert layer.bias is not None
        layer.bias.zero_()
    return layer


class GcnDecoder(nn.Module):
    """From C5 up: large kernel, boundary refinement, twice the size, and the next stage's added; to full size.

    Parameters
    ----------
    widths : sequence of int
        Channels of C2 to C5.
    kernel : int
        Of the large kernel; the paper's is 5.
    classes : int
        Background and nucleus.
    """

    def __init__(self, widths: list[int], kernel: int = 5, classes: int = 2) -> None:
        super().__init__()
        self.large = nn.ModuleList(LargeKernel(width, classes, kernel) for width in widths)
        self.refine = nn.ModuleList(BoundaryRefinement(classes) for _ in widths)
        # After the sums at C4, C3 and C2, then at half and at full size.
        self.refine_up = nn.ModuleList(BoundaryRefinement(classes) for _ in range(len(widths) + 1))
        self.up = nn.ModuleList(doubling(classes) for _ in range(len(widths) + 1))

    def forward(self, features: Features) -> Tensor:
        """Logits (B, classes, H, W) in the size of the images."""
        sides = [refine(large(c)) for large, refine, c in zip(self.large, self.refine, features.c, strict=True)]
        x = sides.pop()
        for up, refine in zip(self.up, self.refine_up, strict=True):
            x = up(x)
            x = refine(x + sides.pop() if sides else x)
        return x[..., : features.size[0], : features.size[1]]
