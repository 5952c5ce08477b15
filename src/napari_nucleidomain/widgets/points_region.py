"""The area in which every nucleus is clicked: asked for when none was drawn, widened when clicks lie outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .entry import ImageEntry

# Outlines of larger images are not read in the viewer's process to spare a question.
_MOST_PIXELS = 4_000_000


def needs_region(entry: ImageEntry) -> bool:
    """Whether a training has to ask: there are clicks, no region, and they plainly do not cover the image."""
    if not len(entry.points) or entry.regions or entry.image is None:
        return False
    from napari_nucleidomain.data.coverage import covers_image

    if entry.image.plane_axes:
        return True
    return not covers_image(entry.points, entry.image.spatial_shape) and not _outlines_clicked(entry)


def _outlines_clicked(entry: ImageEntry) -> bool:
    """Whether outlines attached to the image show that every nucleus of it is clicked; looked up once."""
    shape = entry.image.spatial_shape if entry.image is not None else ()
    if entry.labels is None or len(shape) != 2 or np.prod(shape) > _MOST_PIXELS:
        return False
    key = (entry.labels, entry.points.tobytes())
    if entry.outlines_clicked is None or entry.outlines_clicked[0] != key:
        entry.outlines_clicked = (key, _look_at_outlines(entry))
    return entry.outlines_clicked[1]


def _look_at_outlines(entry: ImageEntry) -> bool:
    from napari_nucleidomain.contracts import NucleiError
    from napari_nucleidomain.data.coverage import clicks_every_outline
    from napari_nucleidomain.data.labels_io import read_labels, separated

    assert entry.labels is not None and entry.image is not None
    try:
        read = separated(read_labels(entry.labels, tuple(entry.image.spatial_shape)))
    except NucleiError:
        # Said where the outlines are used; here they only spare a question.
        return False
    return clicks_every_outline(entry.points, read.labels)


def whole_corners(entry: ImageEntry) -> list[np.ndarray]:
    """The whole image as a region: one rectangle, or one for each plane with clicks."""
    if entry.image is None:
        return []
    height, width = entry.image.spatial_shape[-2:]
    flat = np.array([[0, 0], [0, width - 1], [height - 1, width - 1], [height - 1, 0]], float)
    flat += np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, 0.5], [0.5, -0.5]])
    return [lifted(flat, corners[0, :-2]) for corners in hull_corners(entry)]


def hull_corners(entry: ImageEntry) -> list[np.ndarray]:
    """Regions round the clicks: their hull widened by one nucleus distance, one for each plane segmented for itself."""
    from napari_nucleidomain.data.regions import hull_region

    points = entry.points
    shape = entry.image.spatial_shape[-2:] if entry.image is not None else None
    if entry.image is None or not entry.image.plane_axes:
        flat = hull_region(points[:, -2:], shape=shape).vertices
        plane = np.median(points[:, :-2], axis=0) if points.shape[1] > 2 else ()
        return [lifted(flat, plane)]
    planes = np.unique(np.round(points[:, :-2]), axis=0)
    found = []
    for plane in planes:
        here = points[np.all(np.round(points[:, :-2]) == plane, axis=1)]
        found.append(lifted(hull_region(here[:, -2:], shape=shape).vertices, plane))
    return found


def lifted(flat: np.ndarray, plane: Sequence[float] | np.ndarray) -> np.ndarray:
    """Corners (V, 2) put onto a plane: (V, D)."""
    plane = np.round(np.asarray(plane, dtype=np.float64))
    return np.hstack([np.tile(plane, (len(flat), 1)), flat]) if plane.size else np.asarray(flat, dtype=np.float64)


def extended(
    regions: Sequence[np.ndarray], points: np.ndarray, outside: Sequence[int], shape: Sequence[int] | None = None
) -> list[np.ndarray]:
    """Regions widened so that they hold clicks that lay outside: each click goes to the nearest region.

    The new edge lies one nucleus distance beyond the click, as round a hull: nearer, and it would cut the nucleus.

    Parameters
    ----------
    regions : sequence of numpy.ndarray, shape (V, D)
        At least one.
    points : numpy.ndarray, shape (N, D)
        Every click: their distances tell how large nuclei are.
    outside : sequence of int
        Which of them lay outside.
    shape : sequence of int, optional
        Lengths of the image, to which what is added is cut.
    """
    from scipy.spatial import ConvexHull

    from napari_nucleidomain.data.regions import hull_region, nucleus_distance

    result = [np.array(one) for one in regions]
    for click in points[list(outside)]:
        gaps = [np.min(np.linalg.norm(one[:, -2:] - click[-2:], axis=1)) for one in result]
        index = int(np.argmin(gaps))
        beside = points[np.all(np.round(points[:, :-2]) == np.round(click[:-2]), axis=1)][:, -2:]
        ring = hull_region(click[None, -2:], distance=nucleus_distance(beside), shape=shape).vertices
        cloud = np.vstack([result[index][:, -2:], ring])
        result[index] = lifted(cloud[ConvexHull(cloud).vertices], result[index][0, :-2])
    return result


def grown(before: Sequence[np.ndarray], now: Sequence[np.ndarray], slack_px: float = 0.5) -> bool:
    """Whether regions hold anything that they did not hold before.

    Parameters
    ----------
    before, now : sequence of numpy.ndarray, shape (V, D)
    slack_px : float
        By how much an edge may move and be taken for the same.
    """
    import shapely

    def polygon(corners: np.ndarray) -> shapely.Geometry:
        # A drawn line may cross itself.
        return shapely.make_valid(shapely.Polygon(corners[:, -2:]))

    for one in now:
        plane = np.round(one[0, :-2])
        held = [polygon(old) for old in before if np.array_equal(np.round(old[0, :-2]), plane)]
        if not shapely.union_all(held).buffer(slack_px).covers(polygon(one)):
            return True
    return False
