"""How much an image is enlarged or reduced for a model. Never guessed, never silent."""

from __future__ import annotations

from dataclasses import dataclass

from napari_nucleidomain.contracts import ModelCard, NucleiError

_SAME = 0.05
_LIMIT = 16.0


@dataclass(frozen=True)
class Scale:
    """Model pixels per image pixel, and the sentence that says why."""

    factor: float
    reason: str


def choose_scale(
    card: ModelCard,
    image_pixel_um: float | None,
    *,
    pixel_size_um: float | None = None,
    diameter_px: float | None = None,
) -> Scale:
    """Compare the image's scale with the model's.

    Parameters
    ----------
    card : ModelCard
        Pixel size and median nucleus diameter the model was trained at.
    image_pixel_um : float or None
        Pixel size from the image file, in µm.
    pixel_size_um : float or None
        What the user says instead, in µm.
    diameter_px : float or None
        Median nucleus diameter in the image, in pixels: goes before pixel sizes.

    Returns
    -------
    Scale
        Factor 1 where the two differ by less than a twentieth, or where one of them is unknown.

    Raises
    ------
    NucleiError
        A size is not positive, or the factor is absurd.
    """
    for name, value in (("pixel size", pixel_size_um), ("nucleus diameter", diameter_px)):
        if value is not None and not value > 0:
            raise NucleiError(f"The {name} must be more than 0, not {value}.", "Give it again.")
    if diameter_px is not None:
        if not card.nucleus_diameter_px:
            return Scale(1.0, "the model does not know the size of its nuclei: image taken as it is")
        factor = card.nucleus_diameter_px / diameter_px
        why = f"nuclei {diameter_px:.3g} px in the image, {card.nucleus_diameter_px:.3g} px in the model"
        return _checked(factor, why)
    pixel = pixel_size_um or image_pixel_um
    if pixel and card.pixel_size_um:
        return _checked(pixel / card.pixel_size_um, f"image {pixel:.3g}, model {card.pixel_size_um:.3g} µm/px")
    if card.scales_itself:
        return Scale(1.0, "the model goes by the size of the nuclei in the image itself")
    if pixel is None and card.pixel_size_um is None:
        return Scale(1.0, "neither pixel size is known: image taken as it is")
    missing = "the model's" if pixel else "the image's"
    return Scale(1.0, f"{missing} pixel size is unknown: image taken as it is")


def _checked(factor: float, why: str) -> Scale:
    if not 1.0 / _LIMIT <= factor <= _LIMIT:
        raise NucleiError(
            f"The image would have to be scaled × {factor:.3g} for this model ({why}).",
            "Check the pixel size, or choose a model for images like this one.",
        )
    if abs(factor - 1.0) < _SAME:
        return Scale(1.0, why)
    return Scale(factor, f"{why}: scaled × {factor:.3g}")
