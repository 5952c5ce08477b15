"""What a model's card tells of the training beside its settings, as far as predicting needs it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_nucleidomain.contracts import ModelCard, NucleiError


class Facts(BaseModel):
    """Numbers that training found.

    Attributes
    ----------
    diameter_px : float
        Typical nucleus, pixels of the last axis.
    low_px, high_px : float
        Smallest and largest that were drawn.
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

    diameter_px: float = Field(gt=0, allow_inf_nan=False)
    low_px: float = Field(gt=0, allow_inf_nan=False)
    high_px: float = Field(gt=0, allow_inf_nan=False)
    stretch: float = Field(gt=0, allow_inf_nan=False)
    count: tuple[int, int]
    crop: tuple[int, ...]
    spacing: tuple[float, ...]

    @model_validator(mode="after")
    def _fits(self) -> Facts:
        if len(self.crop) not in (2, 3) or len(self.crop) != len(self.spacing):
            raise ValueError("crop and spacing need as many numbers as there are axes")
        if min(self.crop) < 4 or min(self.spacing) <= 0:
            raise ValueError("crops have sides of 4 and more, pixels a size")
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
        raise NucleiError(f"The card of the model {card.name} is damaged.", "Ask for the model again.") from error
    if len(facts.crop) != card.ndim:
        raise NucleiError(f"The card of the model {card.name} is damaged.", "Ask for the model again.")
    return facts
