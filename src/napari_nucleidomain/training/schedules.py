"""Schedules as functions of how much of a stage is behind, so that `--minutes` and `--steps` scale them alike."""

from __future__ import annotations

import math
from typing import Any


def warm_cosine(fraction: float, *, warm: float = 0.05, floor: float = 0.02) -> float:
    """Factor of the learning rate: rises over the first `warm`, then falls as a half cosine to `floor`.

    Parameters
    ----------
    fraction : float
        How much of the stage is behind, in [0, 1].
    """
    fraction = min(max(fraction, 0.0), 1.0)
    if warm > 0 and fraction < warm:
        return max(floor, fraction / warm)
    progress = (fraction - warm) / (1.0 - warm)
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * progress))


def learning_rate_factor(name: str, fraction: float) -> float:
    """Factor by the schedule's name: "constant" (the paper's) or "cosine"."""
    return 1.0 if name == "constant" else warm_cosine(fraction)


def set_learning_rate(optimiser: Any, rate: float) -> None:
    """Give every parameter group this learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate
