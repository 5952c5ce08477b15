"""From what a file says, what can be guessed and what a person corrected, to what an image means."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .axes import HINT, UNKNOWN, LazyArray, guess_axes, normalised, parse_axes, resolve_unknown
from .guesses import is_bright, names_are_colours
from .pixel_size import guess_from_magnification
from .readers import RawImage
from .transparency import Flattened, Ground
from .understanding import Question, Understanding

_COLOURS = ["red", "green", "blue"]
# Names that only count ("Channel:0:1", "C2"), as exporters write them where nobody named anything.
_NUMBERED = re.compile(r"^(channel|ch|c)?[\s:_-]*\d{1,2}([:_]\d+)*$|^$", re.IGNORECASE)
_ASK_UP_TO = 8  # pages; more than this are planes without asking


@dataclass
class Meaning:
    """How the array of a file is to be read.

    Fields as in `Image`; `source_axes` names the axes as they lie in the file, `fixed` and `limit` are those of
    `LazyArray`, `channels` counts among the channels of the normalised array.
    """

    source_axes: str
    axes: str
    fixed: dict[str, int] = field(default_factory=dict)
    limit: dict[str, int] = field(default_factory=dict)
    rgb: bool = False
    channels: tuple[int, ...] = (0,)
    channel_names: list[str] = field(default_factory=list)
    all_channel_names: list[str] = field(default_factory=list)
    names_from_file: bool = False
    spatial_axes: str = "YX"
    plane_axes: str = ""
    pixel_size_um: tuple[float, ...] | None = None
    pixel_size_source: Literal["file", "user"] | None = None
    third_axis_reason: str = ""
    notes: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)


def interpret(raw: RawImage, said: Understanding, name: str) -> Meaning:
    """Decide what an opened file means.

    Parameters
    ----------
    raw : RawImage
        From a reader.
    said : Understanding
        Corrections; they win.
    name : str
        For messages.

    Returns
    -------
    Meaning

    Raises
    ------
    NucleiError
        The image has no pixels, a number type that is none (complex, text), or corrections that do not fit.
    """
    shape = tuple(int(n) for n in raw.levels[0].shape)
    dtype = np.dtype(raw.levels[0].dtype)
    if not all(shape):
        raise NucleiError(f"{name} has no pixels: its size is {'×'.join(map(str, shape))}.", "Export it again.")
    if dtype.kind not in "buif":
        raise NucleiError(
            f"{name} holds {dtype} instead of numbers that a picture can show.", "Save it as 8 or 16 bit."
        )
    if all(_NUMBERED.match(n) for n in raw.channel_names):
        raw.channel_names = []
    questions: list[Question] = []
    source_axes = _source_axes(raw, shape, said, questions)
    sizes = dict(zip(source_axes, shape, strict=True))
    meaning = Meaning(source_axes, "", notes=[*raw.notes, *_size_doubts(raw, said)], questions=questions)
    _colours(raw, said, sizes, dtype, meaning, name)
    # An axis of length one is no axis; but rows and columns always are.
    kept = "".join(a for a in source_axes if a in "YX" or (sizes[a] > 1 and a not in meaning.fixed))
    meaning.axes = normalised(kept)
    _channels(raw, said, sizes, meaning)
    _planes(said, meaning)
    meaning.third_axis_reason = _why_third(raw, said, sizes, meaning)
    _pixel_size(raw, said, meaning)
    if len(raw.series_names) > 1:
        options: dict[str, dict[str, Any]] = {n: {"series": k} for k, n in enumerate(raw.series_names)}
        taken = raw.series_names[int(str(raw.metadata.get("series", 0)))]
        text = f"The file holds {len(options)} images; which one?"
        meaning.questions.append(Question("series", text, options, taken))
    return meaning


def _source_axes(raw: RawImage, shape: tuple[int, ...], said: Understanding, questions: list[Question]) -> str:
    """Letters of the file's axes, unique, without unknown ones; unused lower-case letters stand for length-one axes."""
    if said.axes is not None:
        return parse_axes(said.axes, len(shape))
    axes = raw.axes
    # Unknown axes of length one need no name; give them letters of their own so that each letter stays unique.
    spare = iter("abcdefgh")
    axes = "".join(next(spare) if a == UNKNOWN and n == 1 else a for a, n in zip(axes, shape, strict=True))
    regrouped = _regrouped(axes, shape)
    guessed = raw.guessed or UNKNOWN in axes
    axes = regrouped or axes
    at = axes.find(UNKNOWN)
    unknown = axes.count(UNKNOWN)
    resolved = resolve_unknown(axes, shape)
    resolved = _third_axis(resolved, shape, said, raw.rgb, at)
    if unknown == 1 and said.third_axis is None and shape[at] <= _ASK_UP_TO:
        words = {"C": "channels", "Z": "z", "T": "time"}
        options: dict[str, dict[str, Any]] = {
            "z": {"third_axis": "volume"},
            "channels": {"third_axis": "channels"},
            "time": {"third_axis": "time"},
        }
        text = f"z or channel? {shape[at]} pages could be either."
        questions.append(Question("axes", text, options, words[resolved[at]]))
    elif guessed and said.third_axis is None and _is_doubtful(resolved, shape):
        text = f"The file does not name its axes ({'×'.join(map(str, shape))})."
        options = {}
        if sum(n > 1 for n in shape) == 3 and resolved.endswith("C"):
            options = {"channels": {"third_axis": "channels"}, "z": {"third_axis": "volume"}}
        questions.append(Question("axes", text, options, "".join(a for a in resolved if a.isupper())))
    return resolved


