"""Label images as GeoJSON outlines for QuPath, and back, pixel for pixel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.outlines import Outline, Polygon, outlines, rasterise
from napari_nucleidomain.instances.pieces import pieces

from .axes import ArrayLike
from .geojson import feature, polygons_of, read_features, ring_json, write_features

_BLOCK = 4096  # rows and columns looked at in one go; larger label images are traced piece by piece
ID_NAME = "Label"


def write_labels_geojson(
    labels: ArrayLike,
    path: Path,
    image_name: str = "",
    offset: Sequence[float] | None = None,
    measurements: Mapping[str, Any] | None = None,
    planes: Mapping[str, int] | None = None,
) -> Path:
    """Write one detection per nucleus, as QuPath imports them.

    Parameters
    ----------
    labels : ArrayLike (Y, X), integer
        A zarr array is traced piece by piece.
    path : Path
    image_name : str
        Written as metadata of each detection.
    offset : sequence of float, optional
        (y, x) added to all corners: where the labels, or the slide's bounds, begin.
    measurements : mapping of str to array, optional
        Columns of a table with the ids in a column ``id`` or ``label``; the others become QuPath's
        measurements. Text and numbers that are not finite are left out.
    planes : mapping of str to int, optional
        The plane the labels lie on in a stack, ``"Z"`` and ``"T"``, counted from 0 as QuPath does.

    Returns
    -------
    Path

    Raises
    ------
    NucleiError
        The labels are a volume, or the file cannot be written.
    """
    if len(labels.shape) != 2:
        raise NucleiError("GeoJSON cannot hold a volume.", "Save it as TIFF (tif) or OME-Zarr (zarr).")
    shift = (0.0, 0.0) if offset is None else (float(offset[-2]), float(offset[-1]))
    rows = _rows(measurements or {})
    z, t = ((planes or {}).get(axis, 0) for axis in "ZT")
    # No member of GeoJSON, but QuPath's own; the first plane has none (`ROITypeAdapters.java`).
    plane = {"plane": {"c": -1, "z": z, "t": t}} if z or t else {}

    def features() -> Iterator[dict[str, Any]]:
        for outline in trace(labels, shift):
            values = [{"name": ID_NAME, "value": outline.id}, *rows.get(outline.id, [])]
            properties: dict[str, Any] = {"objectType": "detection", "measurements": values}
            if image_name:
                properties["metadata"] = {"image": image_name}
            yield feature(_geometry(outline) | plane, properties)

    return write_features(path, features())


def trace(labels: ArrayLike, offset: tuple[float, float] = (0.0, 0.0)) -> Iterator[Outline]:
    """Outlines of all nuclei of a label image of any size, holding only a part of it at a time.

    Parameters
    ----------
    labels : ArrayLike (Y, X)
    offset : tuple of float
        (y, x) added to all corners.

    Yields
    ------
    Outline
        Each nucleus once and whole, also where it reaches over the edge of a piece.
    """
    height, width = labels.shape
    if height <= _BLOCK and width <= _BLOCK:
        yield from outlines(np.asarray(labels[:]), offset)
        return
    for piece in pieces(labels, _BLOCK):
        yield from outlines(piece.labels, (offset[0] + piece.box[0].start, offset[1] + piece.box[1].start))


def _geometry(outline: Outline) -> dict[str, Any]:
    polygons = [[ring_json(ring) for ring in (p.exterior, *p.holes)] for p in outline.polygons]
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}


def _rows(measurements: Mapping[str, Any]) -> dict[int, list[dict[str, Any]]]:
    """Measurements of each nucleus by its id."""
    key = next((name for name in ("id", "label") if name in measurements), None)
    if key is None:
        return {}
    names = []
    columns = []
    for name, values in measurements.items():
        column = np.asarray(values)
        if name != key and column.dtype.kind in "buif":
            names.append(name)
            columns.append(column.astype(np.float64))
    table = np.stack(columns, axis=1) if columns else np.zeros((len(measurements[key]), 0))
    return {
        int(nucleus): [{"name": n, "value": float(v)} for n, v in zip(names, row, strict=True) if np.isfinite(v)]
        for nucleus, row in zip(measurements[key], table, strict=True)
    }


def read_labels_geojson(
    path: Path, shape: Sequence[int] | None, offset: Sequence[float] = (0.0, 0.0), axes: str = ""
) -> np.ndarray:
    """Fill outlines from QuPath (or from `write_labels_geojson`) into a label image.

    Parameters
    ----------
    path : Path
        Polygons. Detections and cells are taken, and annotations only where there are no others; of cells the nucleus.
    shape : sequence of int or None
        Lengths of the image, which the file does not say: planes, where there are `axes` for them, rows and columns.
    offset : sequence of float
        (y, x) to take off.
    axes : str
        ``"Z"``, ``"T"`` or ``"TZ"``: axes of a stack, on whose planes the outlines lie as QuPath says (the first where
        it says nothing).

    Returns
    -------
    ndarray of `shape`, uint32
        Ids from the measurement ``Label`` where all have one of their own, else counted from 1.

    Raises
    ------
    NucleiError
        `shape` is None, the file is damaged or holds no outlines, or they lie outside the image.
    """
    if shape is None or len(shape) != 2 + len(axes):
        raise NucleiError(
            f"{path.name} holds outlines without the size of their image.", "Open it together with its flat image."
        )
    found = _outlines(path)
    if not found:
        raise NucleiError(f"{path.name} holds no outlines.", "Export the detections from QuPath as GeoJSON.")
    moved = np.asarray(offset, np.float64)
    lengths = (int(shape[-2]), int(shape[-1]))
    check_place(path, found, moved, lengths)

    def shapes(chosen: Iterable[int]) -> Iterable[Outline]:
        for nucleus, polygons in (found[k] for k in chosen):
            parts = (Polygon(p[0] - moved, tuple(hole - moved for hole in p[1:])) for p in polygons)
            yield Outline(nucleus, tuple(parts))

    if not axes:
        return rasterise(shapes(range(len(found))), lengths)
    places = planes_of(path, axes)
    if any(at >= n for place in places for at, n in zip(place, shape, strict=False)):
        raise NucleiError(
            f"{path.name} has outlines on planes that the image does not have.",
            "Attach the outlines of this very image.",
        )
    labels = np.zeros(tuple(int(n) for n in shape), np.uint32)
    for place in set(places):
        labels[place] = rasterise(shapes(k for k, one in enumerate(places) if one == place), lengths)
    return labels


def planes_of(path: Path, axes: str) -> list[tuple[int, ...]]:
    """The plane of each outline along `axes`, counted from 0, as QuPath writes it; 0 where it writes none.

    Raises
    ------
    NucleiError
        The file is absent, damaged or no GeoJSON, or a plane in it is no number.
    """
    places = []
    for item in _items(path):
        told = (item.get("nucleus") or item["geometry"]).get("plane") or item["geometry"].get("plane") or {}
        try:
            places.append(tuple(max(0, int(told.get(axis.lower(), 0))) for axis in axes))
        except (TypeError, ValueError, AttributeError) as error:
            raise NucleiError(
                f"{path.name} has an outline on a plane that is no number.", "Export it again."
            ) from error
    return places


def outlines_reach(path: Path) -> tuple[int, int] | None:
    """Rows and columns of the smallest image that begins at (0, 0) and holds all outlines; None where there are none.

    Raises
    ------
    NucleiError
        The file is absent, damaged or no GeoJSON.
    """
    rings = [polygon[0].max(axis=0) for _, polygons in _outlines(path) for polygon in polygons]
    if not rings:
        return None
    rows, columns = np.ceil(np.max(rings, axis=0))
    return max(0, int(rows)), max(0, int(columns))


def _outlines(path: Path) -> list[tuple[int, list[list[np.ndarray]]]]:
    """Id and polygons of each nucleus."""
    items = _items(path)
    many = (polygons_of(item.get("nucleus") or item["geometry"], path) for item in items)
    return list(zip(_ids(items), many, strict=True))


def _items(path: Path) -> list[dict[str, Any]]:
    """Detections and cells, or where there are none all that has an area."""
    items = [f for f in read_features(path) if f.get("nucleus") or f["geometry"]["type"] in {"Polygon", "MultiPolygon"}]
    detected = [f for f in items if f["properties"].get("objectType") in {"detection", "cell", "tile"}]
    return detected or items


def check_place(
    path: Path, found: list[tuple[int, list[list[np.ndarray]]]], moved: np.ndarray, shape: tuple[int, int]
) -> None:
    """Refuse outlines of another image: as with clicks, more than a tenth of them (and more than two) beside it."""
    outer = [np.concatenate([polygon[0] for polygon in polygons]) - moved for _, polygons in found if polygons]
    beside = sum(bool((ring.max(0) <= 0).any() or (ring.min(0) >= shape).any()) for ring in outer)
    if beside and beside > min(len(outer) - 1, max(2, 0.1 * len(outer))):
        reach = "×".join(str(int(v)) for v in np.ceil(np.max([ring.max(0) for ring in outer], axis=0)))
        raise NucleiError(
            f"{path.name}: {beside} of {len(outer)} outlines lie outside the image: they reach to {reach}, the image "
            f"is {shape[0]}×{shape[1]}. They probably belong to another image.",
            "Attach the outlines of this very image, or a label image.",
        )


def _ids(items: list[dict[str, Any]]) -> list[int]:
    """Ids that were written with the outlines, or 1, 2, 3."""
    found = []
    for item in items:
        measured = item["properties"].get("measurements") or {}
        if isinstance(measured, list):
            measured = {m.get("name"): m.get("value") for m in measured if isinstance(m, dict)}
        value = measured.get(ID_NAME)
        if not isinstance(value, (int, float)) or value != int(value) or value < 1:
            return list(range(1, len(items) + 1))
        found.append(int(value))
    return found if len(set(found)) == len(found) else list(range(1, len(items) + 1))
