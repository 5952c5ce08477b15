"""GeoJSON as QuPath writes and reads it: x before y, in pixels of the full-resolution image.

In GeoJSON the first pixel reaches from 0 to 1 and its centre is 0.5; in napari and in this package its
centre is 0.0. Points and regions are shifted by half a pixel on the way, so that a click stays on the pixel
it was made on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import write_atomic

from .odd import strict
from .qupath import object_kind
from .textfile import read_text, zip_names

HALF_PIXEL = 0.5
GEOJSON_SUFFIXES = (".geojson", ".json")
POLYGONS = frozenset({"Polygon", "MultiPolygon"})
POINTS = frozenset({"Point", "MultiPoint"})
LINES = frozenset({"LineString", "MultiLineString"})
# No image is larger: pixels beyond are slips of a program.
FARTHEST = 1e7
_HINT = "Export it from QuPath with File > Export objects as GeoJSON."
_DEEPEST = 200

Tell = Callable[[str, int | str], None]


def is_geojson(path: Path) -> bool:
    """Whether a file is GeoJSON by its name, or a zip of it, as QuPath compresses its exports."""
    name = path.name.lower()
    if name.endswith((*GEOJSON_SUFFIXES, *(f"{one}.gz" for one in GEOJSON_SUFFIXES))):
        return True
    if not name.endswith(".zip") or not path.is_file():
        return False
    try:
        names = [one.lower() for one in zip_names(path)]
    except OSError:
        return False
    return any(one.endswith(GEOJSON_SUFFIXES) for one in names) and not any(one.endswith(".roi") for one in names)


def read_features(path: Path, odd: Tell | None = None) -> list[dict[str, Any]]:
    """All features of a GeoJSON file, whatever it wraps them in.

    Parameters
    ----------
    path : Path
        A FeatureCollection, a Feature, a geometry, a bare list of these (as older QuPath versions write), or one of
        these a line; in UTF-8 or UTF-16; plain, or in a zip or gzip.
    odd : callable, optional
        Told why, and the number of the entry, counted from 1, where an entry is no feature; it is passed over. Without
        it such an entry refuses the file.

    Returns
    -------
    list of dict
        Each with ``geometry`` (one that is no collection), ``properties``, ``number`` of its entry in the file and
        ``kind`` (see `qupath.object_kind`); QuPath's cells also with ``nucleus``.

    Raises
    ------
    NucleiError
        The file is absent, damaged or no GeoJSON.
    """
    refuse = strict(path, "Mend or remove that entry, or export the file again.")
    reader = _Features(refuse if odd is None else odd, odd is not None)
    content = _content(path, reader)
    try:
        if not isinstance(content, list) and not (isinstance(content, dict) and isinstance(content.get("type"), str)):
            raise ValueError
        return list(reader.all(content))
    except (RecursionError, ValueError) as error:
        raise NucleiError(f"{path.name} is not GeoJSON.", _HINT) from error


class _Features:
    """Goes through what was read, counts entries, and passes over those that are none."""

    def __init__(self, odd: Tell, lenient: bool) -> None:
        self.odd, self.lenient = odd, lenient
        self.number = 0

    def all(self, content: Any) -> Iterator[dict[str, Any]]:
        """Features of a collection or list, or the one that it is."""
        if isinstance(content, dict) and content.get("type") == "FeatureCollection":
            content = content.get("features")
            if not isinstance(content, list):
                raise ValueError("features is no list")
        if isinstance(content, list):
            for item in content:
                if isinstance(item, dict) and item.get("type") == "FeatureCollection":
                    yield from self.all(item)
                else:
                    yield from self._entry(item)
        else:
            yield from self._entry(content)

    def _entry(self, item: Any) -> Iterator[dict[str, Any]]:
        self.number += 1
        number = self.number
        if not isinstance(item, dict):
            self.odd("it is no GeoJSON feature", number)
            return
        if item.get("type") != "Feature":
            yield from self._geometries(item, {"properties": {}, "kind": "", "number": number})
            return
        properties = item.get("properties")
        if properties is not None and not isinstance(properties, dict):
            self.odd("its properties are no list of names and values", number)
        elif item.get("nucleusGeometry") is not None and _areas(item["nucleusGeometry"]) is None:
            self.odd("the outline of its nucleus is no GeoJSON", number)
        else:
            shared: dict[str, Any] = {"properties": properties or {}, "number": number}
            shared["kind"] = object_kind(item)
            if item.get("nucleusGeometry") is not None:
                # A cell of QuPath: its outline, and within it that of its nucleus.
                shared["nucleus"] = _areas(item["nucleusGeometry"])
            if item.get("geometry") is not None:
                yield from self._geometries(item["geometry"], shared)
            elif self.lenient and shared["kind"] != "root":
                # Allowed in GeoJSON, but nothing to draw.
                self.odd("it has no place", number)
        # Objects of QuPath may hold those inside them.
        for holder in (item, properties):
            children = holder.get("childObjects") if isinstance(holder, dict) else None
            if isinstance(children, list):
                yield from self.all(children)

    def _geometries(self, geometry: Any, shared: dict[str, Any], depth: int = 0) -> Iterator[dict[str, Any]]:
        kind = geometry.get("type") if isinstance(geometry, dict) else None
        if kind == "GeometryCollection" and isinstance(geometry.get("geometries"), list) and depth < _DEEPEST:
            for one in geometry["geometries"]:
                yield from self._geometries(one, shared, depth + 1)
        elif kind in POLYGONS | POINTS | LINES:
            yield {"geometry": geometry, **shared}
        else:
            said = f" ({kind[:30]})" if isinstance(kind, str) else ""
            self.odd(f"its shape is none of GeoJSON{said}", shared["number"])


def _areas(geometry: Any, depth: int = 0) -> dict[str, Any] | None:
    """A Polygon or MultiPolygon, or a collection of these as one; None for anything else."""
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind in POLYGONS:
        return dict(geometry)
    many = geometry.get("geometries") if kind == "GeometryCollection" and depth < _DEEPEST else None
    parts = [_areas(one, depth + 1) for one in many] if isinstance(many, list) else []
    if not parts or any(part is None or not isinstance(part.get("coordinates"), list) for part in parts):
        return None
    polygons = [
        one
        for part in parts
        if part is not None
        for one in (part["coordinates"] if part["type"] == "MultiPolygon" else [part["coordinates"]])
    ]
    return {"type": "MultiPolygon", "coordinates": polygons}


def _content(path: Path, reader: _Features) -> Any:
    """What a file holds: one JSON text, or one a line."""
    text = read_text(path, GEOJSON_SUFFIXES)
    if not text.strip("\ufeff\x1e\x00 \t\r\n"):
        raise NucleiError(f"{path.name} is empty.", _HINT)
    try:
        return _parsed(text)
    except RecursionError as error:
        raise NucleiError(f"{path.name} is not GeoJSON: it is nested too deep.", _HINT) from error
    except ValueError as error:
        lines = [line for line in (line.strip("\x1e \t\r") for line in text.split("\n")) if line]
        if len(lines) > 1 and (found := _by_lines(lines, reader)):
            return found
        raise NucleiError(
            f"{path} cannot be read: it is damaged or not a JSON file{_where(error)}.",
            "Restore it, or export it again.",
        ) from error


def _by_lines(lines: list[str], reader: _Features) -> list[Any]:
    """One feature a line (GeoJSONSeq); empty where the file is no such thing."""
    found: list[Any] = []
    for line in lines:
        try:
            found.append(_parsed(line))
        except (ValueError, RecursionError):
            found.append(None)
    whole = sum(isinstance(one, dict) and isinstance(one.get("type"), str) for one in found)
    return found if 2 * whole >= len(found) else []


def _where(error: ValueError) -> str:
    return f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""


def _parsed(text: str) -> Any:
    # Whole numbers of thousands of digits are slips, and Python refuses them.
    return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 300 else float("inf"))


def polygons_of(
    geometry: dict[str, Any], path: Path, odd: Tell | None = None, number: int | str = 1
) -> list[list[np.ndarray]]:
    """Rings of a Polygon or MultiPolygon.

    Parameters
    ----------
    geometry : dict
        GeoJSON; other kinds give an empty list.
    path : Path
        For the message.
    odd : callable, optional
        Told of parts and holes that are none, which are passed over. Without it they refuse the file.
    number : int or str
        Of the entry, for the message.

    Returns
    -------
    list of list of ndarray (N, 2) float64
        Per polygon: its outer ring and its holes as rows of (y, x), in GeoJSON's own coordinates (no half
        pixel taken off), without the repeated last vertex.

    Raises
    ------
    NucleiError
        A ring is no list of at least three finite x, y pairs.
    """
    if geometry["type"] not in POLYGONS:
        return []
    tell = strict(path, "Export it again.") if odd is None else odd
    many = geometry.get("coordinates")
    if geometry["type"] == "Polygon":
        many = [many]
    if not isinstance(many, list) or not many:
        tell("its outline is no list of x, y pairs", number)
        return []
    found = []
    for polygon in many:
        if not isinstance(polygon, list) or not polygon:
            tell("its outline is no list of x, y pairs", number)
            continue
        try:
            outer = _ring(polygon[0])
        except _BadPairs as error:
            tell(f"its outline {error}", number)
            continue
        found.append([outer, *_holes(polygon[1:], tell, number)])
    return found


def _holes(rings: list[Any], tell: Tell, number: int | str) -> Iterator[np.ndarray]:
    for ring in rings:
        try:
            yield _ring(ring)
        except _BadPairs as error:
            tell(f"a hole in it {error}, and only the hole is left out", number)


def points_of(geometry: dict[str, Any], path: Path, odd: Tell | None = None, number: int | str = 1) -> np.ndarray:
    """Rows (y, x) of a Point or MultiPoint in GeoJSON's own coordinates; none for other kinds. See `polygons_of`."""
    if geometry["type"] not in POINTS:
        return np.zeros((0, 2))
    tell = strict(path, "Export it again.") if odd is None else odd
    pairs = geometry.get("coordinates")
    if geometry["type"] == "Point":
        pairs = [pairs]
    found = []
    for pair in pairs if isinstance(pairs, list) else [None]:
        try:
            found.append(_pairs([pair])[0])
        except _BadPairs:
            tell("its point is no x, y pair", number)
    return np.array(found, np.float64).reshape(-1, 2)


