"""The box head of Mask R-CNN."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import TwoMLPHead

BOX_SIDE = 7
"""Side of the RoI features that the box head reads."""


@dataclass(frozen=True)
class Boxes:
    """What the box head says of R proposals.

    Attributes
    ----------
    hidden : Tensor
        (R, width), after the fully connected layers.
    logits : Tensor
        (R, 2) background, nucleus.
    deltas : Tensor
        (R, 4) from the proposal to the nucleus.
    """

    hidden: Tensor
    logits: Tensor
    deltas: Tensor


class BoxHead(nn.Module):
    """Two fully connected layers, then the class and the box.

    Parameters
    ----------
    inside : int
        Channels of the pyramid.
    width : int
        Hidden units.
    """

    def __init__(self, inside: int, width: int) -> None:
        super().__init__()
        self.layers = TwoMLPHead(inside * BOX_SIDE**2, width)
        self.scores = nn.Linear(width, 2)
        self.deltas = nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Boxes:
        """(R, inside, 7, 7) -> `Boxes`."""
        hidden = self.layers(x)
        return Boxes(hidden, self.scores(hidden).float(), self.deltas(hidden).float())
