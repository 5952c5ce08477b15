"""Regions: polygons inside which every nucleus has been clicked or outlined.

Coordinates as for points: rows (y, x), the centre of the first pixel is (0, 0), its corners are at ±0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .geojson import HALF_PIXEL, feature, polygons_of, read_features, ring_json, write_features
from .odd import Odd
from .polygons import area, contains, fill

_ROUND = 24  # corners by which a circle round a click is drawn
DEFAULT_DISTANCE = 20.0  # px between neighbours when a single click tells none: about a nucleus at 40x


@dataclass(frozen=True, eq=False)
class Region:
    """One annotated area.

    Attributes
    ----------
    vertices : ndarray (N, 2) float64
        Outer ring, (y, x), not closed.
    holes : tuple of ndarray
        Rings that are left out.
    z_range : tuple of int, optional
        First plane and the one after the last; every plane by default.
    """

    vertices: np.ndarray
    holes: tuple[np.ndarray, ...] = ()
    z_range: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for ring in (self.vertices, *self.holes):
            if np.ndim(ring) != 2 or np.shape(ring)[1] != 2 or len(ring) < 3 or not np.isfinite(ring).all():
                raise NucleiError("A region needs at least three corners.", "Draw it again.")

    @classmethod
    def box(
        cls, top: float, left: float, bottom: float, right: float, z_range: tuple[int, int] | None = None
    ) -> Region:
        """The rectangle of pixels ``top:bottom, left:right`` (as in slices)."""
        t, b, lt, r = top - HALF_PIXEL, bottom - HALF_PIXEL, left - HALF_PIXEL, right - HALF_PIXEL
        return cls(np.array([[t, lt], [t, r], [b, r], [b, lt]], np.float64), (), z_range)

    @property
    def bounds(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """First pixel and the one after the last, for rows and for columns; not cut to any image."""
        low = np.ceil(self.vertices.min(axis=0)).astype(int)
        high = np.ceil(self.vertices.max(axis=0)).astype(int)
        return (int(low[0]), int(high[0])), (int(low[1]), int(high[1]))

    @property
    def area(self) -> float:
        """Square pixels of one plane."""
        return area(self.vertices) - sum(area(h) for h in self.holes)

    def mask(self, shape: Sequence[int], offset: Sequence[int] | None = None) -> np.ndarray:
        """Pixels of a window that lie inside.

        Parameters
        ----------
        shape : sequence of int
            Lengths of the window: (y, x) or (z, y, x).
        offset : sequence of int, optional
            Place of its first pixel in the image; 0 by default.

        Returns
        -------
        ndarray (*shape) bool
        """
        offset = [0] * len(shape) if offset is None else list(offset)
        flat = fill(self.vertices, shape[-2:], offset[-2:])
        for hole in self.holes:
            flat &= ~fill(hole, shape[-2:], offset[-2:])
        if len(shape) == 2:
            return flat
        planes = np.arange(shape[0]) + offset[0]
        low, high = self.z_range or (planes[0], planes[-1] + 1)
        return ((planes >= low) & (planes < high))[:, None, None] & flat

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Which points, (N, 2) or (N, 3), lie inside: (N,) bool."""
        points = np.asarray(points, np.float64)
        if points.size == 0:
            return np.zeros(len(points), bool)
        found = contains(self.vertices, points[:, -2:])
        for hole in self.holes:
            found &= ~contains(hole, points[:, -2:])
        if self.z_range is not None and points.shape[1] == 3:
            plane = np.floor(points[:, 0] + HALF_PIXEL)
            found &= (plane >= self.z_range[0]) & (plane < self.z_range[1])
        return found


def regions_mask(regions: Iterable[Region], shape: Sequence[int], offset: Sequence[int] | None = None) -> np.ndarray:
    """Pixels of a window inside any of several regions; see `Region.mask`."""
    covered = np.zeros(tuple(shape), bool)
    for region in regions:
        covered |= region.mask(shape, offset)
    return covered


def read_regions(
    path: Path | str, offset: Sequence[float] = (0.0, 0.0), told: Callable[[str], None] | None = None
) -> list[Region]:
    """Read regions from GeoJSON.

    Parameters
    ----------
    path : Path or str
        Polygons and MultiPolygons, bare, in features or in collections, as QuPath writes them; points and
        lines are passed over.
    offset : sequence of float
        (y, x) to take off, where a slide's coordinates do not start at its first pixel.
    told : callable, optional
        Given a line for each kind of entry that was passed over. Without it the first such entry refuses the file.

    Returns
    -------
    list of Region

    Raises
    ------
    NucleiError
        The file is absent, damaged or no GeoJSON, or an outline in it is none.
    """
    path = Path(path)
    odd = Odd() if told is not None else None
    regions = []
    for item in read_features(path, odd):
        planes = _planes(item["properties"].get("z_range"))
        for rings in polygons_of(item["geometry"], path, odd, item["number"]):
            moved = [r - HALF_PIXEL - np.asarray(offset, np.float64) for r in rings]
            regions.append(Region(moved[0], tuple(moved[1:]), planes))
    if told is not None and odd is not None:
        for note in odd.notes():
            told(note)
    return regions


