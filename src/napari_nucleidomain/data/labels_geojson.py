"""Label images as GeoJSON outlines for QuPath, and back, pixel for pixel."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.outlines import Outline, outlines
from napari_nucleidomain.instances.pieces import pieces

from .axes import ArrayLike
from .drawn import Drawn, from_polygons
from .geojson import LINES, POINTS, POLYGONS, feature, polygons_of, read_features, ring_json, write_features
from .odd import Odd
from .painting import NOTHING_IN, check_place, nuclei_of, paint, reach_of

_BLOCK = 4096  # rows and columns looked at in one go; larger label images are traced piece by piece
ID_NAME = "Label"
_LARGEST_ID = np.iinfo(np.uint32).max
_HINT = "Export the detections from QuPath as GeoJSON."
_KINDS = {
    "": ("other outline is", "other outlines are"),
    "annotation": ("annotation is", "annotations are"),
    "detection": ("detection is", "detections are"),
    "cell": ("outline is a cell", "outlines are cells"),
    "tile": ("tile is", "tiles are"),
    "core": ("core of a tissue microarray is", "cores of a tissue microarray are"),
    "root": ("outline of the whole image is", "outlines of the whole image are"),
}


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
    path: Path,
    shape: Sequence[int] | None,
    offset: Sequence[float] = (0.0, 0.0),
    axes: str = "",
    told: Callable[[str], None] | None = None,
) -> np.ndarray:
    """Fill outlines from QuPath (or from `write_labels_geojson`) into a label image.

    Parameters
    ----------
    path : Path
        Polygons. Detections and cells are taken, and annotations only where there are no others; of cells the nucleus.
        What encloses several others is a region and left out; see `nested.sort_out`.
    shape : sequence of int or None
        Lengths of the image, which the file does not say: planes, where there are `axes` for them, rows and columns.
    offset : sequence of float
        (y, x) to take off.
    axes : str
        ``"Z"``, ``"T"`` or ``"TZ"``: axes of a stack, on whose planes the outlines lie as QuPath says (the first where
        it says nothing).
    told : callable, optional
        Given one line for each kind of thing that was left out or taken for granted.

    Returns
    -------
    ndarray of `shape`, uint32
        Ids from the measurement ``Label`` where all have one of their own, else counted from 1. All 0 where the file
        has no entries at all.

    Raises
    ------
    NucleiError
        `shape` is None, the file is damaged or holds entries but no outlines of nuclei, or they lie outside the image.
    """
    if shape is None or len(shape) < 2:
        raise NucleiError(
            f"{path.name} holds outlines without the size of their image.", "Open it together with its flat image."
        )
    found, notes = read_drawn(path, axes)
    tell = told or (lambda note: None)
    if not found:
        tell(NOTHING_IN)
        return np.zeros(tuple(int(n) for n in shape), np.uint32)
    if len(shape) != 2 + len(axes):
        raise NucleiError(
            f"{path.name} holds outlines without the size of their image.", "Open it together with its flat image."
        )
    found = [one.moved(np.asarray(offset, np.float64)) for one in found]
    lengths = (int(shape[-2]), int(shape[-1]))
    nuclei, more = nuclei_of(found)
    outside = check_place(path, [one for _, one in nuclei], lengths)
    if any(at >= n for _, one in nuclei for at, n in zip(one.plane, shape, strict=False)):
        raise NucleiError(
            f"{path.name} has outlines on planes that the image does not have.",
            "Attach the outlines of this very image.",
        )
    if not nuclei:
        raise NucleiError(f"{path.name} holds no outlines of nuclei. {' '.join(more)}".strip(), _HINT)
    labels, lost = paint(nuclei, shape)
    for note in (*notes, *more, *outside, *lost):
        tell(note)
    return labels


def planes_of(path: Path, axes: str) -> list[tuple[int, ...]]:
    """The plane of each outline along `axes`, counted from 0, as QuPath writes it; 0 where it writes none.

    Raises
    ------
    NucleiError
        The file is absent, damaged or no GeoJSON.
    """
    return [one.plane for one in read_drawn(path, axes)[0]]


def outlines_reach(path: Path) -> tuple[int, int] | None:
    """Rows and columns of the smallest image that begins at (0, 0) and holds all nuclei; None where there are none.

    Raises
    ------
    NucleiError
        The file is absent, damaged or no GeoJSON, or holds entries but no outlines.
    """
    return reach_of([one for _, one in nuclei_of(read_drawn(path)[0])[0]])


def read_drawn(path: Path, axes: str = "") -> tuple[list[Drawn], list[str]]:
    """All outlines of a file that may be nuclei by what it calls them, and lines on those that are none.

    Parameters
    ----------
    path : Path
    axes : str
        See `read_labels_geojson`.

    Returns
    -------
    list of Drawn
        Empty only where the file has no entries at all.
    list of str

    Raises
    ------
    NucleiError
        The file is absent, damaged or no GeoJSON, or has entries of which none is an outline.
    """
    odd = Odd()
    features = read_features(path, odd)
    if not features and not odd.found:
        return [], []
    points = sum(f["geometry"]["type"] in POINTS for f in features)
    lines = sum(f["geometry"]["type"] in LINES for f in features)
    areas, notes = _by_kind([f for f in features if f["geometry"]["type"] in POLYGONS])
    found = []
    for item in areas:
        drawn = _drawn(item, path, odd, axes)
        if drawn is not None:
            found.append(drawn)
    if not found:
        if odd.found:
            raise odd.refuse(path, "outlines", _HINT)
        what = "only points" if points else "only lines" if lines else ""
        raise NucleiError(f"{path.name} holds no outlines{', ' * bool(what) + what}. {' '.join(notes)}".strip(), _HINT)
    for number, thing in ((points, "point"), (lines, "line")):
        if number:
            are = "entry is a" if number == 1 else "entries are"
            notes.append(
                f"{number:,} {are} {thing}{'s' * (number != 1)} and passed over: no outline{'s' * (number != 1)}."
            )
    return found, [*odd.notes(), *notes]


def _by_kind(items: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Detections and cells; where there are none annotations, and else tiles; with them what is said to be nothing."""
    places: dict[str, list[dict[str, Any]]] = {}
    for item in items:
        places.setdefault(item["kind"], []).append(item)
    taken = {"detection", "cell"} & set(places) or {"annotation", ""} & set(places) or {"tile"} & set(places)
    if taken <= {"detection", "cell"}:
        # What is said to be nothing may be a nucleus as well.
        taken |= {""} & set(places)
    notes = []
    for kind, those in places.items():
        if kind not in taken:
            notes.append(f"{len(those):,} {_KINDS[kind][len(those) != 1]} left out: no nuclei.")
    cells = places.get("cell", []) if "cell" in taken else []
    without = sum("nucleus" not in item for item in cells)
    if without:
        some = "They are" if without == len(cells) else f"{without:,} of them {'is' if without == 1 else 'are'}"
        notes.append(
            f"{len(cells):,} {_KINDS['cell'][len(cells) != 1]}. {some} without nuclei: the cells' outlines are taken."
        )
    if taken == {"tile"}:
        notes.append("There are only tiles, as QuPath calls squares and superpixels: each counts as a nucleus.")
    return [item for item in items if item["kind"] in taken], notes


