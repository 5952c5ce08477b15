"""Clicks, one inside each nucleus: read, written and checked.

Rows of (y, x) or (z, y, x) in pixels of level 0; the centre of a pixel is a whole number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import write_atomic

from .clicks_table import read_clicks
from .geojson import HALF_PIXEL, LINES, feature, is_geojson, points_of, read_features, write_features
from .odd import Odd
from .rois import ROI_SUFFIXES, clicks_of
from .rois_out import write_clicks

# ImageJ and QuPath write tables under all of these names.
TABLE_SUFFIXES = (".csv", ".tsv", ".txt")
POINT_SUFFIXES = (".csv", ".tsv", ".geojson", ".json", *ROI_SUFFIXES)
CLOSE_PX = 3.0
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
    path: Path | str,
    ndim: int | None = None,
    offset: Sequence[float] = (0.0, 0.0),
    channels: int = 1,
    told: Callable[[str], None] | None = None,
    pixel_size_um: Sequence[float] | None = None,
) -> np.ndarray:
    """Read clicks.

    Parameters
    ----------
    path : Path or str
        napari's CSV (``index, axis-0, axis-1[, axis-2]``), a table with columns x and y (and z; see
        `clicks_table.read_clicks`), GeoJSON points (x, y), or point regions of ImageJ (``.zip``, ``.roi``).
    ndim : int, optional
        Spatial axes of the image. A leading column of zeros that is too many is dropped.
    offset : sequence of float
        Only GeoJSON: (y, x) to take off, where a slide's coordinates do not start at its first pixel.
    channels : int
        Of the image, for ImageJ regions in stacks; see `rois.Roi.plane`.
    told : callable, optional
        Given one line for each kind of entry that was passed over, and for what was taken for granted. Without it an
        entry of GeoJSON that is no point, outline or line refuses the file.
    pixel_size_um : sequence of float, optional
        Of the image, (y, x) or (z, y, x): for tables in µm.

    Returns
    -------
    ndarray (N, ndim) float64
        Pixels of level 0. No rows where the file has none.

    Raises
    ------
    NucleiError
        The file is absent, empty, damaged, has no such columns, or is in µm where the size of a pixel is unknown.
    """
    path = Path(path)
    if is_geojson(path):
        points = _from_geojson(path, offset, told)
    elif path.suffix.lower() in ROI_SUFFIXES:
        return clicks_of(path, ndim, channels, told)
    else:
        found = read_clicks(path, pixel_size_um)
        points = found.points
        if told is not None:
            for note in found.notes:
                told(note)
    while ndim is not None and points.shape[1] > ndim and not points[:, 0].any():
        points = points[:, 1:]
    return points


def _from_geojson(path: Path, offset: Sequence[float], told: Callable[[str], None] | None) -> np.ndarray:
    odd = Odd() if told is not None else None
    features = read_features(path, odd)
    rows = [points_of(f["geometry"], path, odd, f["number"]) for f in features]
    found = np.concatenate([np.zeros((0, 2)), *rows])
    if told is not None and odd is not None:
        if odd.found and not len(found):
            raise odd.refuse(path, "points", _HINT)
        lines = sum(f["geometry"]["type"] in LINES for f in features)
        notes = odd.notes()
        if lines:
            notes.append(f"{lines:,} {'entry is a line' if lines == 1 else 'entries are lines'}, and passed over.")
        for note in notes:
            told(note)
    return found - HALF_PIXEL - np.asarray(offset, np.float64)


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
