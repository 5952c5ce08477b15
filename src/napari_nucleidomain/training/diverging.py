"""Steps whose loss or gradient is not a number: skipped and told of, and the end of a training that makes no others."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.telling import Warn

# One bad batch is forgiven; networks whose weights are out of range give nothing else any more.
MOST_IN_A_ROW = 10


class Guard:
    """Lets a step change the weights only where its loss and its gradient are finite.

    Parameters
    ----------
    warn : callable
        Given message and hint, once.
    setting : str
        Name of the learning rate among the settings.
    """

    def __init__(self, warn: Warn, setting: str) -> None:
        self._warn, self._setting = warn, setting
        self._in_a_row = self._taken = 0
        self._told = False

    def takes(self, network: nn.Module, losses: Iterable[Tensor], limit: float) -> bool:
        """Whether to take a step; its gradient is shortened on the way.

        Parameters
        ----------
        network : nn.Module
            After `backward`.
        losses : iterable of Tensor
            Scalars.
        limit : float
            Longest gradient; 0 leaves it as it is.

        Raises
        ------
        NucleiError
            So many steps in a row were not finite that nothing can be learned any more.
        """
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), limit or math.inf)
        every = torch.stack([norm.detach().float(), *(one.detach().float().to(norm.device) for one in losses)])
        if bool(every.isfinite().all()):
            self._in_a_row, self._taken = 0, self._taken + 1
            return True
        self._in_a_row += 1
        if self._in_a_row >= MOST_IN_A_ROW:
            raise self._diverged()
        if not self._told:
            self._told = True
            self._warn(
                "A step of the training was skipped: its loss or its gradient is not a number.",
                f"One is no harm. Where it happens often, train anew with a lower {self._setting}.",
            )
        return False

    def finish(self) -> None:
        """Refuse a training that ends in skipped steps as many as it has taken.

        Raises
        ------
        NucleiError
            It was too short for `takes` to say so.
        """
        if self._in_a_row and self._in_a_row >= self._taken:
            raise self._diverged()

    def _diverged(self) -> NucleiError:
        return NucleiError(
            f"The training has diverged: the last {self._in_a_row} steps gave no finite loss or gradient.",
            f"Train anew with a lower learning rate ({self._setting}), a tenth of the present one say.",
        )
