"""Polygons of nuclei for GeoJSON and the like, and back, without losing a pixel.

Coordinates are pixel *edges*: pixel (r, c) covers [r, r + 1] × [c, c + 1], as in QuPath and shapely. napari and points
count from pixel *centres*: subtract 0.5. Rings do not cross themselves; holes and parts touch each other in single
points at most, so that every polygon is valid in the sense of OGC Simple Features.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .labelimage import as_labels


@dataclass(frozen=True)
class Polygon:
    """An area with holes.

    Attributes
    ----------
    exterior : ndarray (N, 2) float64
        Corners (y, x) in pixels; the last is not the first.
    holes : tuple of ndarray (M, 2) float64
    """

    exterior: np.ndarray
    holes: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Outline:
    """A nucleus: its id and one polygon for each of its parts (connected through pixel sides)."""

    id: int
    polygons: tuple[Polygon, ...]


def outlines(labels: np.ndarray, offset: tuple[float, float] = (0.0, 0.0)) -> list[Outline]:
    """Trace every nucleus along the edges of its pixels.

    Parameters
    ----------
    labels : ndarray (Y, X), integers
    offset : tuple of float
        (y, x) added to all coordinates, e.g. where this block lies in the slide.

    Returns
    -------
    list of Outline
        In ascending order of ids. `rasterise` gives the same labels back.

    Raises
    ------
    NucleiError
        Not a 2D label image.
    """
    from skimage.measure import label

    image = as_labels(labels)
    if image.ndim != 2:
        raise NucleiError("Outlines can be drawn of flat images only, not of volumes.", "Choose a single plane.")
    if not image.size:
        return []
    parts, count = label(image, background=0, connectivity=1, return_num=True)
    if not count:
        return []
    starts, part_of_ring, corners = _rings(parts)
    owner = np.zeros(count + 1, np.int64)
    owner[parts] = image
    exterior: dict[int, np.ndarray] = {}
    holes: dict[int, list[np.ndarray]] = {}
    shift = np.array(offset, float)
    for ring, part in enumerate(part_of_ring.tolist()):
        for piece in _simple(corners[starts[ring] : starts[ring + 1]]):
            if _doubled_area(piece) > 0:
                exterior[part] = piece + shift
            else:
                holes.setdefault(part, []).append(piece + shift)
    grouped: dict[int, list[Polygon]] = {}
    for part, ring_ in exterior.items():
        grouped.setdefault(int(owner[part]), []).append(Polygon(ring_, tuple(holes.get(part, ()))))
    return [Outline(nucleus, tuple(grouped[nucleus])) for nucleus in sorted(grouped)]


def _edges(parts: np.ndarray) -> tuple[np.ndarray, ...]:
    """All pixel sides between a part and what is not it, directed so that the part lies to the right.

    Returns
    -------
    start : ndarray (E,) int64
        Grid corner a side begins at, row * (width + 1) + column.
    heading : ndarray (E,) int64
        0 east, 1 south, 2 west, 3 north.
    part : ndarray (E,) int64
    """
    width = parts.shape[1] + 1
    padded = np.pad(parts, 1)
    here = padded[1:-1, 1:-1]
    # (neighbour, corner of the pixel a side begins at, heading), clockwise round the pixel with y downwards
    sides = (
        (padded[:-2, 1:-1], (0, 0), 0),
        (padded[1:-1, 2:], (0, 1), 1),
        (padded[2:, 1:-1], (1, 1), 2),
        (padded[1:-1, :-2], (1, 0), 3),
    )
    starts, headings, owners = [], [], []
    for neighbour, (down, right), heading in sides:
        r, c = np.nonzero((here > 0) & (neighbour != here))
        starts.append((r + down) * width + c + right)
        headings.append(np.full(len(r), heading, np.int64))
        owners.append(here[r, c].astype(np.int64))
    return np.concatenate(starts), np.concatenate(headings), np.concatenate(owners)


def _rings(parts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chain the sides to closed rings.

    Returns
    -------
    starts : ndarray (R + 1,) int64
        Where each ring begins in `corners`.
    part : ndarray (R,) int64
        Part each ring bounds.
    corners : ndarray (C, 2) int64
        Points (y, x) at which a ring turns.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    width = parts.shape[1] + 1
    start, heading, part = _edges(parts)
    end = start + np.array([1, width, -1, -width])[heading]
    following = _next(start, end, heading, part)
    count = len(start)
    ring = connected_components(coo_array((np.ones(count, bool), (np.arange(count), following)), shape=(count,) * 2))[1]
    place = _places(following, ring)
    order = np.lexsort((place, ring))
    # A corner is where the heading differs from that of the side before.
    before = np.empty(count, np.int64)
    before[following] = np.arange(count)
    turns = order[heading[order] != heading[before[order]]]
    lengths = np.bincount(ring[turns])
    part_of_ring = np.zeros(len(lengths), np.int64)
    part_of_ring[ring] = part
    return (
        np.concatenate([[0], np.cumsum(lengths)]),
        part_of_ring,
        np.stack([start[turns] // width, start[turns] % width], axis=1),
    )


def _next(start: np.ndarray, end: np.ndarray, heading: np.ndarray, part: np.ndarray) -> np.ndarray:
    """The side that follows each side: of the same part, beginning where it ends, turning right where there are two."""
    by_start = np.lexsort((heading, start, part))
    scale = int(max(start.max(), end.max())) + 1
    key = (part * scale + start)[by_start]
    wanted = part * scale + end
    first = np.searchsorted(key, wanted)
    second = np.minimum(first + 1, len(key) - 1)
    two = (key[second] == wanted) & (second > first)
    # Where a part touches itself in a corner, turning right keeps to the pixel the side belongs to.
    prefers_second = two & (heading[by_start[second]] == (heading + 1) % 4)
    return by_start[np.where(prefers_second, second, first)]


def _places(following: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """Rank of every side in its ring, by pointer doubling: log2 of the longest ring rounds over all sides at once."""
    count = len(following)
    head = np.full(int(ring.max()) + 1, count, np.int64)
    np.minimum.at(head, ring, np.arange(count))
    is_head = np.zeros(count, bool)
    is_head[head] = True
    # Steps left until the head would be reached again.
    jump = following.copy()
    steps = np.ones(count, np.int64)
    done = is_head[jump]
    jump[done] = np.flatnonzero(done)
    while not done.all():
        active = np.flatnonzero(~done)
        target = jump[active]
        # A side that has arrived adds what is left of its own way once.
        steps[active] += steps[target]
        finished = done[target]
        jump[active] = jump[target]
        done[active[finished]] = True
    return -steps


def _simple(ring: np.ndarray) -> list[np.ndarray]:
    """Cut a ring that passes a point twice into rings that do not."""
    keys = ring[:, 0] * (int(ring[:, 1].max()) + 1) + ring[:, 1]
    if len(np.unique(keys)) == len(keys):
        return [ring]
    pieces = []
    path: list[int] = []
    seen: dict[int, int] = {}
    for k, key in enumerate(keys.tolist()):
        if key in seen:
            at = seen[key]
            pieces.append(ring[path[at:]])
            for gone in path[at:]:
                del seen[int(keys[gone])]
            del path[at:]
        seen[key] = len(path)
        path.append(k)
    pieces.append(ring[path])
    return pieces


def _doubled_area(ring: np.ndarray) -> int:
    """Twice the signed area; above 0 for rings with their inside to the right (y downwards)."""
    y, x = ring[:, 0], ring[:, 1]
    return int((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())


def rasterise(
    shapes: Iterable[Outline], shape: tuple[int, int], offset: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    """Fill polygons: a pixel belongs to a polygon when its centre lies inside.

    Parameters
    ----------
    shapes : iterable of Outline
        Corners may have any coordinates, also outside the image. Later outlines lie on top of earlier ones.
    shape : tuple of int
        (Y, X) of the result.
    offset : tuple of float
        (y, x) of its upper left corner.

    Returns
    -------
    ndarray (Y, X) uint32
    """
    from .scanlines import fill_rings

    rings: list[np.ndarray] = []
    polygon_of: list[int] = []
    ids: list[int] = []
    for outline in shapes:
        for polygon in outline.polygons:
            for ring in (polygon.exterior, *polygon.holes):
                rings.append(np.asarray(ring, float) - offset)
                polygon_of.append(len(ids))
            ids.append(outline.id)
    return fill_rings(rings, np.array(polygon_of, np.int64), np.array(ids, np.uint32), shape)
