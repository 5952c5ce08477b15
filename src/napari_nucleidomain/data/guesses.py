"""What an image probably shows, guessed from names and a sample of its pixels, each guess with its reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from napari_nucleidomain.instances.tissue import is_bright_field

from .understanding import ImageKind

_COLOURS = ({"red", "r"}, {"green", "g"}, {"blue", "b"})
_NUCLEAR = (
    r"dapi",
    r"hoechst|h33342|h33258",
    r"draq\s*[57]|sytox|syto\s*\d|to-?pro|propidium|\bpi\b",
    r"nucle(ar|i|us)|h2b|histone|haematox|hematox",
    r"(?<!\d)(405|408|385|390|395)(?!\d)",
)
_FLUORESCENT = re.compile(
    r"gfp|rfp|yfp|cfp|mcherry|tritc|fitc|cy[2357]\b|alexa|af\d{3}|phalloidin|\b(405|488|546|555|561|568|594|633|640|647)\b",
    re.IGNORECASE,
)
# Stained tissue on a bright background: at least this share of the pixels is light in every colour.
_BRIGHT = 0.35
_BLACK = 3 / 255


@dataclass
class Look:
    """What a sample of the pixels shows.

    Attributes
    ----------
    kind : {"h&e", "fluorescence", "other"}
    reasons : list of str
        Sentences for the person who must believe or correct it.
    not_finite : float
        Share of sampled numbers that are NaN or infinite.
    constant : bool
        All sampled pixels are equal.
    equal_channels : bool
        All channels hold the same: a grey picture saved as colour.
    strongest : int
        The channel with the widest range.
    """

    kind: ImageKind = "other"
    reasons: list[str] = field(default_factory=list)
    not_finite: float = 0.0
    constant: bool = False
    equal_channels: bool = False
    strongest: int = 0


def names_are_colours(names: Sequence[str]) -> bool:
    """Whether three channels are called red, green and blue."""
    return len(names) >= 3 and all(n.strip().lower() in c for n, c in zip(names, _COLOURS, strict=False))


def nuclei_channel_by_name(names: Sequence[str]) -> int | None:
    """Index of the channel whose name is that of a nuclear stain or its laser line; None where none is.

    The dyes win over generic words, and those over the 405 nm line.
    """
    for pattern in _NUCLEAR:
        for index, name in enumerate(names):
            if re.search(pattern, name, re.IGNORECASE):
                return index
    return None


def names_a_stain(name: str) -> bool:
    """Whether a channel's name is that of a stain or a laser line, rather than a number, a colour or nothing."""
    return bool(_FLUORESCENT.search(name)) or nuclei_channel_by_name([name]) is not None


def look_at(pixels: np.ndarray, rgb: bool, names: Sequence[str]) -> Look:
    """Guess what an image shows.

    Parameters
    ----------
    pixels : ndarray (N, C)
        A sample in the native number type.
    rgb : bool
        Whether the channels are colours.
    names : sequence of str
        Channel names from the file, or empty.

    Returns
    -------
    Look
    """
    look = Look()
    if pixels.size == 0:
        look.reasons.append("The image has no pixels.")
        return look
    values = pixels.astype(np.float32)
    finite = np.isfinite(values)
    look.not_finite = 1.0 - float(finite.mean())
    values = np.where(finite, values, 0.0)
    low, high = (np.percentile(values, q, axis=0) for q in (0.1, 99.9))
    spread = np.maximum(high - low, values.max(0) - values.min(0))
    look.constant = bool(np.all(spread == 0))
    look.strongest = int(np.argmax(spread))
    look.equal_channels = values.shape[1] > 1 and bool(np.all(values == values[:, :1]))
    if look.constant:
        look.reasons.append("Every pixel looked at is the same.")
        return look
    if not rgb and any(map(names_a_stain, names)):
        look.kind = "fluorescence"
        look.reasons.append(f"Its channels are named {', '.join(n for n in names if n)}.")
        return look
    if rgb and values.shape[1] == 3 and not look.equal_channels:
        look.kind, reason = _colour_kind(values, pixels.dtype)
    else:
        look.kind, reason = _grey_kind(values[:, look.strongest])
    look.reasons.append(reason)
    return look


def is_bright(unit: np.ndarray) -> bool:
    """Whether pixels (N, C) in 0..1 are those of a picture with a bright background."""
    return float((unit.mean(axis=1) > 0.45).mean()) >= _BRIGHT


def _colour_kind(values: np.ndarray, dtype: np.dtype) -> tuple[ImageKind, str]:
    """Bright and purple to pink is H&E; dark is fluorescence; bright and of another colour is other."""
    top = np.iinfo(dtype).max if dtype.kind in "ui" else max(float(values.max()), 1e-9)
    unit = values / top
    if is_bright_field(unit, 1.0):
        # Black padding says nothing of what the picture shows.
        unit = unit[unit.max(1) > _BLACK]
    if not is_bright(unit):
        return "fluorescence", "It is a colour picture with a dark background."
    stained = unit[unit.max(1) - unit.min(1) > 0.08]
    if len(stained) < 0.02 * len(unit):
        return "other", "It is a bright picture almost without colour."
    red, green, blue = stained.T
    purple = float(((green <= red + 0.02) & (green <= blue + 0.02)).mean())
    if purple > 0.6:
        return "h&e", f"It is a bright colour picture, {purple:.0%} of whose stained pixels are pink to purple."
    return "other", f"It is a bright colour picture, but only {purple:.0%} of its stained pixels are pink to purple."


def _grey_kind(values: np.ndarray) -> tuple[ImageKind, str]:
    low, middle, high = np.percentile(values, (0.5, 50, 99.5))
    if high <= low:
        return "fluorescence", "It is grey and almost everywhere equally dark."
    place = float((middle - low) / (high - low))
    if place < 0.5:
        return "fluorescence", f"It is grey with a dark background (the median lies at {place:.0%} of the range)."
    return "other", f"It is grey with a bright background (the median lies at {place:.0%} of the range)."
