"""Otsu + watershed as a method."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from napari_nucleidomain.contracts import ModelCard
from napari_nucleidomain.contracts.card import damaged_card
from napari_nucleidomain.inference.classical import ClassicalSegmenter

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


def load(_folder: Path | str, card: ModelCard, _device: str) -> OtsuSegmenter:
    """The classical method; there is no file to read and no device to choose."""
    known = {name: value for name, value in card.config.items() if name in OtsuConfig.model_fields}
    try:
        return OtsuSegmenter(OtsuConfig.model_validate(known), card.ndim)
    except ValidationError as error:
        raise damaged_card(card.name, error) from error
