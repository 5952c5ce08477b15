"""Whether nuclei look as large as those a model learned from, where no pixel size tells."""

from __future__ import annotations

from napari_nucleidomain.contracts import ModelCard, NucleiError
from napari_nucleidomain.data.images import Image
from napari_nucleidomain.data.readers import plain_name

from .classical import ClassicalSegmenter

# An estimate of the typical nucleus is off by a third at times; what is within it is no news.
_ALIKE = 1.5


def size_warning(
    card: ModelCard, image: Image, *, image_pixel_um: float | None, diameter_px: float | None = None, plane: int | None
) -> str | None:
    """What should be said of the scale before a model is used on an image whose scale it cannot compare.

    Parameters
    ----------
    card : ModelCard
    image : Image
    image_pixel_um : float or None
        As the file or the user says.
    diameter_px : float or None
        What the user gave: then there is nothing to warn of.
    plane : int or None
        Of a volume, for a flat model.

    Returns
    -------
    str or None
        None where the scale is known on both sides, or nothing speaks against it.
    """
    known = image_pixel_um is not None and card.pixel_size_um is not None
    if diameter_px is not None or known or card.scales_itself or _learned_from(card, image):
        return None
    lacking = image_pixel_um is not None and card.pixel_size_um is None
    diameter = _typical(image, plane) if card.nucleus_diameter_px else None
    compared = ""
    if diameter and card.nucleus_diameter_px:
        times = diameter / card.nucleus_diameter_px
        alike = 1 / _ALIKE < times < _ALIKE
        if alike and not lacking:
            return None
        sizes = f"about {diameter:.0f} px against {card.nucleus_diameter_px:.0f} px"
        look = "about as large" if alike else f"{times:.2g} times as large"
        compared = f" Nuclei look {look} as those the model learned from ({sizes})."
    elif not lacking:
        return None
    if lacking:
        what = f"the model has no pixel size (its training images gave none), this image has {image_pixel_um:.3g} µm/px"
    elif card.pixel_size_um is not None:
        what = f"the image has no pixel size, the model learned at {card.pixel_size_um:.3g} µm/px"
    else:
        what = "neither the image nor the model has a pixel size"
    mend = "Say how large a typical nucleus is with --diameter (in pixels; in the viewer: typical nucleus)."
    return f"The scale is not known: {what}. It was taken as it is.{compared} {mend}"


def _typical(image: Image, plane: int | None) -> float | None:
    """Diameter of a typical nucleus in pixels, as the classical method sees it; None where it sees none."""
    volume = image.ndim == 3 and plane is None
    try:
        found = ClassicalSegmenter(3 if volume else 2).prepare(image, plane)
    except NucleiError:
        return None
    return None if found.blank else found.diameter


def _learned_from(card: ModelCard, image: Image) -> bool:
    """Whether the image is one that the card names, and was taken as it is then, too."""
    return image.path is not None and plain_name(image.path) in card.trained_on.get("images", ())