def _regrouped(axes: str, shape: tuple[int, ...]) -> str | None:
    """Other letters where nothing is named and the pages would be far too narrow for pictures; else None."""
    if UNKNOWN not in axes or {a for a, n in zip(axes, shape, strict=True) if n > 1} - {UNKNOWN, "Y", "X"}:
        return None
    guess = guess_axes(shape)
    return guess if (guess.index("Y"), guess.index("X")) != (axes.index("Y"), axes.index("X")) else None


def _is_doubtful(axes: str, shape: tuple[int, ...]) -> bool:
    """Whether guessed axes could as well be others: more than one beside rows and columns, or one in an odd place."""
    others = [(k, n) for k, (axis, n) in enumerate(zip(axes, shape, strict=True)) if axis not in "YX" and n > 1]
    if len(others) != 1:
        return bool(others)
    at, n = others[0]
    last = at == len(shape) - 1
    # Colours behind, or a stack of more pages than are asked about, are what they seem.
    return not (axes[at] == "C" and last and n <= 4) and (last or at > axes.index("Y"))


def _third_axis(axes: str, shape: tuple[int, ...], said: Understanding, rgb: bool | None, unknown: int) -> str:
    """Rename an axis so that the third axis is what the person said it is."""
    if said.third_axis is None:
        return axes
    wanted = {"channels": "C", "time": "T"}.get(said.third_axis, "Z")
    sizes = dict(zip(axes, shape, strict=True))
    if sizes.get(wanted, 1) > 1:
        return axes
    order = [axes[unknown]] if unknown >= 0 else []
    order += {"C": "ZT", "T": "ZC", "Z": "TC"}[wanted]
    for letter in order:
        if letter != wanted and sizes.get(letter, 1) > 1 and not (letter == "C" and rgb):
            # A length-one axis that bears the name already steps aside.
            return axes.replace(wanted, "w").replace(letter, wanted)
    if said.third_axis == "plane":
        return axes
    raise NucleiError(
        f"The image has no axis that could be {said.third_axis}: its size is {'×'.join(map(str, shape))}.", HINT
    )


