"""Clicks and regions from a file and into one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .points_region import lifted
from .storage import as_corners, as_regions

if TYPE_CHECKING:
    from .entry import ImageEntry

READABLE = "Clicks or regions (*.csv *.geojson *.json *.zip *.roi)"
# Nearer than this a click of the file is one that is there already.
_SAME_PX = 0.5


@dataclass
class Imported:
    """What a file brings to an image."""

    points: np.ndarray
    regions: list[np.ndarray] = field(default_factory=list)
    new_points: int = 0
    new_regions: int = 0
    notes: list[str] = field(default_factory=list)

    def sentence(self, name: str) -> str:
        """What happened, for the person."""
        parts = []
        if self.new_points:
            parts.append(f"{self.new_points:,} click{'' if self.new_points == 1 else 's'}")
        if self.new_regions:
            parts.append(f"{self.new_regions} region{'' if self.new_regions == 1 else 's'}")
        said = (
            f"{' and '.join(parts)} added from {name}." if parts else f"Nothing new in {name}: it is all here already."
        )
        return " ".join([said, *self.notes])


def import_file(path: Path, entry: ImageEntry) -> Imported:
    """Clicks and regions of a file, added to those of an image; what is there already is not doubled.

    Raises
    ------
    NucleiError
        The file is damaged, holds neither, or belongs to another image.
    """
    from napari_nucleidomain.data.clicks_table import corner_note
    from napari_nucleidomain.data.geojson import is_geojson
    from napari_nucleidomain.data.points import check_points, read_points
    from napari_nucleidomain.data.regions import read_regions

    notes: list[str] = []
    regions = as_corners(read_regions(path, told=notes.append)) if is_geojson(path) else []
    points = read_points(
        path,
        entry.ndim,
        channels=entry.image.file_channels if entry.image is not None else 1,
        told=notes.append,
        pixel_size_um=entry.pixel_size_um,
    )
    if entry.image is not None and (said := corner_note(path, points, entry.image.spatial_shape)):
        notes.append(said)
    if not len(points) and not regions:
        raise NucleiError(f"{path.name} holds neither clicks nor regions.", "Choose another file.")
    if len(points) and points.shape[1] == 2 and entry.ndim == 3:
        raise NucleiError(
            f"The clicks of {path.name} have no plane, but {entry.name} is a stack.", "Export them with z."
        )
    if len(points) and entry.image is not None:
        shape = [entry.image.shape[entry.image.axes.index(axis)] for axis in entry.image.axes if axis != "C"]
        wrong = [one for one in check_points(points, shape) if one.severity == "error"]
        if wrong:
            raise NucleiError(wrong[0].message, "Nothing was changed. Check that the file belongs to this image.")
    regions = [lifted(one[:, -2:], one[0, :-2] if one.shape[1] == entry.ndim else ()) for one in regions]
    fresh_points = _without_known(points, entry.points)
    fresh_regions = [one for one in regions if not any(_same(one, other) for other in entry.regions)]
    all_points = np.vstack([entry.points, fresh_points]) if len(entry.points) else fresh_points
    return Imported(all_points, [*entry.regions, *fresh_regions], len(fresh_points), len(fresh_regions), _once(notes))


def export_file(path: Path, entry: ImageEntry, what: str) -> Path:
    """Write clicks ("points") or regions ("regions") of an image; the format follows the suffix.

    Raises
    ------
    NucleiError
        There is nothing to write, the format cannot hold it, or the disk refuses.
    """
    from napari_nucleidomain.data.points import write_points
    from napari_nucleidomain.data.regions import write_regions

    if not entry.has(what):
        raise NucleiError(f"{entry.name} has no {'clicks' if what == 'points' else 'regions'} yet.", "Draw some first.")
    if what == "points":
        if path.suffix.lower() == ".zip" and entry.image is not None and len(entry.points):
            from napari_nucleidomain.data.rois_out import write_clicks

            axis = "T" if entry.image.plane_axes == "T" else "Z"
            return write_clicks(entry.points, path, axis, entry.image.file_channels)
        return write_points(entry.points, path)
    return write_regions(as_regions(entry.regions, entry.image.plane_axes if entry.image is not None else ""), path)


def _once(notes: list[str]) -> list[str]:
    """A drawing is looked through for clicks and for regions: what is odd in it is told once."""
    return list(dict.fromkeys(notes))


def _without_known(points: np.ndarray, known: np.ndarray) -> np.ndarray:
    if not len(points) or not len(known):
        return points
    from scipy.spatial import cKDTree

    away, _ = cKDTree(known).query(points)
    return points[away > _SAME_PX]


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and bool(np.allclose(one, other, atol=0.01))
