"""ImageNet weights for a detector's backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nucleidomain.networks import imagenet

from .detector import Detector

if TYPE_CHECKING:
    from napari_nucleidomain.contracts import RunContext

EARLY = 2
"""The stem and C2, which maskrcnn-benchmark leaves as ImageNet made them."""


def begin_from_imagenet(detector: Detector, file: str, run: RunContext, freeze: int = EARLY) -> bool:
    """Load ImageNet weights into the backbone, and let its first stages learn no more if there were any.

    torchvision's weights were learned with batch norm. With ``norm="frozen"`` they give what they were learned to give;
    with group norm the convolutions, scales and shifts are a start only.

    Parameters
    ----------
    detector : Detector
        One with the small backbone, for which there are no such weights, is left alone.
    file : str
        As published by torchvision, or "" for the cache or the internet.
    run : RunContext
        To warn on.
    freeze : int
        Stages that learn no more; taken as 0 with group norm, to which the stages have to adapt.

    Returns
    -------
    bool
        Whether there were any.
    """
    settings = detector.settings
    if settings.backbone == "small" or not imagenet.begin_from_imagenet(
        detector.backbone.body, settings.backbone, file, run
    ):
        return False
    if settings.norm == "frozen":
        detector.backbone.freeze(freeze)
    return True
