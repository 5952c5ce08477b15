"""Pixel size of an OME-Zarr from its coordinate transformations, as far as they can be one."""

from __future__ import annotations

import math
from typing import Any

from .base import to_micrometres
from .zarr_levels import listed

_SILENT = {"translation"}  # where the picture lies says nothing of its pixels


def pixel_size_of(
    scale: dict[str, Any], of_level: Any, axes: str, units: dict[str, Any], notes: list[str]
) -> dict[str, float]:
    """Micrometres per axis; an axis without a unit of length is in pixels, and its scale says nothing.

    Parameters
    ----------
    scale : dict
        One of the multiscales; what it says holds for every level.
    of_level : Any
        Transformations of the largest level, as they are written.
    axes : str
        Letters of the image's axes.
    units : dict of str to Any
        As they are written.
    notes : list of str
        What did not fit is added.

    Returns
    -------
    dict of str to float
        For axes out of ``ZYX``; empty where nothing is known.
    """
    total: dict[str, float] = {}
    lost: set[str] = set()
    for transforms in (of_level, scale.get("coordinateTransformations")):
        for transform in _flat(transforms):
            factors, problem = _factors(transform, axes)
            if problem:
                notes.append(problem)
            if factors is None:
                lost |= set("ZYX")
                continue
            for axis, value in factors.items():
                if value is None:
                    lost.add(axis)
                else:
                    total[axis] = total.get(axis, 1.0) * value
    sizes: dict[str, float] = {}
    silent = [axis for axis in "YX" if axis not in total or axis in lost or not isinstance(units.get(axis), str)]
    for axis in "ZYX":
        unit = units.get(axis)
        if axis in axes and axis in total and axis not in lost and isinstance(unit, str) and unit:
            size = to_micrometres(total[axis], unit)
            if size is not None and math.isfinite(size):
                sizes[axis] = size
            elif size is None:
                notes.append(f"Its unit {unit[:40]!r} is no unit of length that is known.")
    if not sizes and units and not lost and "X" not in total and isinstance(units.get("X"), str):
        notes.append("It names units, but no scale: the pixel size is not known.")
    elif silent and "X" in total and total["X"] != 1.0 and "X" not in lost and not units.get("X"):
        notes.append(f"Its scale ({total['X']:g}) has no unit: the pixel size is not known.")
    return sizes


def _flat(transforms: Any) -> list[Any]:
    """Transformations one by one; one alone and a sequence of them are taken apart."""
    flat: list[Any] = []
    for one in listed(transforms):
        inner = one.get("transformations") if isinstance(one, dict) and one.get("type") == "sequence" else None
        flat += [*listed(inner)] if inner is not None else [one]
    return flat


def _factors(transform: Any, axes: str) -> tuple[dict[str, float | None] | None, str]:
    """What a transformation multiplies each axis of space by, None where that is no size; and what is wrong with it.

    None alone where sizes cannot be known after it.
    """
    if not isinstance(transform, dict):
        return None, "A transformation in it cannot be read: the pixel size is not known."
    kind = transform.get("type", "scale" if "scale" in transform else None)
    if kind in _SILENT:
        return {}, ""
    if kind == "identity":
        return {}, ""
    if kind != "scale":
        return None, f"It has a transformation {str(kind)[:40]!r} that is not understood: the pixel size is not known."
    values = transform.get("scale")
    if not isinstance(values, list) or not values:
        return None, "Its scale is no list of numbers: the pixel size is not known."
    space = [axis for axis in axes if axis in "ZYX"]
    numbers = [_number(value) for value in values]
    note = ""
    if len(values) == len(axes):
        found = dict(zip(axes, numbers, strict=True))
    elif len(values) <= len(space):
        found = dict(zip(space[-len(values) :], numbers, strict=True))
        note = f"Its scale has {len(values)} numbers for {len(axes)} axes: taken for {', '.join(found)}."
    else:
        return None, f"Its scale has {len(values)} numbers for {len(axes)} axes: the pixel size is not known."
    wrong = [axis for axis in space if axis in found and found[axis] is None]
    if wrong:
        note = f"Its scale along {', '.join(wrong)} is no size: the pixel size is not known there."
    return {axis: found[axis] for axis in space if axis in found}, note


def _number(value: Any) -> float | None:
    """A size more than 0; some programs write numbers as text."""
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number > 0 else None
