"""Otsu + watershed as a method."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from napari_nucleidomain.contracts import ModelCard
from napari_nucleidomain.data.images import Image
from napari_nucleidomain.inference.classical import ClassicalSegmenter
from napari_nucleidomain.instances.classical import ClassicalParameters

from .config import OtsuConfig


class OtsuSegmenter(ClassicalSegmenter):
    """The classical method as its settings say.

    Parameters
    ----------
    config : OtsuConfig
    ndim : {2, 3}
    """

    def __init__(self, config: OtsuConfig, ndim: int) -> None:
        super().__init__(ndim, config.diameter_px, config.min_area_px)
        self._shift = config.threshold_shift

    def prepare(self, image: Image, plane: int | None, factor: float = 1.0) -> ClassicalParameters:
        """Range, threshold and size of the image's nuclei; the threshold moved as the settings say."""
        return super().prepare(image, plane, factor).shifted(self._shift)


def load(_folder: Path | str, card: ModelCard, _device: str) -> OtsuSegmenter:
    """The classical method; there is no file to read and no device to choose.

    Raises
    ------
    NucleiError
        A setting is unknown or out of range: passed over, it would be a result that was not asked for.
    """
    return OtsuSegmenter(cast(OtsuConfig, OtsuConfig.build({}, card.config)), card.ndim)
