"""Clicks, one inside each nucleus: read, written and checked.

Rows of (y, x) or (z, y, x) in pixels of level 0; the centre of a pixel is a whole number.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import read_bytes, write_atomic

from .geojson import HALF_PIXEL, feature, points_of, read_features, write_features
from .rois import ROI_SUFFIXES, clicks_of
from .rois_out import write_clicks

POINT_SUFFIXES = (".csv", ".geojson", ".json", *ROI_SUFFIXES)
CLOSE_PX = 3.0
# Ten million clicks.
_MOST_BYTES = 256 << 20
_HINT = "Save the Points layer from napari as CSV (columns index, axis-0, axis-1), or export GeoJSON from QuPath."


@dataclass(frozen=True)
class Finding:
    """Something about clicks that a person should see.

    Attributes
    ----------
    kind : {"none", "dimension", "outside", "other-image", "close"}
    severity : {"error", "warning"}
        An error makes the clicks unusable with this image.
    message : str
        One sentence.
    indices : tuple of int
        Rows concerned.
    """

    kind: Literal["none", "dimension", "outside", "other-image", "close"]
    severity: Literal["error", "warning"]
    message: str
    indices: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.message


def pixels_of(points: np.ndarray) -> np.ndarray:
    """The pixel each click lies on: (N, ndim) int64; a half rounds up, on every row and column alike."""
    return np.floor(np.asarray(points, np.float64) + HALF_PIXEL).astype(np.int64)


def inside(points: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Which clicks lie on the image: (N,) bool."""
    at = pixels_of(points)
    on: np.ndarray = (at >= 0) & (at < np.asarray(shape))
    return np.asarray(on.all(axis=1))


def read_points(
    path: Path | str, ndim: int | None = None, offset: Sequence[float] = (0.0, 0.0), channels: int = 1
) -> np.ndarray:
    """Read clicks.

    Parameters
    ----------
    path : Path or str
        napari's CSV (``index, axis-0, axis-1[, axis-2]``), a CSV with columns x and y (and z), GeoJSON
        points (x, y), or point regions of ImageJ (``.zip``, ``.roi``). Decimal commas and semicolons are understood.
    ndim : int, optional
        Spatial axes of the image. A leading column of zeros that is too many is dropped.
    offset : sequence of float
        Only GeoJSON: (y, x) to take off, where a slide's coordinates do not start at its first pixel.
    channels : int
        Of the image, for ImageJ regions in stacks; see `rois.Roi.plane`.

    Returns
    -------
    ndarray (N, ndim) float64
        Pixels of level 0. No rows where the file has none.

    Raises
    ------
    NucleiError
        The file is absent, empty, damaged, or has no such columns.
    """
    path = Path(path)
    if path.suffix.lower() in ROI_SUFFIXES:
        return clicks_of(path, ndim, channels)
    points = _from_geojson(path, offset) if path.suffix.lower() in {".geojson", ".json"} else _from_csv(path)
    while ndim is not None and points.shape[1] > ndim and not points[:, 0].any():
        points = points[:, 1:]
    return points


def _from_geojson(path: Path, offset: Sequence[float]) -> np.ndarray:
    rows = [points_of(f["geometry"], path) for f in read_features(path)]
    found = np.concatenate([np.zeros((0, 2)), *rows])
    return found - HALF_PIXEL - np.asarray(offset, np.float64)


def _from_csv(path: Path) -> np.ndarray:
    try:
        content = read_bytes(path, _MOST_BYTES)
        text = content.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise NucleiError(f"{path} is not there.", "Was it moved or renamed? Choose the file again.") from error
    except (UnicodeDecodeError, OSError) as error:
        raise NucleiError(f"{path.name} cannot be read as a table of points.", _HINT) from error
    if len(content) > _MOST_BYTES:
        raise NucleiError(f"{path.name} is larger than a table of clicks can be ({_MOST_BYTES:,} bytes).", _HINT)
    if not text.strip():
        raise NucleiError(f"{path.name} is empty.", _HINT)
    first = text.splitlines()[0]
    separator = max(";\t,", key=first.count)
    table = csv.reader(io.StringIO(text), delimiter=separator)
    try:
        return _rows(path, table, separator)
    except csv.Error as error:
        # A cell of more than 131,072 characters, say.
        raise NucleiError(f"{path.name}, line {table.line_num}, cannot be read as cells of a table.", _HINT) from error


def _rows(path: Path, table: Iterator[list[str]], separator: str) -> np.ndarray:
    columns = _columns(path, next(table))
    rows = []
    for number, row in enumerate(table, start=2):
        if not any(cell.strip() for cell in row):
            continue
        try:
            values = [float(row[c].replace(",", ".")) for c in columns]
        except (ValueError, IndexError) as error:
            raise NucleiError(
                f"{path.name}, line {number}, holds no point: {separator.join(row)[:60]!r}.", _HINT
            ) from error
        if not np.isfinite(values).all():
            raise NucleiError(f"{path.name}, line {number}, holds a point without a place (NaN).", "Remove that line.")
        rows.append(values)
    return np.array(rows, np.float64).reshape(-1, len(columns))


