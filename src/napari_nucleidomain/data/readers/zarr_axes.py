"""Axes and channel names of an OME-Zarr, from descriptions of every version and kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari_nucleidomain.data.axes import UNKNOWN, guess_axes

from .zarr_levels import listed

_LETTERS = set("TZYXC")
_WORDS = {
    "C": {"channel", "channels", "ch", "rgb", "rgba", "sample", "samples"},
    "T": {"time", "times", "frame", "frames", "moment", "timepoint"},
    "Z": {"depth", "plane", "planes", "slice", "slices", "section"},
    "Y": {"row", "rows", "height", "dim_y", "axis_y"},
    "X": {"col", "cols", "column", "columns", "width", "dim_x", "axis_x"},
}


def axes_of(
    scale: dict[str, Any], shape: Sequence[int], dimensions: Sequence[str], notes: list[str]
) -> tuple[str, dict[str, Any]]:
    """Letters of an image's axes, and their units as they are written.

    Parameters
    ----------
    scale : dict
        One of the multiscales. Versions before 0.3 have no axes: they are always t, c, z, y, x.
    shape : sequence of int
        Of the largest level.
    dimensions : sequence of str
        Names of the array's own dimensions.
    notes : list of str
        What did not fit is added.

    Returns
    -------
    axes : str
        One letter per axis of `shape`; ``Q`` where it is not known.
    units : dict of str to Any
        Of the axes whose description has one.
    """
    described = _described(scale)
    ndim = len(shape)
    if not described:
        letters = "".join(_letter(name) for name in dimensions)
        if _usable(letters, ndim):
            return letters, {}
        if scale.get("axes") not in (None, [], "", {}):
            notes.append("Its description of axes cannot be read and was left out.")
        if ndim == 5:
            return "TCZYX", {}
        guess = guess_axes(shape)
        notes.append(f"It does not name its axes; taken: {_words(guess)}. {_CORRECT}")
        return guess, {}
    letters = _resolved([_letter_of(axis) for axis in described])
    units = {
        letter: axis.get("unit") for letter, axis in zip(letters, described, strict=True) if isinstance(axis, dict)
    }
    if _usable(letters, ndim):
        return letters, units
    text = f"Its {ndim} axes do not fit their description ({letters})"
    missing = ndim - len(letters)
    if missing > 0 and _usable(UNKNOWN * missing + letters, ndim):
        # The description speaks of the last ones: what stands before them is not described.
        notes.append(f"{text}, which was taken for the last ones. {_CORRECT}")
        return UNKNOWN * missing + letters, units
    if missing < 0 and all(letter in "TCZ" for letter in letters[:-ndim]) and _usable(letters[-ndim:], ndim):
        notes.append(f"{text}; taken: {_words(letters[-ndim:])}. {_CORRECT}")
        return letters[-ndim:], units
    own = "".join(_letter(name) for name in dimensions)
    guess = own if _usable(own, ndim) else "TCZYX" if ndim == 5 else guess_axes(shape)
    notes.append(f"{text}; taken: {_words(guess)}. {_CORRECT}")
    return guess, {}


_CORRECT = "Say it otherwise in Images, or with --axes."


def _words(letters: str) -> str:
    return letters.replace(UNKNOWN, "?")


def _usable(letters: str, ndim: int) -> bool:
    known = letters.replace(UNKNOWN, "")
    enough = len(letters) == ndim and len(set(known)) == len(known) and len(letters) - len(known) <= 3
    return enough and "Y" in letters and "X" in letters


def _described(scale: dict[str, Any]) -> list[Any]:
    """Entries that say something of an axis; those of later versions lie in a coordinate system."""
    axes = scale.get("axes")
    if not axes:
        systems = [one for one in listed(scale.get("coordinateSystems")) if isinstance(one, dict)]
        axes = systems[0].get("axes") if systems else None
    if isinstance(axes, str):
        return list(axes) if set(axes.upper()) <= _LETTERS else []
    found = [axis for axis in listed(axes) if isinstance(axis, str | dict) or axis is None]
    if not any(
        isinstance(axis, str) or (isinstance(axis, dict) and (axis.get("name") or axis.get("type"))) for axis in found
    ):
        return []
    return found


def _letter(name: Any) -> str:
    """The letter that a name stands for."""
    text = str(name).strip() if isinstance(name, str) else ""
    if text.upper() in _LETTERS:
        return text.upper()
    return next((letter for letter, words in _WORDS.items() if text.lower() in words), UNKNOWN)


def _letter_of(axis: Any) -> tuple[str, bool]:
    """The letter of a described axis, and whether an unnamed one is one of space."""
    if not isinstance(axis, dict):
        return _letter(axis), False
    letter, kind = _letter(axis.get("name")), axis.get("type")
    if letter == UNKNOWN and isinstance(kind, str):
        return {"channel": "C", "time": "T"}.get(kind, UNKNOWN), kind == "space"
    return letter, False


def _resolved(letters: list[tuple[str, bool]]) -> str:
    """Axes of space without a known name are those that are still free, in the order z, y, x."""
    taken = {letter for letter, _ in letters}
    free = [letter for letter in "ZYX" if letter not in taken]
    unnamed = sum(space for _, space in letters)
    spare = iter(free[len(free) - unnamed :] if 0 < unnamed <= len(free) else [])
    return "".join(next(spare, UNKNOWN) if space else letter for letter, space in letters)


def names_of(omero: Any, axes: str, shape: Sequence[int], notes: list[str]) -> list[str]:
    """Names of the channels; empty where there are none that fit."""
    if omero is None:
        return []
    channels = omero.get("channels") if isinstance(omero, dict) else None
    if not isinstance(channels, list):
        if not isinstance(omero, dict) or channels is not None:
            notes.append("Its description of channels (omero) cannot be read and was left out.")
        return []
    names = [_label(one) for one in channels]
    if not any(names):
        if any(not isinstance(one, dict) for one in channels):
            notes.append("Its names of channels cannot be read and were left out.")
        return []
    count = int(shape[axes.index("C")]) if "C" in axes else 1
    if "C" in axes and len(names) != count:
        notes.append(
            f"It names {len(names)} channel{'s' * (len(names) != 1)} and has {count}: the names were left out."
        )
        return []
    return names


def _label(channel: Any) -> str:
    label = channel.get("label") if isinstance(channel, dict) else channel
    return str(label) if isinstance(label, str | int | float) and not isinstance(label, bool) else ""