def _drawn(item: dict[str, Any], path: Path, odd: Odd, axes: str) -> Drawn | None:
    """The outline of an entry; None where it is none, which is told."""
    number = item["number"]
    before = len(odd)
    geometry = item.get("nucleus") or item["geometry"]
    rings = polygons_of(geometry, path, odd, number)
    plane = _plane(item, axes)
    if plane is None:
        odd("its plane is no number", number)
        return None
    if not rings:
        return None
    found = from_polygons(rings, number, nucleus=_nucleus(item["properties"]), kind=item["kind"], plane=plane)
    if found is None and len(odd) == before:
        odd("its outline has no area", number)
    return found


def _plane(item: dict[str, Any], axes: str) -> tuple[int, ...] | None:
    told = (item.get("nucleus") or item["geometry"]).get("plane") or item["geometry"].get("plane") or {}
    try:
        return tuple(max(0, int(told.get(axis.lower(), 0))) for axis in axes)
    except (TypeError, ValueError, AttributeError, OverflowError):
        return None


def _nucleus(properties: dict[str, Any]) -> int:
    """The id that was written with an outline; 0 where that is no whole number from 1."""
    measured = properties.get("measurements")
    if isinstance(measured, list):
        named = [one for one in measured if isinstance(one, dict)]
        value = next((one.get("value") for one in reversed(named) if one.get("name") == ID_NAME), None)
    else:
        value = measured.get(ID_NAME) if isinstance(measured, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0
    return int(value) if value == int(value) and 1 <= value <= _LARGEST_ID else 0
