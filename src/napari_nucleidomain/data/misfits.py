"""Whether an image is of the kind that a model was trained on: what the card knows, compared with what the image shows.

Without torch, so that the viewer can ask before anything is loaded. What cannot be told is no misfit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from napari_nucleidomain.contracts import ModelCard, NucleiError

from .guesses import names_a_stain, nuclei_channel_by_name
from .images import Image

# A network finds nuclei of about the size it has learned: beyond these factors it hardly does.
_MOST_SCALED = 4.0
_OTHER_SIZE = 2.0
_KINDS = {"h&e": "H&E", "fluorescence": "fluorescence", "other": "neither H&E nor fluorescence"}
_NUCLEI = {"dark": "dark nuclei on a bright ground", "bright": "bright nuclei on a dark ground"}
_KIND_OF_NUCLEI = {"h&e": "dark", "fluorescence": "bright"}


@dataclass(frozen=True)
class Facts:
    """What is known of a model's training images, or of an image.

    Attributes
    ----------
    kinds : tuple of str
        "h&e", "fluorescence", "other": all that occur; empty where nobody knows.
    nuclei : {"dark", "bright", ""}
        How nuclei stand out from their ground.
    channels : int
        Per pixel; 0 for any number.
    channel_names : tuple of str
        Only names that say something, of every channel; else empty.
    ndim : int
    pixel_size_um : float or None
    diameter_px : float or None
        Median nucleus.
    """

    kinds: tuple[str, ...] = ()
    nuclei: str = ""
    channels: int = 0
    channel_names: tuple[str, ...] = ()
    ndim: int = 2
    pixel_size_um: float | None = None
    diameter_px: float | None = None


def facts_of_model(card: ModelCard) -> Facts:
    """What a card tells of the images that its model was trained on; old cards are silent about some of it."""
    kinds = tuple(card.kinds) or ((card.kind,) if card.kind else ())
    known = {_KIND_OF_NUCLEI.get(kind, "") for kind in kinds}
    nuclei = card.nuclei or (known.pop() if len(known) == 1 else "")
    return Facts(
        kinds,
        nuclei,
        card.channels,
        _telling(card.channel_names),
        card.ndim,
        card.pixel_size_um,
        card.nucleus_diameter_px,
    )


def facts_of_image(image: Image, *, plane: int | None = None) -> Facts:
    """What an image shows; the first use reads a sample of its pixels."""
    blank = image.look.constant and not image.understanding.kind
    return Facts(
        () if blank else (image.kind,),
        nuclei_look(image),
        image.n_channels,
        () if image.rgb else _telling(image.channel_names),
        2 if plane is not None else image.ndim,
        float(image.pixel_size_um[-1]) if image.pixel_size_um else None,
    )


def nuclei_look(image: Image) -> str:
    """Whether nuclei are "dark" or "bright" against their ground; "" where nothing is seen."""
    if image.look.constant:
        return _KIND_OF_NUCLEI.get(image.understanding.kind or "", "")
    kind = image.look.kind if image.kind == "other" else image.kind
    # What is neither has a bright ground.
    return _KIND_OF_NUCLEI.get(kind, "dark")


def _telling(names: Sequence[str]) -> tuple[str, ...]:
    """Names of stains; none at all where one is missing or only a number or colour."""
    told = tuple(str(name).strip() for name in names)
    return told if told and all(names_a_stain(name) for name in told) else ()


def misfits(
    card: ModelCard,
    image: Image,
    *,
    plane: int | None = None,
    pixel_size_um: float | None = None,
    diameter_px: float | None = None,
) -> list[str]:
    """Why an image is of another kind than those a model was trained on.

    Parameters
    ----------
    card : ModelCard
    image : Image
    plane : int, optional
        The plane of a volume that is to be looked at.
    pixel_size_um, diameter_px : float, optional
        What the person says of the image.

    Returns
    -------
    list of str
        Sentences, the gravest first; empty where nothing speaks against it, and for the classical method.
    """
    if not card.channels:
        return []
    model, seen = facts_of_model(card), facts_of_image(image, plane=plane)
    found = [*_other_channels(card.name, model, seen), *_other_kind(card.name, model, seen)]
    pixel = pixel_size_um or seen.pixel_size_um
    return [*found, *_other_scale(card, model, pixel, diameter_px)]


def _other_channels(name: str, model: Facts, seen: Facts) -> list[str]:
    if model.ndim != seen.ndim:
        what = {2: "flat images", 3: "volumes"}
        this = {2: "a flat image", 3: "a volume, of which it can look at single planes"}
        return [f"The model {name} was trained on {what[model.ndim]}, and this is {this[seen.ndim]}."]
    if model.channels != seen.channels:
        return [
            f"The model {name} was trained on {_channels(model.channels)}, and this image has "
            f"{seen.channels if seen.channels else 'none'}."
        ]
    ours, theirs = model.channel_names, seen.channel_names
    if not ours or not theirs or len(ours) != len(theirs):
        return []
    nuclear = [[nuclei_channel_by_name([one]) is not None for one in names] for names in (ours, theirs)]
    if nuclear[0] == nuclear[1]:
        return []
    return [
        f"The model {name} was trained on the channels {', '.join(ours)}, and here they are {', '.join(theirs)}: "
        "nuclei are stained in another one."
    ]


def _channels(number: int) -> str:
    return f"{number} channel{'s' * (number != 1)}"


def _other_kind(name: str, model: Facts, seen: Facts) -> list[str]:
    if not seen.kinds:
        return []
    if model.nuclei and seen.nuclei and model.nuclei != seen.nuclei:
        learned = _of_kinds(model) or "images"
        return [
            f"The model {name} was trained on {learned} with {_NUCLEI[model.nuclei]}, and here they are "
            f"{seen.nuclei}: this {_this(seen.kinds[0])}."
        ]
    if model.kinds and seen.kinds[0] not in model.kinds:
        return [f"The model {name} was trained on {_of_kinds(model)}, and this {_this(seen.kinds[0])}."]
    return []


def _of_kinds(model: Facts) -> str:
    told = [_KINDS.get(kind, kind) for kind in model.kinds if kind in ("h&e", "fluorescence")]
    if told:
        return f"{' and '.join(told)} images"
    return "images that are neither H&E nor fluorescence" if model.kinds else ""


def _this(kind: str) -> str:
    return f"looks like {_KINDS[kind]}" if kind in ("h&e", "fluorescence") else f"is {_KINDS.get(kind, kind)}"


def _other_scale(card: ModelCard, model: Facts, pixel: float | None, diameter_px: float | None) -> list[str]:
    """Where the image is scaled by much more than a network can bear: it then sees blurred or vanishing nuclei."""
    if diameter_px and model.diameter_px:
        factor, why = model.diameter_px / diameter_px, f"{model.diameter_px:.3g} px wide, here {diameter_px:.3g} px"
        what = "nuclei"
    elif not diameter_px and pixel and model.pixel_size_um:
        factor, why = pixel / model.pixel_size_um, f"{model.pixel_size_um:.3g} µm, here {pixel:.3g} µm"
        what = "pixels of"
    else:
        return []
    if 1 / _MOST_SCALED <= factor <= _MOST_SCALED:
        return []
    how = "enlarged" if factor > 1 else "reduced"
    by = factor if factor > 1 else 1 / factor
    return [f"The model {card.name} was trained on {what} {why}: the image is {how} {by:.2g} times for it."]


def other_size(card: ModelCard, diameter_px: float | None) -> str:
    """Where the image is not scaled, and its nuclei look much larger or smaller than the model's; "" elsewhere.

    Parameters
    ----------
    card : ModelCard
    diameter_px : float or None
        What nuclei in the image look like: an estimate.
    """
    known = card.nucleus_diameter_px
    if not known or not diameter_px or card.scales_itself or 1 / _OTHER_SIZE <= diameter_px / known <= _OTHER_SIZE:
        return ""
    return (
        f"Nuclei look about {diameter_px:.2g} px wide here, and the model {card.name} was trained on nuclei of "
        f"{known:.2g} px."
    )


@dataclass(frozen=True)
class Taught:
    """What a card is to say of the kind of its training images."""

    kind: str
    kinds: list[str]
    nuclei: str


def kind_of_all(images: Sequence[Image]) -> Taught:
    """The kind of most of a training's images, all kinds among them, and how nuclei stand out.

    Parameters
    ----------
    images : sequence of Image

    Returns
    -------
    Taught
        `kinds` leaves out what fewer than one in ten are; `nuclei` is empty where images differ.
    """
    shown = [image for image in images if not image.look.constant or image.understanding.kind] or list(images)
    counted = Counter(image.kind for image in shown)
    often = [kind for kind, number in counted.most_common() if number >= len(shown) / 10]
    looks = {nuclei_look(image) for image in shown if image.kind in often}
    return Taught(often[0] if often else "", list(often), looks.pop() if len(looks) == 1 else "")


def check_parent_kind(card: ModelCard, images: Sequence[Image]) -> list[str]:
    """Why a model to continue from is of another kind than the training images: one sentence a reason, with a count.

    Parameters
    ----------
    card : ModelCard
        Of the model that is continued.
    images : sequence of Image
        What is to be learned from.
    """
    counted: Counter[str] = Counter()
    for image in images:
        # Other channels or axes are refused by the method itself, and it scales nothing.
        try:
            counted.update(_other_kind(card.name, facts_of_model(card), facts_of_image(image)))
        except NucleiError:
            # It cannot be read: the training tells that.
            continue
    of = f" ({{}} of {len(images)} images)" if len(images) > 1 else ""
    return [sentence + of.format(number) for sentence, number in counted.most_common()]