class _BadPairs(ValueError):
    """Coordinates that are none; the text goes on from "its outline"."""


def _pairs(pairs: Any) -> np.ndarray:
    try:
        rows = np.array([(float(p[1]), float(p[0])) for p in pairs], np.float64).reshape(-1, 2)
    except (TypeError, ValueError, IndexError, KeyError, OverflowError) as error:
        raise _BadPairs("is no list of x, y pairs") from error
    if not np.isfinite(rows).all():
        raise _BadPairs("has a place that is no number (NaN or infinite)")
    if len(rows) and np.abs(rows).max() > FARTHEST:
        raise _BadPairs("lies farther out than any image reaches")
    return rows


def _ring(pairs: Any) -> np.ndarray:
    rows = _pairs(pairs)
    if len(rows) > 1 and np.array_equal(rows[0], rows[-1]):
        rows = rows[:-1]
    if len(rows) < 3:
        raise _BadPairs("has no area")
    return rows


def ring_json(rows: np.ndarray, offset: Sequence[float] = (0.0, 0.0)) -> list[list[float]]:
    """A closed ring of x, y pairs from rows (y, x) in GeoJSON's coordinates, moved by `offset` (y, x)."""
    moved = np.asarray(rows, np.float64) + np.asarray(offset, np.float64)
    pairs = np.round(moved[:, ::-1], 4).tolist()
    return [*pairs, pairs[0]] if pairs else []


def feature(geometry: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    """One GeoJSON feature."""
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def write_features(path: Path, features: Iterable[dict[str, Any]]) -> Path:
    """Write a FeatureCollection, one feature a line, without holding all of them in memory.

    Raises
    ------
    NucleiError
        The file cannot be written.
    """

    def write(aside: Path) -> None:
        with open(aside, "w", encoding="utf-8", newline="\n") as out:
            out.write('{"type": "FeatureCollection", "features": [')
            for number, item in enumerate(features):
                out.write(("," if number else "") + "\n" + json.dumps(item, ensure_ascii=False, allow_nan=False))
            out.write("\n]}\n")

    return write_atomic(path, write)
