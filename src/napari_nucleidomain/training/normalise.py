"""Mean and standard deviation of the training pixels: the paper normalises by its own images, not by ImageNet's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from napari_nucleidomain.contracts import ModelCard

# Images count as alike while, in every channel, their mean lies within so many of the old standard deviations and
# their spread within this factor: another day's staining does, another stain or an inverted picture does not.
_MEAN_WITHIN = 0.5
_SPREAD_WITHIN = 1.5


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

    def continued(self, card: ModelCard, warn: Callable[[str, str], None]) -> Normalise:
        """What to use where a model is continued: its own, which its weights have learned with.

        Parameters
        ----------
        card : ModelCard
            Of the model; its numbers were checked by `read_config`.
        warn : callable
            Told when these images differ so much that their own is used all the same.
        """
        old = Normalise(np.array(card.normalisation["mean"]), np.array(card.normalisation["std"])).to(self.mean.device)
        shift = ((self.mean - old.mean).abs() / old.std).max()
        spread = (self.std / old.std).log().abs().max()
        if shift <= _MEAN_WITHIN and spread <= np.log(_SPREAD_WITHIN):
            return old
        warn(
            f"These images differ much in brightness or contrast from those of the model {card.name}; "
            "the brightness of these is used.",
            "If the preview stays poor, begin a new model.",
        )
        return self

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same."""
        return (x - self.mean) / self.std