def _planes(told: Any) -> tuple[int, int] | None:
    """First plane and the one after the last, where a file says them."""
    try:
        return (int(told[0]), int(told[1])) if isinstance(told, list) and len(told) == 2 else None
    except (TypeError, ValueError, OverflowError):
        return None


def write_regions(regions: Iterable[Region], path: Path | str, offset: Sequence[float] = (0.0, 0.0)) -> Path:
    """Write regions as GeoJSON annotations for QuPath.

    Parameters
    ----------
    regions : iterable of Region
    path : Path or str
    offset : sequence of float
        (y, x) to add.

    Returns
    -------
    Path

    Raises
    ------
    NucleiError
        The file cannot be written.
    """
    shift = np.asarray(offset, np.float64) + HALF_PIXEL

    def features() -> Iterable[dict[str, Any]]:
        for region in regions:
            rings = [ring_json(r, shift.tolist()) for r in (region.vertices, *region.holes)]
            properties: dict[str, Any] = {"objectType": "annotation", "name": "every nucleus clicked"}
            if region.z_range is not None:
                properties["z_range"] = list(region.z_range)
            yield feature({"type": "Polygon", "coordinates": rings}, properties)

    return write_features(Path(path), features())


def nucleus_distance(points: np.ndarray) -> float:
    """Usual distance between neighbouring nuclei, in pixels.

    Parameters
    ----------
    points : ndarray (N, 2) or (N, 3)

    Returns
    -------
    float
        Median distance of a click to its nearest other click that is not on the same place;
        `DEFAULT_DISTANCE` when there is none.
    """
    from scipy.spatial import cKDTree

    places = np.unique(np.asarray(points, np.float64).reshape(len(points), -1), axis=0)
    if len(places) < 2:
        return DEFAULT_DISTANCE
    distance, _ = cKDTree(places).query(places, k=2)
    return float(np.median(distance[:, 1]))


def hull_region(points: np.ndarray, distance: float | None = None, shape: Sequence[int] | None = None) -> Region:
    """The convex hull of clicks, widened by one nucleus distance.

    Parameters
    ----------
    points : ndarray (N, 2) or (N, 3)
        At least one.
    distance : float, optional
        By how much to widen, in pixels; `nucleus_distance` by default.
    shape : sequence of int, optional
        Spatial lengths of the image, to which the region is cut.

    Returns
    -------
    Region
        Also for one click, two, or several in a line: the hull of circles round the clicks. Of a volume, the
        planes from one distance before the first click to one after the last.

    Raises
    ------
    NucleiError
        There are no clicks.
    """
    from scipy.spatial import ConvexHull

    points = np.asarray(points, np.float64)
    if points.size == 0:
        raise NucleiError(
            "There are no clicks to draw a region round.", "Click once inside every nucleus of a small area."
        )
    width = nucleus_distance(points) if distance is None else float(distance)
    width = max(width, 1.0)
    angle = np.linspace(0, 2 * np.pi, _ROUND, endpoint=False)
    # A circle's corners lie a little outside it, so that its edges do not lie inside.
    circle = np.stack([np.sin(angle), np.cos(angle)], axis=1) * width / np.cos(np.pi / _ROUND)
    cloud = (np.unique(points[:, -2:], axis=0)[:, None, :] + circle).reshape(-1, 2)
    ring = cloud[ConvexHull(cloud).vertices]
    planes = None
    if points.shape[1] == 3:
        planes = (int(np.floor(points[:, 0].min() - width)), int(np.ceil(points[:, 0].max() + width)) + 1)
    if shape is not None:
        limits = np.asarray(shape[-2:], np.float64) - HALF_PIXEL
        cut = _clip(ring, -HALF_PIXEL, limits)
        ring = cut if len(cut) >= 3 else ring
        if planes is not None:
            planes = (max(0, planes[0]), min(int(shape[0]), planes[1]))
    return Region(ring, (), planes)


def _clip(ring: np.ndarray, low: float, high: np.ndarray) -> np.ndarray:
    """Cut a convex ring to a rectangle, one side after the other (Sutherland and Hodgman, 1974)."""
    for axis in (0, 1):
        for sign, limit in ((1.0, -low), (-1.0, float(high[axis]))):
            kept: list[np.ndarray] = []
            depth = sign * ring[:, axis] + limit
            for k in range(len(ring)):
                before = k - 1
                if (depth[k] >= 0) != (depth[before] >= 0):
                    share = depth[before] / (depth[before] - depth[k])
                    kept.append(ring[before] + share * (ring[k] - ring[before]))
                if depth[k] >= 0:
                    kept.append(ring[k])
            ring = np.array(kept).reshape(-1, 2)
            if len(ring) < 3:
                return ring
    return ring
