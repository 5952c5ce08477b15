"""Mean and standard deviation of the training pixels (METHODS 2.4: the training set's own, not ImageNet's)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn


class Normalise(nn.Module):
    """Takes the mean off and divides by the standard deviation, per channel.

    Parameters
    ----------
    mean, std : ndarray (C,)
        In the unit range.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: np.ndarray, std: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("std", torch.as_tensor(std, dtype=torch.float32).view(1, -1, 1, 1))

    @classmethod
    def of(cls, images: Sequence[np.ndarray]) -> Normalise:
        """From images (H, W, C) in the unit range, each weighing the same."""
        means = np.mean([image.mean((0, 1), dtype=np.float64) for image in images], axis=0)
        squares = np.mean([np.square(image, dtype=np.float64).mean((0, 1)) for image in images], axis=0)
        # A constant channel must not be blown up.
        return cls(means, np.sqrt(np.maximum(squares - means**2, 1e-4)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same."""
        return (x - self.mean) / self.std