def _colours(
    raw: RawImage, said: Understanding, sizes: dict[str, int], dtype: np.dtype, meaning: Meaning, name: str
) -> None:
    """Decide whether channels are colours, and lay what is transparent on what is behind it."""
    n = sizes.get("C", 1)
    alpha = raw.alpha and n >= 4
    if raw.alpha and n == 2 and said.rgb is None:
        _flatten(raw, meaning, 1)
        meaning.fixed["C"] = 0
        meaning.notes.append("It has transparency: what is transparent counts as empty.")
        return
    if said.rgb is True and n not in (3, 4):
        raise NucleiError(f"An image with {n} channel(s) cannot be a colour picture.", "A colour picture has three.")
    if n == 4 and not alpha and raw.rgb is None and said.rgb is not False:
        alpha = said.rgb is True or (
            # Transparency that nobody declared: everywhere full, as that of an opaque picture is.
            dtype == np.uint8
            and meaning.source_axes.endswith("C")
            and bool((_middle(raw, meaning.source_axes, name)[:, 3] == 255).all())
        )
    if alpha and said.rgb is not False:
        _flatten(raw, meaning, 3)
        meaning.limit["C"] = 3
        meaning.notes.append(
            "Its fourth channel is transparency and was left out: what is transparent counts as empty."
        )
    elif raw.rgb and n > 3 and said.rgb is not False and _is_bright_picture(raw, meaning.source_axes, name, dtype):
        meaning.limit["C"] = 3
        meaning.notes.append(f"It is a colour picture; {n - 3} further channel(s) beside its colours were left out.")
    count = min(n, meaning.limit.get("C", n))
    if said.rgb is not None:
        meaning.rgb = said.rgb
    elif count == 3:
        if raw.channel_names:
            meaning.rgb = bool(raw.rgb) or names_are_colours(raw.channel_names)
        elif raw.rgb or dtype != np.uint8:
            meaning.rgb = bool(raw.rgb)
        else:
            # Nobody says. Three values side by side are a colour, as every viewer has it; three separate planes are one
            # only if they look like a bright-field picture, since a merge of three stains is stored that way, too.
            side_by_side = raw.rgb is None and meaning.source_axes.endswith("C")
            meaning.rgb = side_by_side or is_bright(_middle(raw, meaning.source_axes, name)[:, :3] / 255.0)
        if not raw.rgb and not raw.channel_names:
            options: dict[str, dict[str, Any]] = {"colours": {"rgb": True}, "channels": {"rgb": False}}
            text = "Are the three channels the colours of one picture, or three stains?"
            meaning.questions.append(Question("rgb", text, options, "colours" if meaning.rgb else "channels"))


def _flatten(raw: RawImage, meaning: Meaning, alpha: int) -> None:
    """Lay every level on what is behind its transparency, which is sample `alpha`."""
    ground = Ground(raw.levels[-1], meaning.source_axes, alpha, raw.premultiplied)
    raw.levels = [Flattened(level, ground) for level in raw.levels]


def _is_bright_picture(raw: RawImage, source_axes: str, name: str, dtype: np.dtype) -> bool:
    top = float(np.iinfo(dtype).max) if dtype.kind in "ui" else 1.0
    return is_bright(_middle(raw, source_axes, name)[:, :3] / top)


