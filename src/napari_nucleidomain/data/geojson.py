"""GeoJSON as QuPath writes and reads it: x before y, in pixels of the full-resolution image.

In GeoJSON the first pixel reaches from 0 to 1 and its centre is 0.5; in napari and in this package its
centre is 0.0. Points and regions are shifted by half a pixel on the way, so that a click stays on the pixel
it was made on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import read_json, write_atomic

HALF_PIXEL = 0.5
_POLYGONS = {"Polygon", "MultiPolygon"}
_POINTS = {"Point", "MultiPoint"}


def read_features(path: Path) -> list[dict[str, Any]]:
    """All features of a GeoJSON file, whatever it wraps them in.

    Parameters
    ----------
    path : Path
        A FeatureCollection, a Feature, a geometry, or a bare list of these (as older QuPath versions write).

    Returns
    -------
    list of dict
        Each with ``geometry`` (one that is no collection) and ``properties``; QuPath's cells also with ``nucleus``.

    Raises
    ------
    NucleiError
        The file is absent, damaged or no GeoJSON.
    """
    content = read_json(path)
    try:
        return list(_features(content))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise NucleiError(
            f"{path.name} is not GeoJSON.", "Export it from QuPath with File > Export objects as GeoJSON."
        ) from error


def _features(content: Any, properties: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    if isinstance(content, list):
        for item in content:
            yield from _features(item, properties)
        return
    kind = content["type"]
    if kind == "FeatureCollection":
        yield from _features(content["features"])
    elif kind == "Feature":
        for found in _features(content["geometry"], content.get("properties") or {}) if content.get("geometry") else ():
            # A cell of QuPath: its outline, and within it that of its nucleus.
            yield {**found, "nucleus": content["nucleusGeometry"]} if content.get("nucleusGeometry") else found
    elif kind == "GeometryCollection":
        yield from _features(content["geometries"], properties)
    elif kind in _POLYGONS | _POINTS | {"LineString", "MultiLineString"}:
        yield {"geometry": content, "properties": properties or {}}
    else:
        raise ValueError(f"unknown type {kind}")


def polygons_of(geometry: dict[str, Any], path: Path) -> list[list[np.ndarray]]:
    """Rings of a Polygon or MultiPolygon.

    Parameters
    ----------
    geometry : dict
        GeoJSON; other kinds give an empty list.
    path : Path
        For the message.

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
    if geometry["type"] not in _POLYGONS:
        return []
    many = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    try:
        return [[_ring(ring) for ring in polygon] for polygon in many if polygon]
    except (TypeError, ValueError, IndexError) as error:
        raise NucleiError(f"{path.name} has an outline that is no list of x, y pairs.", "Export it again.") from error


def points_of(geometry: dict[str, Any], path: Path) -> np.ndarray:
    """Rows (y, x) of a Point or MultiPoint in GeoJSON's own coordinates; none for other kinds."""
    if geometry["type"] not in _POINTS:
        return np.zeros((0, 2))
    pairs = geometry["coordinates"] if geometry["type"] == "MultiPoint" else [geometry["coordinates"]]
    try:
        return _pairs(pairs)
    except (TypeError, ValueError, IndexError) as error:
        raise NucleiError(f"{path.name} has a point that is no x, y pair.", "Export it again.") from error


def _pairs(pairs: Any) -> np.ndarray:
    rows = np.array([[float(p[1]), float(p[0])] for p in pairs], np.float64).reshape(-1, 2)
    if not np.isfinite(rows).all():
        raise ValueError("not finite")
    return rows


def _ring(pairs: Any) -> np.ndarray:
    rows = _pairs(pairs)
    if len(rows) > 1 and np.array_equal(rows[0], rows[-1]):
        rows = rows[:-1]
    if len(rows) < 3:
        raise ValueError("fewer than three vertices")
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
