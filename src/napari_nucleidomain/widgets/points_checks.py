"""What a person should look at before training from clicks. Pure functions on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["close", "image", "outside", "patch"]
# An empty circle this many nucleus distances wide is worth a look.
_PATCH = 3.0
_PATCH_GRID = 60


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes
    ----------
    kind : {"close", "image", "outside", "patch"}
        Clicks on top of one another; clicks that do not fit the image; clicks outside every region; a large empty
        patch inside a region.
    text : str
    where : tuple of float
        Where to look, in pixels.
    indices : tuple of int
        Clicks concerned.
    serious : bool
        Training would refuse.
    """

    kind: Kind
    text: str
    where: tuple[float, ...] = ()
    indices: tuple[int, ...] = ()
    serious: bool = False


def check_clicks(
    points: np.ndarray, regions: Sequence[np.ndarray], shape: Sequence[int], planes: bool = False
) -> list[Check]:
    """Everything worth a look, the serious first.

    Parameters
    ----------
    points : numpy.ndarray, shape (N, D)
        Clicks in pixels.
    regions : sequence of numpy.ndarray, shape (V, D)
        Corners.
    shape : sequence of int
        Lengths of the axes the clicks are on.
    planes : bool
        The leading axis holds planes that are segmented each for itself: a region counts on its own plane only.
    """
    from napari_nucleidomain.data.points import check_points

    points = np.asarray(points, dtype=np.float64)
    if not len(points):
        return []
    found = []
    for one in check_points(points, shape):
        if one.kind == "none":
            continue
        kind: Kind = "close" if one.kind == "close" else "image"
        where = tuple(points[one.indices[0]]) if one.indices else ()
        found.append(Check(kind, one.message, where, one.indices, one.severity == "error"))
    if regions:
        out = np.flatnonzero(~inside_any(points, regions, planes))
        if len(out):
            text = f"{len(out)} click{'' if len(out) == 1 else 's'} outside every region"
            found.append(Check("outside", text, tuple(points[out[0]]), tuple(out.tolist())))
        patch = empty_patch(points, regions, planes)
        if patch is not None:
            found.append(Check("patch", "Large empty patch in a region: no nuclei there?", patch))
    return sorted(found, key=lambda one: not one.serious)


def inside_any(points: np.ndarray, regions: Sequence[np.ndarray], planes: bool = False) -> np.ndarray:
    """Which clicks lie inside a region, (N,) bool."""
    from .storage import as_regions

    covered = np.zeros(len(points), bool)
    for region in as_regions(regions, "Z" if planes else ""):
        covered |= region.contains(points)
    return covered


def empty_patch(points: np.ndarray, regions: Sequence[np.ndarray], planes: bool = False) -> tuple[float, ...] | None:
    """Middle of the largest part of a region without clicks, if it is suspiciously large.

    The place, on a grid inside the regions, that is farthest from every click and from the region's edge; told when
    a circle of `_PATCH` nucleus distances across fits there.
    """
    from scipy.spatial import cKDTree

    from napari_nucleidomain.data.regions import nucleus_distance

    best: tuple[float, tuple[float, ...]] | None = None
    for corners in regions:
        inside = inside_any(points, [corners], planes)
        if inside.sum() < 5:
            continue
        here = points[inside][:, -2:]
        grid = _grid_inside(corners)
        if not len(grid):
            continue
        away, _ = cKDTree(here).query(grid)
        edge, _ = cKDTree(_along(corners[:, -2:])).query(grid)
        room = np.minimum(away, edge)
        index = int(np.argmax(room))
        if 2 * room[index] > _PATCH * nucleus_distance(here) and (best is None or room[index] > best[0]):
            best = (float(room[index]), (*corners[0, :-2], *grid[index]))
    return best[1] if best else None


def _grid_inside(corners: np.ndarray) -> np.ndarray:
    flat = corners[:, -2:]
    low, high = flat.min(0), flat.max(0)
    axes = [np.linspace(a, b, _PATCH_GRID) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    return grid[inside_any(grid, [flat])]


def _along(corners: np.ndarray) -> np.ndarray:
    """Points close together along a closed outline."""
    steps = np.linspace(0, 1, 50, endpoint=False)[:, None]
    ends = np.roll(corners, -1, axis=0)
    return np.concatenate([a + (b - a) * steps for a, b in zip(corners, ends, strict=True)])


def advice(clicks_here: int, regions_here: int, images_with_clicks: int, images: int, clicks_in_all: int) -> str:
    """One sentence on what helps most next.

    The numbers are those of weakly supervised practice: twenty clicks are the least that trains, sixty a good
    start, and beyond about a hundred an image another image teaches more than more clicks on the same.
    """
    if not clicks_here:
        return (
            "Click once inside every nucleus in a small area. Draw the area with Region. "
            "20 clicks are the least that works, 60 a good start."
        )
    if clicks_in_all < 20:
        missing = "1 more click" if clicks_in_all == 19 else f"{20 - clicks_in_all} more clicks"
        return f"{missing} and there is enough to try a training."
    if not regions_here and clicks_here < 60:
        return "Going well. Draw a Region round the area in which you clicked every nucleus."
    if clicks_in_all < 60:
        return f"Enough to try. {60 - clicks_in_all} more make a good start."
    more = min(3, images - images_with_clicks)
    if clicks_here >= 60 and more > 0 and images_with_clicks < 4:
        images = "1 more image helps" if more == 1 else f"{more} more images help"
        return f"Good start: {images} more than 100 more clicks here."
    if clicks_in_all < 300:
        return "Good start: train now, then click where the model is wrong."
    return "Plenty of clicks. Train, and add clicks only where the model is wrong."