def _middle(raw: RawImage, source_axes: str, name: str) -> np.ndarray:
    """Pixels (N, C) from the middle of the smallest level."""
    axes = normalised(source_axes)
    level = LazyArray(raw.levels[-1], source_axes, axes, name=name)
    key = []
    for axis, n in zip(axes, level.shape, strict=True):
        half = min(n, 512) // 2 if axis in "YX" else 0
        key.append(slice(None) if axis == "C" else slice(n // 2 - half, n // 2 - half + max(1, 2 * half)))
    crop = level[tuple(key)]
    return crop.reshape(-1, crop.shape[-1])


def _channels(raw: RawImage, said: Understanding, sizes: dict[str, int], meaning: Meaning) -> None:
    """Names of the channels and which of them are used."""
    n = min(sizes["C"], meaning.limit.get("C", sizes["C"])) if "C" in meaning.axes else 1
    given = list(said.channel_names or raw.channel_names)
    if said.channel_names is not None and len(said.channel_names) != n:
        raise NucleiError(f"{len(said.channel_names)} channel names were given for {n} channel(s).", "Name each once.")
    if len(given) >= n and any(given[:n]):
        names = [given[k] or f"channel {k + 1}" for k in range(n)]
        meaning.names_from_file = True
    elif meaning.rgb:
        names = _COLOURS[:n]
    else:
        names = ["intensity"] if n == 1 else [f"channel {k + 1}" for k in range(n)]
    used = said.channels if said.channels is not None else tuple(range(n))
    too_large = [c for c in (*used, *([] if said.nuclei_channel is None else [said.nuclei_channel])) if c >= n]
    if too_large:
        raise NucleiError(f"There is no channel {too_large[0]}: the image has {n}, counted from 0.", "Choose again.")
    if len(used) != n and meaning.rgb:
        meaning.rgb = len(used) == 3
    meaning.channels = tuple(used)
    meaning.all_channel_names = list(names)
    meaning.channel_names = [names[c] for c in used]


def _planes(said: Understanding, meaning: Meaning) -> None:
    """Which axes are space and which make separate planes."""
    volume = "Z" in meaning.axes and said.third_axis not in ("plane", "planes")
    meaning.spatial_axes = "ZYX" if volume else "YX"
    meaning.plane_axes = "".join(a for a in meaning.axes if a not in meaning.spatial_axes and a != "C")


def _why_third(raw: RawImage, said: Understanding, sizes: dict[str, int], meaning: Meaning) -> str:
    """Why the axis beside rows and columns is what it is taken for, in one sentence."""
    third = next((axis for axis in "ZT" if axis in meaning.axes), "")
    if not third:
        return ""
    if said.third_axis is not None or said.axes is not None:
        return "You said so."
    pages = sizes[third]
    if UNKNOWN in raw.axes:
        return f"The file does not name its {pages} pages: more than four are taken as planes."
    return f"The file calls its {pages} pages {'z, planes of one volume' if third == 'Z' else 'moments in time'}."


def _ask_voxel_size(sizes: dict[str, float], source: Literal["file", "user"]) -> Question:
    """Planes are mostly further apart than pixels; without the distance nuclei look flat."""
    text = "No voxel size in the file: planes are mostly further apart than pixels."
    if "X" in sizes:
        who = "The file gives" if source == "file" else "You gave"
        text = f"{who} {sizes['X']:.3g} µm for rows and columns, but not the distance between planes."
    return Question("pixel_size", text, {"Go on": {"cubic": True}}, "cubes")


def _size_doubts(raw: RawImage, said: Understanding) -> list[str]:
    """Why the file's pixel size is not used; of no interest where somebody said it."""
    return raw.size_doubts if said.pixel_size_um is None else []


def _ask_magnification(magnification: Any, guess: float) -> Question:
    """A slide that tells its magnification and no pixel size: the usual one is offered, never taken."""
    text = f"The file gives no pixel size, only a magnification of {float(magnification):g}×: mostly {guess:.3g} µm/px."
    return Question("pixel_size", text, {f"{guess:.3g} µm/px": {"pixel_size_um": guess}}, "unknown")


def _pixel_size(raw: RawImage, said: Understanding, meaning: Meaning) -> None:
    """Micrometres per spatial axis, from the person or else from the file."""
    sizes = dict(raw.pixel_size)
    source: Literal["file", "user"] = "file"
    if said.pixel_size_um is not None:
        source = "user"
        given = said.pixel_size_um if isinstance(said.pixel_size_um, tuple) else (said.pixel_size_um,) * 2
        if len(given) not in (1, 2, 3):
            raise NucleiError(f"A pixel size has one to three numbers, not {len(given)}.", "Give µm for z, y, x.")
        given = given * 2 if len(given) == 1 else given
        sizes.update(zip("ZYX"[3 - len(given) :], given, strict=True))
    if all(a in sizes for a in meaning.spatial_axes):
        meaning.pixel_size_um = tuple(float(sizes[a]) for a in meaning.spatial_axes)
        meaning.pixel_size_source = source
    elif source == "user":
        # One number given for a volume whose planes' distance nobody knows: take cubes, and say so.
        meaning.pixel_size_um = tuple(float(sizes.get(a, sizes["X"])) for a in meaning.spatial_axes)
        meaning.pixel_size_source = source
        meaning.notes.append("The distance between planes is not known; it is taken to be the pixel size.")
    elif not sizes and meaning.spatial_axes == "YX":
        guess = guess_from_magnification(raw.metadata.get("magnification"))
        if guess is not None:
            meaning.questions.append(_ask_magnification(raw.metadata["magnification"], guess))
    if "Z" in meaning.spatial_axes and "Z" not in sizes and not said.cubic:
        meaning.questions.append(_ask_voxel_size(sizes, source))