def _columns(path: Path, header: list[str]) -> list[int]:
    """Positions of the coordinates in the table, slowest axis first."""
    names = [h.strip().strip('"').lower() for h in header]
    numbered = {int(m[1]): k for k, n in enumerate(names) if (m := re.fullmatch(r"axis-(\d+)", n))}
    if len(numbered) >= 2 and sorted(numbered) == list(range(len(numbered))):
        return [numbered[k] for k in sorted(numbered)]
    if "x" in names and "y" in names:
        return [names.index(a) for a in ("z", "y", "x") if a in names]
    raise NucleiError(
        f"{path.name} has no columns axis-0 and axis-1, nor x and y; it has {', '.join(names)[:80]}.", _HINT
    )


def write_points(points: np.ndarray, path: Path | str, offset: Sequence[float] = (0.0, 0.0)) -> Path:
    """Write clicks as napari's CSV or, by the suffix, for QuPath (``.geojson``) or Fiji (``.zip``).

    Parameters
    ----------
    points : ndarray (N, 2) or (N, 3)
        Pixels of level 0. GeoJSON takes only rows and columns.
    path : Path or str
        ``.csv``, ``.geojson``, ``.json`` or ``.zip``.
    offset : sequence of float
        Only GeoJSON: (y, x) to add.

    Returns
    -------
    Path

    Raises
    ------
    NucleiError
        Another suffix, 3D points in GeoJSON, or the file cannot be written.
    """
    path = Path(path)
    points = np.asarray(points, np.float64)
    if path.suffix.lower() in {".geojson", ".json"}:
        if points.ndim == 2 and points.shape[1] != 2 and len(points):
            raise NucleiError("GeoJSON holds points of flat images only.", "Save points of a volume as CSV.")
        rows = points.reshape(-1, 2) + HALF_PIXEL + np.asarray(offset, np.float64)
        mark = {"objectType": "annotation"}
        features = (feature({"type": "Point", "coordinates": [x, y]}, mark) for y, x in rows.tolist())
        return write_features(path, features)
    if path.suffix.lower() == ".zip":
        return write_clicks(points.reshape(-1, points.shape[1] if points.ndim == 2 else 2), path)
    if path.suffix.lower() != ".csv":
        raise NucleiError(
            f"Points cannot be saved as {path.suffix or 'a file without suffix'}.", "Use .csv, .geojson or .zip (Fiji)."
        )
    ndim = points.shape[1] if points.ndim == 2 else 2
    lines = [",".join(["index", *(f"axis-{k}" for k in range(ndim))])]
    lines += [",".join([str(k), *(repr(v) for v in row)]) for k, row in enumerate(points.reshape(-1, ndim).tolist())]
    return write_atomic(path, "\n".join(lines) + "\n")


def check_points(points: np.ndarray, image_shape: Sequence[int], close_px: float = CLOSE_PX) -> list[Finding]:
    """Look for what is wrong with the clicks of an image.

    Parameters
    ----------
    points : ndarray (N, ndim)
        Pixels of level 0.
    image_shape : sequence of int
        Spatial lengths of the image.
    close_px : float
        Two clicks nearer than this, in pixels, are probably on one nucleus.

    Returns
    -------
    list of Finding
        Empty when all is well; errors first.
    """
    points = np.asarray(points, np.float64)
    if points.size == 0:
        return [Finding("none", "warning", "There are no clicks yet.")]
    ndim = len(image_shape)
    if points.ndim != 2 or points.shape[1] != ndim:
        have = points.shape[1] if points.ndim == 2 else points.ndim
        text = f"The clicks have {have} coordinates, but the image has {ndim} axes."
        return [Finding("dimension", "error", text, tuple(range(len(points))))]
    findings = []
    out = np.flatnonzero(~inside(points, image_shape))
    if len(out):
        size = "×".join(map(str, image_shape))
        if len(out) > max(2, 0.1 * len(points)):
            reach = "×".join(str(int(v)) for v in np.ceil(points.max(axis=0)))
            text = (
                f"{len(out)} of {len(points)} clicks lie outside the image: they reach to {reach}, the image is {size}."
                " They probably belong to another image."
            )
            findings.append(Finding("other-image", "error", text, tuple(out.tolist())))
        else:
            text = f"{_clicks(len(out))} outside the image ({size})."
            findings.append(Finding("outside", "warning", text, tuple(out.tolist())))
    pairs = _close_pairs(points, close_px)
    if len(pairs):
        nearest = float(np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1).min())
        several = f"{len(pairs)} pairs of clicks are" if len(pairs) > 1 else "2 clicks are"
        text = f"{several} less than {close_px:g} px apart (the nearest {nearest:.1f} px): on one nucleus?"
        findings.append(Finding("close", "warning", text, tuple(np.unique(pairs).tolist())))
    return findings


def _clicks(n: int) -> str:
    return "1 click lies" if n == 1 else f"{n} clicks lie"


def _close_pairs(points: np.ndarray, distance: float) -> np.ndarray:
    from scipy.spatial import cKDTree

    pairs: np.ndarray = cKDTree(points).query_pairs(np.nextafter(distance, 0), output_type="ndarray")
    return pairs
