"""What a training costs, in steps of the reference trainings whose speed a computer can measure. No torch."""

from __future__ import annotations

from .config import AdganConfig

# Measured on one core: a step of `quick` in steps of the small reference, of the paper's networks in the large one's.
_SMALL_COST = 4.0
_LARGE_COST = 13.0
_QUICK = 4 * 96**2 * 16**2
_PAPER = 16 * 256**2 * 64**2


def forecast(config: AdganConfig) -> tuple[str, int, float]:
    """See `contracts.MethodSpec.forecast`. Flat images are meant; volumes take about three times as long.

    Returns
    -------
    reference : {"small", "large"}
        The reference training that this one is like.
    steps : int
        Steps it is made for.
    cost : float
        What one of its steps costs, in steps of the reference.
    """
    work = config.batch * config.crop_px**2 * config.width**2
    if config.width < 48:
        return "small", config.steps, _SMALL_COST * work / _QUICK
    return "large", config.steps, _LARGE_COST * work / _PAPER
