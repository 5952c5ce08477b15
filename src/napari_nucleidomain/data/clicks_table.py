"""Clicks as a table: napari's CSV, results of ImageJ, measurements of QuPath, and what Excel makes of them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .geojson import HALF_PIXEL
from .textfile import read_text

_HINT = "Save the Points layer from napari as CSV (columns index, axis-0, axis-1), or export GeoJSON from QuPath."
_UNITS = {
    "µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0, "nm": 0.001,
    "mm": 1000.0, "px": 0.0, "pixel": 0.0, "pixels": 0.0,
}  # fmt: skip
# What a name of a column may have beside its axis.
_WORDS = {
    "centroid", "center", "centre", "pos", "position", "location", "coord", "coordinate", "coordinates", "point",
    "click", "nucleus", "nuclei", "cell", "mass", "of", "global", "axis", "weighted", "the",
}  # fmt: skip
_AXES = {
    "x": "x", "y": "y", "z": "z", "row": "y", "rows": "y", "col": "x", "cols": "x", "column": "x", "columns": "x",
    "xm": "x", "ym": "y", "zm": "z",
}  # fmt: skip
_CORNER, _FEWEST = 0.6, 5


@dataclass(frozen=True)
class Clicks:
    """Clicks of a table.

    Attributes
    ----------
    points : ndarray (N, ndim) float64
        In pixels, or in what the file counts in where it says nothing.
    notes : list of str
        What was taken for granted.
    unit_told : bool
        Whether the file says what it counts in, or is one of napari's.
    """

    points: np.ndarray
    notes: list[str] = field(default_factory=list)
    unit_told: bool = True


@dataclass(frozen=True)
class _Column:
    """What the name of a column says; `family` is shared by the axes that belong together."""

    place: int
    axis: str
    um: float | None
    family: tuple[str, ...]
    name: str


def read_clicks(path: Path, pixel_size_um: Sequence[float] | None = None) -> Clicks:
    """Read a table of clicks.

    Parameters
    ----------
    path : Path
        UTF-8 or UTF-16; separated by commas, semicolons or tabs; with Excel's ``sep=;`` as its first line or without;
        decimal commas where commas do not separate. Columns ``axis-0, axis-1``, or x and y under one of their many
        names, in any order, in pixels or in a unit that the name tells (``Centroid X µm``).
    pixel_size_um : sequence of float, optional
        (y, x) or (z, y, x), for what is in µm.

    Returns
    -------
    Clicks

    Raises
    ------
    NucleiError
        The file is absent, empty or damaged, has no such columns, holds clicks of several images, or is in µm where the
        size of a pixel is unknown.
    """
    table = _rows(path)
    number, header = next(table, (0, []))
    names = [cell.strip().strip('"').strip() for cell in header]
    if names and all(_is_number(name) for name in names):
        raise NucleiError(
            f"{path.name} has no names of columns, so nobody knows which is x and which is y: it begins with "
            f"{', '.join(names)[:60]}.",
            "Write a first line: y,x or x,y, as the columns are.",
        )
    columns = _columns(path, names)
    image = next((k for k, name in enumerate(names) if name.casefold() in ("image", "image name", "filename")), None)
    images: dict[str, None] = {}
    rows = []
    for number, row in table:
        if any(cell.strip() for cell in row):
            if any(cell.strip() for cell in row[len(names) :]):
                raise NucleiError(
                    f"{path.name}, line {number}, has more cells than names: {', '.join(row)[:60]!r}.",
                    "Name every column. Numbers with decimal commas need semicolons between them.",
                )
            rows.append(_numbers(path, number, row, columns))
            if image is not None and image < len(row):
                images[row[image].strip()] = None
    if len(images) > 1:
        shown = ", ".join(list(images)[:3]) + (", ..." if len(images) > 3 else "")
        raise NucleiError(
            f"{path.name} holds points of {len(images)} images ({shown}).",
            "Save the points of each image in a file of its own.",
        )
    points = np.array(rows, np.float64).reshape(-1, len(columns))
    return _in_pixels(path, points, columns, pixel_size_um)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Numbered lines of a table as cells, from its header on."""
    text = read_text(path)
    if "\x00" in text:
        raise NucleiError(f"{path.name} cannot be read as a table of points.", _HINT)
    lines = text.splitlines()
    first = next((k for k, line in enumerate(lines) if line.strip()), None)
    if first is None:
        raise NucleiError(f"{path.name} is empty.", _HINT)
    told = re.fullmatch(r'"?sep=(.)"?[;,\t]*', lines[first].strip(" \ufeff"), re.IGNORECASE)
    separator = told[1] if told else "\t" if lines[first].strip(" ").lower().startswith("sep=\t") else ""
    first += bool(separator)
    if first >= len(lines):
        raise NucleiError(f"{path.name} is empty.", _HINT)
    # numpy writes its header as a comment.
    lines[first] = lines[first].lstrip("\ufeff").removeprefix("#")
    separator = separator or max(";\t,", key=lines[first].count)
    if separator not in lines[first] and len(lines[first].split()) > 1:
        lines, separator = [" ".join(line.split()) for line in lines], " "
    try:
        rows = csv.reader(io.StringIO("\n".join(lines[first:])), delimiter=separator)
        yield from enumerate(rows, start=first + 1)
    except csv.Error as error:
        raise NucleiError(f"{path.name} is no table of points: a cell in it is too long or damaged.", _HINT) from error


