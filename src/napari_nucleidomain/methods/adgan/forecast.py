"""What a training costs, in steps of the reference trainings whose speed a computer can measure. No torch."""

from __future__ import annotations

from .config import AdganConfig

# A step of `quick` in steps of the small reference: 2.7 measured with one thread (0.561 s to 0.209 s), and a tenth for
# judging states and showing previews.
_SMALL_COST = 3.0
# One of the paper's networks in steps of the large reference, measured on one core.
_LARGE_COST = 13.0
_QUICK = 4 * 96**2 * 16**2
_PAPER = 16 * 256**2 * 64**2
# Measured with one thread (processor time, medians of 37 of 40 steps, twice): a step of `quick` took 0.524 and 0.523 s
# on volumes (gonuclear3d: one crop of 24 x 48 x 48, 8 channels) and 0.561 and 0.563 s on flat images (dsb2018_u2os).
_QUICK_RATIO = 0.93
_QUICK_VOLUME = 1 * 24 * 48**2 * 8**2
# A pixel of a volume costs so many times a flat one's, for networks as wide: convolutions have 27 terms instead of 9.
_VOLUME = _QUICK_RATIO * _QUICK / _QUICK_VOLUME
# Networks as wide as this are like the large reference; volumes have half of the channels.
_WIDE = 48


def forecast(config: AdganConfig, ndim: int = 2) -> tuple[str, int, float]:
    """See `contracts.MethodSpec.forecast`.

    Returns
    -------
    reference : {"small", "large"}
        The reference training that this one is like.
    steps : int
        Steps it is made for.
    cost : float
        What one of its steps costs, in steps of the reference.
    """
    if ndim == 3:
        pixels = config.batch_volume * config.crop_z * config.crop_volume_px**2
        work, wide = _VOLUME * pixels * config.width_volume**2, config.width_volume >= _WIDE / 2
    else:
        work, wide = float(config.batch * config.crop_px**2 * config.width**2), config.width >= _WIDE
    if wide:
        return "large", config.steps_of(ndim), _LARGE_COST * work / _PAPER
    return "small", config.steps_of(ndim), _SMALL_COST * work / _QUICK
