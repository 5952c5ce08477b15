"""What a training costs, in steps of two reference trainings whose speed a computer can measure. No torch."""

from __future__ import annotations

from .config import SpnIenConfig
from .presets import PRESETS

# Reference -> preset whose training step it is.
REFERENCES = {"small": "quick", "large": "paper"}


def reference_config(name: str) -> SpnIenConfig:
    """Settings of a reference training."""
    config = SpnIenConfig.build(PRESETS[REFERENCES[name]].values, {})
    assert isinstance(config, SpnIenConfig)
    return config


def forecast(config: SpnIenConfig, ndim: int = 2) -> tuple[str, int, float]:
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
    name = "small" if config.network == "small" else "large"
    reference = reference_config(name)
    steps = config.spn_steps + (config.ien_steps if config.variant in ("spn-ien", "fully") else 0)
    cost = config.batch / reference.batch * (config.crop_px / reference.crop_px) ** 2
    if name == "small":
        # Measured on a processor: 32 channels instead of 24 cost 1.36 times as much.
        cost *= (config.width / reference.width) ** 1.1
    return name, steps, cost
