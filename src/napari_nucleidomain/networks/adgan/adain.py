"""Adaptive instance normalisation, and the style of a domain (AD-GAN, section 5.2, Table 6)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-5


def adaptive_instance_norm(content: Tensor, shift: Tensor, gain: Tensor, epsilon: float = EPSILON) -> Tensor:
    """Eq. 7: every channel of every sample gets mean `shift` and standard deviation `gain`.

    Statistics are those of the content, in training and afterwards.

    Parameters
    ----------
    content : Tensor
        (B, C, H, W) or (B, C, D, H, W).
    shift, gain : Tensor
        (B, C).
    epsilon : float
        Added to the variance.

    Returns
    -------
    Tensor
        As `content`.
    """
    batch, channels = content.shape[:2]
    # Samples become channels of a batch norm: one fused pass, in float32 inside, also where content is bfloat16.
    flat = content.reshape(1, batch * channels, *content.shape[2:])
    kind = torch.promote_types(content.dtype, torch.float32)
    shift, gain = (value.to(kind).reshape(-1) for value in (shift, gain))
    return F.batch_norm(flat, None, None, gain, shift, True, 0.0, epsilon).view_as(content)


class Style(nn.Module):
    """From a domain label to shift and gain of every AdaIN layer of a network (Table 6).

    Parameters
    ----------
    layers : sequence of int
        Channels of each AdaIN layer; n_s is twice their sum.
    width : int
        Hidden units.
    one_plus : bool
        Whether the gain is 1 + the output.
    """

    def __init__(self, layers: Sequence[int], width: int, one_plus: bool = True) -> None:
        super().__init__()
        self.layers = list(layers)
        self.one_plus = one_plus
        self.mlp = nn.Sequential(
            nn.Linear(2, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, 2 * sum(self.layers)),
        )

    def forward(self, label: Tensor) -> list[tuple[Tensor, Tensor]]:
        """(B, 2) -> (shift, gain) of each layer, each (B, C)."""
        values = self.mlp(label.to(next(self.mlp.parameters()).dtype))
        result = []
        for both in values.split([2 * channels for channels in self.layers], dim=1):
            shift, gain = both.chunk(2, dim=1)
            result.append((shift, gain + 1 if self.one_plus else gain))
        return result


class Normalise(nn.Module):
    """A place for AdaIN: takes a style, or, where `own`, learns one gain and shift of its own (instance norm, Eq. 5).

    Parameters
    ----------
    channels : int
    own : bool
    """

    def __init__(self, channels: int, own: bool) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1, channels)) if own else None
        self.shift = nn.Parameter(torch.zeros(1, channels)) if own else None

    def forward(self, content: Tensor, style: tuple[Tensor, Tensor] | None) -> Tensor:
        """(B, C, ...) -> the same shape."""
        if self.gain is not None and self.shift is not None:
            batch = content.shape[0]
            return adaptive_instance_norm(content, self.shift.expand(batch, -1), self.gain.expand(batch, -1))
        assert style is not None
        return adaptive_instance_norm(content, *style)
