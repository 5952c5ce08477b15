"""What a training costs, in steps of the reference trainings whose speed a computer can measure. No torch."""

from __future__ import annotations

from .config import PanopticConfig

# Measured on one core: a step of `quick` in steps of the small reference, of the paper's network in the large one's.
_SMALL_COST = 4.5
_LARGE_COST = 13.0
_QUICK_PIXELS = 2 * 192**2
_PAPER_PIXELS = 2 * 512**2
_DEEP = {"small": 1.0, "resnet18": 1.9, "resnet50": 0.6, "resnet101": 1.0}


def forecast(config: PanopticConfig, ndim: int = 2) -> tuple[str, int, float]:
    """See `contracts.MethodSpec.forecast`; it trains on flat images alone, so that `ndim` changes nothing.

    Returns
    -------
    reference : {"small", "large"}
        The reference training that this one is like.
    steps : int
        Steps it is made for.
    cost : float
        What one of its steps costs, in steps of the reference.
    """
    pixels = config.batch * config.crop_px**2
    if config.backbone in ("small", "resnet18"):
        return "small", config.steps, _SMALL_COST * _DEEP[config.backbone] * pixels / _QUICK_PIXELS
    return "large", config.steps, _LARGE_COST * _DEEP[config.backbone] * pixels / _PAPER_PIXELS
