"""Mask heads: the dual-modal generator of Liu et al. (IJCAI 2019, Table 1 and Fig. 4), and Mask R-CNN's."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor

MASK_INPUT = 14
"""Side of the RoI features that a mask head reads."""

MASK_SIDE = 28
"""Side of the masks."""


@dataclass(frozen=True)
class Masks:
    """What a mask head says of R boxes.

    Attributes
    ----------
    hidden : Tensor
        (R, width, 14, 14): after Mask R-CNN's four convolutions, or the generator's three common ones.
    logits : Tensor
        (R, 2, 28, 28) background and nucleus of the generator, (R, 1, 28, 28) nucleus of the plain head.
    """

    hidden: Tensor
    logits: Tensor

    @property
    def nucleus(self) -> Tensor:
        """(R, 28, 28) logits, whose sigmoid is the probability: L_det-mask is the binary cross entropy of these."""
        return self.logits[:, -1]

    @property
    def both(self) -> Tensor:
        """(R, 2, 28, 28) logits for the fused map.

        A plain head's one logit m becomes -m/2 and m/2, whose softmax is the sigmoid of m.
        """
        return self.logits if self.logits.shape[1] == 2 else torch.cat([-self.logits / 2, self.logits / 2], 1)


class PlainMaskHead(nn.Module):
    """Four 3x3 convolutions, a deconvolution and a 1x1 convolution, torchvision's.

    Parameters
    ----------
    inside : int
        Channels of the pyramid.
    width : int
        Of the convolutions.
    """

    def __init__(self, inside: int, width: int) -> None:
        super().__init__()
        self.layers = MaskRCNNHeads(inside, (width,) * 4, 1)
        self.predictor = MaskRCNNPredictor(width, width, 1)

    def forward(self, x: Tensor) -> Masks:
        """(R, inside, 14, 14) -> `Masks`."""
        hidden = self.layers(x)
        return Masks(hidden, self.predictor(hidden).float())


class DualMaskHead(nn.Module):
    """Table 1: after three common convolutions, one path sees the whole RoI at once, the other its detail.

    ReLU follows each convolution but the last; the two paths are summed. The fully connected layer's map counts for
    both channels ("Reshape1 contains reshaping and channel duplication").

    Parameters
    ----------
    inside : int
        Channels of the pyramid.
    width : int
        256 in the paper; 128 of Conv2 and 1024 of Conv4 are half and four times that.
    """

    def __init__(self, inside: int, width: int = 256) -> None:
        super().__init__()

        def conv(before: int, after: int) -> nn.Conv2d:
            return nn.Conv2d(before, after, 3, padding=1)

        relu = nn.ReLU(inplace=True)
        self.common = nn.Sequential(conv(inside, width), relu, conv(width, width), relu, conv(width, width), relu)
        self.whole = nn.Sequential(conv(width, width), relu, conv(width, width // 2), relu, nn.Flatten())
        self.fc = nn.Linear(width // 2 * MASK_INPUT**2, MASK_SIDE**2)
        self.detail = nn.Sequential(conv(width, width), relu, conv(width, 4 * width), relu, nn.PixelShuffle(2))
        self.last = nn.Conv2d(width, 2, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        # Training begins with undecided masks.
        nn.init.normal_(self.last.weight, std=0.01)

    def forward(self, x: Tensor) -> Masks:
        """(R, inside, 14, 14) -> `Masks`."""
        hidden = self.common(x)
        if not len(x):
            return Masks(hidden, x.new_zeros(0, 2, MASK_SIDE, MASK_SIDE))
        whole = self.fc(self.whole(hidden)).view(-1, 1, MASK_SIDE, MASK_SIDE)
        return Masks(hidden, (self.last(self.detail(hidden)) + whole).float())


def probabilities(masks: Masks) -> Tensor:
    """(R, 28, 28) float32 in 0..1."""
    return F.sigmoid(masks.nucleus)