def _columns(path: Path, names: list[str]) -> list[_Column]:
    """The coordinates in the table, slowest axis first."""
    small = [name.lower() for name in names]
    for pattern in (r"axis[-_ ]?(\d+)", r"centroid[-_ ](\d+)"):
        numbered = {int(m[1]): k for k, n in enumerate(small) if (m := re.fullmatch(pattern, n))}
        if len(numbered) >= 2 and sorted(numbered) == list(range(len(numbered))):
            return [_Column(numbered[k], "axis", 0.0, (), names[numbered[k]]) for k in sorted(numbered)]
    found = [column for k, name in enumerate(names) if (column := _column(k, name))]
    families: dict[tuple[str, ...], dict[str, _Column]] = {}
    for column in found:
        families.setdefault(column.family, {}).setdefault(column.axis, column)
    whole = [family for family in families.values() if {"x", "y"} <= set(family)]
    if not whole:
        raise NucleiError(
            f"{path.name} has no columns axis-0 and axis-1, nor x and y; it has {', '.join(small)[:80]}.", _HINT
        )
    # Plain x and y before others, pixels before micrometres.
    best = min(whole, key=lambda one: (len(one["x"].family), one["x"].um or 0.0))
    return [best[axis] for axis in ("z", "y", "x") if axis in best]


def _column(place: int, name: str) -> _Column | None:
    tokens = re.findall(r"[µμ]m|[^\W_]+", name.lower().replace("\u00c2", ""))
    units = [token for token in tokens if token in _UNITS]
    rest = [token for token in tokens if token not in _UNITS]
    axes = [token for token in rest if token in _AXES]
    others = tuple(sorted(token for token in rest if token not in _AXES))
    if len(axes) != 1 or len(units) > 1 or not set(others) <= _WORDS:
        return None
    um = _UNITS[units[0]] if units else (0.0 if axes[0][:3] in ("row", "col") else None)
    marks = (*others, *(("mass",) if axes[0].endswith("m") and len(axes[0]) == 2 else ()), *units)
    return _Column(place, _AXES[axes[0]], um, marks, name)


def _numbers(path: Path, number: int, row: list[str], columns: list[_Column]) -> list[float]:
    try:
        values = [float(row[column.place].strip().replace(",", ".")) for column in columns]
    except (ValueError, IndexError) as error:
        shown = ", ".join(row)[:60]
        raise NucleiError(f"{path.name}, line {number}, holds no point: {shown!r}.", _HINT) from error
    if not np.isfinite(values).all():
        raise NucleiError(f"{path.name}, line {number}, holds a point without a place (NaN).", "Remove that line.")
    return values


def _in_pixels(path: Path, points: np.ndarray, columns: list[_Column], pixel_size_um: Sequence[float] | None) -> Clicks:
    scales = [column.um for column in columns]
    if all(scale is None for scale in scales):
        return Clicks(points, [], False)
    notes = []
    if any(scales):
        named = " and ".join(column.name for column in columns)
        if pixel_size_um is None or len(pixel_size_um) < len(columns):
            raise NucleiError(
                f"{path.name} counts in µm ({named}), and the size of a pixel is not known here.",
                "Save the points in pixels, or give an image that says its pixel size.",
            )
        sizes = np.asarray(pixel_size_um, np.float64)[-len(columns) :]
        points = points * np.array([scale or 1.0 for scale in scales]) / np.where([bool(s) for s in scales], sizes, 1.0)
        notes.append(f"It counts in µm ({named}): divided by the pixel size, {', '.join(f'{s:g}' for s in sizes)} µm.")
    if any(re.match(r"centroid [xy]\b", column.name.lower()) for column in columns):
        # QuPath counts from the corner of the first pixel.
        points = points - HALF_PIXEL
    return Clicks(points, notes)


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


def corner_note(path: Path, points: np.ndarray, shape: Sequence[int]) -> str:
    """A line where all clicks of a table that names no unit lie in one corner of the image, as micrometres do; else "".

    Parameters
    ----------
    path : Path
    points : ndarray (N, ndim)
        As read from it.
    shape : sequence of int
        Of the image.
    """
    if path.suffix.lower() not in (".csv", ".tsv", ".txt") or len(points) < _FEWEST:
        return ""
    rows, columns = (points[:, -2:].max(axis=0) / np.asarray(shape[-2:], np.float64)).tolist()
    # Micrometres make both sides smaller by one factor; a person who clicks in a corner does not.
    if not (0 < rows < _CORNER and 0 < columns < _CORNER) or read_clicks(path).unit_told:
        return ""
    return (
        f"All {len(points)} clicks lie in the upper left corner, {columns:.0%} × {rows:.0%} of the image, and the "
        "columns x and y name no unit: ImageJ writes micrometres where an image is calibrated. If so, save them in "
        "pixels (in ImageJ: Analyze > Set Scale > Click to Remove Scale), or name the columns x_um and y_um."
    )
