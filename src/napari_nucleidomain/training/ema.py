"""The running average of a network's weights: steadier than the last step, and no masks needed to choose it."""

from __future__ import annotations

import copy
from typing import Any, Generic, TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


class WeightAverage(Generic[Network]):
    """Exponential moving average of parameters and of batch-norm statistics.

    Parameters
    ----------
    network : nn.Module
        The network to follow.
    decay : float
        Weight of the past at each step, reached gradually: ``min(decay, (1 + n) / (10 + n))``.
    """

    def __init__(self, network: Network, decay: float = 0.995) -> None:
        self.network: Network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.count = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take one step's weights in."""
        self.count += 1
        decay = min(self.decay, (1.0 + self.count) / (10.0 + self.count))
        mine, theirs = self.network.state_dict(), network.state_dict()
        for name, value in mine.items():
            if value.dtype.is_floating_point:
                value.lerp_(theirs[name].to(value.dtype), 1.0 - decay)
            else:
                value.copy_(theirs[name])

    @torch.no_grad()
    def restart(self, network: nn.Module) -> None:
        """Forget the past."""
        self.network.load_state_dict(network.state_dict())
        self.count = 0

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints."""
        return {"network": self.network.state_dict(), "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.network.load_state_dict(state["network"])
        self.count = int(state["count"])
