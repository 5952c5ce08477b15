"""What a model's card tells of the training beside its settings, as far as predicting needs it."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_nucleidomain.contracts import ModelCard, NucleiError
from napari_nucleidomain.contracts.card import damaged_card

_SHORTEST, _LONGEST = 24, 2048
_MOST_VOXELS = 1 << 26


class Facts(BaseModel):
    """Numbers that training found.

    Attributes
    ----------
    diameter_px : float
        Typical nucleus, pixels of the last axis.
    low_px, high_px : float
        Smallest and largest that were drawn.
    estimated_px : float
        What the program estimated of all training images together; 0 where it could not. Where somebody said another
        diameter, estimates of single images are off by the same factor.
    stretch : float
        How much longer than wide nuclei are along z.
    count : tuple of int
        Fewest and most nuclei in a drawn mask.
    crop : tuple of int
        Sides of a crop in work pixels.
    spacing : tuple of float
        Pixel size per axis of the first training image in units of the last one's.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    diameter_px: float = Field(ge=1, le=4000, allow_inf_nan=False)
    low_px: float = Field(gt=0, le=4000, allow_inf_nan=False)
    high_px: float = Field(gt=0, le=20000, allow_inf_nan=False)
    estimated_px: float = Field(0.0, ge=0, le=4000, allow_inf_nan=False)
    stretch: float = Field(ge=0.05, le=20, allow_inf_nan=False)
    count: tuple[Annotated[int, Field(ge=0, le=1_000_000)], Annotated[int, Field(ge=0, le=1_000_000)]]
    crop: tuple[int, ...]
    spacing: tuple[float, ...]

    @model_validator(mode="after")
    def _fits(self) -> Facts:
        if len(self.crop) not in (2, 3) or len(self.crop) != len(self.spacing):
            raise ValueError("crop and spacing need as many numbers as there are axes")
        if not all(_SHORTEST <= side <= _LONGEST and side % 4 == 0 for side in self.crop):
            raise ValueError("crops have sides of 24 to 2048 pixels, multiples of 4")
        if len(self.crop) == 3 and math.prod(self.crop) > _MOST_VOXELS:
            raise ValueError("crops of volumes have 64 million voxels at most")
        if not all(0.001 <= side <= 1000 for side in self.spacing):
            raise ValueError("pixels have a size")
        return self


def read_facts(card: ModelCard) -> Facts:
    """What `Facts` a card holds under "normalisation".

    Raises
    ------
    NucleiError
        It holds none: the card is damaged.
    """
    try:
        facts = Facts.model_validate(card.normalisation)
    except ValidationError as error:
        raise damaged_card(card.name, error) from error
    if len(facts.crop) != card.ndim:
        raise NucleiError(f"The card of the model {card.name} is damaged: crop.", "Ask for the model again.")
    return facts
