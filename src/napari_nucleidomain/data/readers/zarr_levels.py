"""The levels of an OME-Zarr image that are there, the largest first."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.axes import READ_ERRORS

from .zarr_store import ZarrStore

_HINT = "It was probably not copied to the end; copy the whole folder again from where it came from."


@dataclass
class Level:
    """One array of a pyramid.

    Attributes
    ----------
    path : str
        In its group.
    array : zarr.Array
    transforms : Any
        As the description has them, whatever they are.
    names : list of str
        Of its dimensions; empty where it has none.
    """

    path: str
    array: Any
    transforms: Any = None
    names: list[str] = field(default_factory=list)


def listed(value: Any) -> list[Any]:
    """A list; a single thing where a list belongs is taken as a list of one."""
    if isinstance(value, list):
        return value
    return [] if value is None or value == "" or isinstance(value, bool) else [value]


def levels_of(store: ZarrStore, inner: str, scale: dict[str, Any], notes: list[str]) -> list[Level]:
    """Open the levels that a description names, or else those that are there.

    Parameters
    ----------
    store : ZarrStore
    inner : str
        The image's group.
    scale : dict
        One of its multiscales.
    notes : list of str
        What is missing is added.

    Returns
    -------
    list of Level
        At least one.

    Raises
    ------
    NucleiError
        None is there; the message names those that are missing.
    """
    named = _named(scale.get("datasets"), notes)
    found, missing = _those_there(store, inner, named)
    if not found:
        others: list[tuple[str | None, Any]] = [(name, None) for name in store.arrays(inner)]
        found, lost = _those_there(store, inner, others)
        if not found:
            gone = ", ".join(missing + lost) or "none is named"
            raise NucleiError(f"{store.path.name} lacks its pixels (levels: {gone}).", _HINT)
        there = ", ".join(level.path for level in found)
        if missing:
            notes.append(f"It describes levels that are not there ({', '.join(missing)}); taken instead: {there}.")
        elif named or scale.get("datasets") is not None:
            notes.append(f"Its description of levels cannot be read; taken: {there}.")
        else:
            notes.append(f"It does not name its levels; taken: {there}.")
        missing = []
    found, missing = _with_pixels(store, inner, found, missing, notes)
    if missing:
        many = len(missing) > 1
        text = f"Its level{'s' * many} {', '.join(missing)} {'are' if many else 'is'} not there or cannot be read"
        if named and missing[0] == (named[0][0] or "0"):
            text += f", which is its full resolution: the coarser level {found[0].path} was opened"
        notes.append(f"{text}. {_HINT}")
    sizes = [math.prod(level.array.shape) for level in found]
    if sizes != sorted(sizes, reverse=True):
        notes.append("Its levels do not stand in order; the largest is taken as full resolution.")
        found.sort(key=lambda level: -math.prod(level.array.shape))
    return found


def _named(datasets: Any, notes: list[str]) -> list[tuple[str | None, Any]]:
    """Path and transforms of each level that is described."""
    named: list[tuple[str | None, Any]] = []
    for entry in listed(datasets):
        if isinstance(entry, dict):
            named.append((ZarrStore.plain(entry.get("path")), entry.get("coordinateTransformations")))
        elif (path := ZarrStore.plain(entry)) is not None:
            named.append((path, None))
    paths = [path for path, _ in named if path is not None]
    if len(set(paths)) < len(paths):
        notes.append("Its description names a level twice; what it says of it first was taken.")
    if any(path is None for path, _ in named):
        notes.append("A level of its description names no folder of this store.")
    return named


def _those_there(store: ZarrStore, inner: str, named: list[tuple[str | None, Any]]) -> tuple[list[Level], list[str]]:
    import zarr

    found: list[Level] = []
    missing: list[str] = []
    for number, (path, transforms) in enumerate(named):
        # A level without path is the one of its number.
        name = str(number) if path is None else path
        if any(level.path == name for level in found):
            continue
        place = store.join(inner, name)
        if not store.is_array(place):
            missing.append(name)
            continue
        try:
            array = store.array(place)
        except (*READ_ERRORS, zarr.errors.BaseZarrError):
            missing.append(name)
            continue
        said = getattr(array.metadata, "dimension_names", None) or store.attributes(place)[0].get("_ARRAY_DIMENSIONS")
        found.append(Level(name, array, transforms, [str(one or "") for one in listed(said)]))
    return found, missing


def _with_pixels(
    store: ZarrStore, inner: str, found: list[Level], missing: list[str], notes: list[str]
) -> tuple[list[Level], list[str]]:
    """Levels of which nothing is stored count as missing beside others; alone they are said to be empty."""
    stored = [store.has_pixels(store.join(inner, level.path)) for level in found]
    if not any(stored):
        notes.append("None of its pixels is stored: all count as 0. Was the whole folder copied?")
        return found, missing
    empty = [level.path for level, has in zip(found, stored, strict=True) if not has]
    return [level for level, has in zip(found, stored, strict=True) if has], [*missing, *empty]
