"""Where clicks could go: the classical method's nuclei in the regions or the view that hold no click yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError

if TYPE_CHECKING:
    from napari_nucleidomain.data.images import Image

Box = list[tuple[int, int]]
_MOST_PIXELS = 12_000_000
_WHOLE_SIDE = 2000


@dataclass
class Suggestions:
    """Clicks to accept or reject.

    Attributes
    ----------
    points : numpy.ndarray, shape (N, D)
        In pixels of the image.
    areas : numpy.ndarray, shape (N,)
        Pixels of the nucleus each was made from; what the size slider filters.
    where : str
        "the region" or "the view".
    by : str
        What made them, for the person.
    """

    points: np.ndarray
    areas: np.ndarray
    where: str = "the view"
    by: str = "Otsu threshold and watershed"

    def larger_than(self, share: float) -> np.ndarray:
        """Those whose nucleus is at least `share` of the median area, (M, D)."""
        if not len(self.points):
            return self.points
        return self.points[self.areas >= share * np.median(self.areas)]


def boxes_of(regions: list[np.ndarray], shape: tuple[int, ...]) -> list[Box]:
    """Bounding boxes of regions, cut to the image (flat axes only)."""
    found = []
    for corners in regions:
        low = np.maximum(np.floor(corners[:, -2:].min(0)).astype(int), 0)
        high = np.minimum(np.ceil(corners[:, -2:].max(0)).astype(int) + 1, shape[-2:])
        if np.all(high > low):
            found.append([(int(a), int(b)) for a, b in zip(low, high, strict=True)])
    return found


@dataclass(frozen=True, eq=False)
class Place:
    """Where suggestions are looked for, read and ready: a slider asks for them again and again.

    Attributes
    ----------
    boxes : list of Box
        Rows and columns.
    blocks : list of ndarray
        Their pixels, as the classical method sees them.
    regions : list of ndarray
        Corners of those that hold here; empty for the view.
    parameters : ClassicalParameters
    plane : tuple of int
        Index on each axis of the clicks before rows and columns (stacks).
    """

    boxes: list[Box]
    blocks: list[np.ndarray]
    regions: list[np.ndarray]
    parameters: Any
    plane: tuple[int, ...]


def look(image: Image, regions: list[np.ndarray], view: Box | None, plane: tuple[int, ...] = ()) -> Place:
    """Read the place to look at and fit the classical method to it (in a thread).

    Parameters
    ----------
    image : Image
    regions : list of numpy.ndarray
        Where to look; the view when there are none.
    view : list of (start, stop)
        Rows and columns on screen.
    plane : tuple of int
        Index on each axis of the clicks before rows and columns (stacks).

    Raises
    ------
    NucleiError
        The place is too large, or off the image.
    """
    here = [one for one in regions if not plane or np.allclose(np.round(one[0, :-2]), plane)] or []
    boxes = boxes_of(here, image.spatial_shape) if here else [view] if view else []
    if not boxes:
        raise NucleiError("There is nothing of this image on screen.", "Move the picture into view, or draw a region.")
    if sum(np.prod([b - a for a, b in box]) for box in boxes) > _MOST_PIXELS:
        raise NucleiError("That is too large a place to look at once.", "Zoom in, or draw a region.")
    from napari_nucleidomain.inference.seen import seen

    flat = plane_index(image, plane)
    parameters = _fitted(image, boxes, flat)
    view_of = seen(image, flat)
    blocks = [_used(image, view_of.read(box)) for box in boxes]
    return Place(boxes, blocks, here, parameters, plane)


def suggest_in(place: Place, points: np.ndarray, settled: np.ndarray | None = None, shift: float = 0.0) -> Suggestions:
    """Nuclei of a place without a click (in a thread).

    Parameters
    ----------
    place : Place
    points : numpy.ndarray, shape (N, D)
        Clicks already there.
    settled : numpy.ndarray, shape (M, D), optional
        Suggestions that were accepted or rejected: neither they nor others in the same nucleus come again.
    shift : float
        Fainter (-1) to brighter (1), as `ClassicalParameters.shifted`.
    """
    parameters = place.parameters.shifted(shift)
    done = settled if settled is not None and len(settled) else np.zeros((0, 2 + len(place.plane)))
    found, areas = [], []
    for box, block in zip(place.boxes, place.blocks, strict=True):
        spots, sizes = _in_box(block, parameters, box, [points, done], place.plane)
        found.append(spots)
        areas.append(sizes)
    spots, sizes = np.concatenate(found), np.concatenate(areas)
    near = np.vstack([done, _on_plane(points, place.plane)]) if shift else done
    if len(near) and len(spots):
        from scipy.spatial import cKDTree

        # The same nucleus, found larger or smaller, has its deepest point elsewhere.
        apart = cKDTree(near[:, -2:]).query(spots)[0] > parameters.diameter / 3
        spots, sizes = spots[apart], sizes[apart]
    if place.regions:
        from .points_checks import inside_any

        inside = inside_any(spots, [one[:, -2:] for one in place.regions])
        spots, sizes = spots[inside], sizes[inside]
    lead = np.tile(np.asarray(place.plane, dtype=float), (len(spots), 1))
    where = "the region" if place.regions else "the view"
    return Suggestions(np.hstack([lead, spots]) if place.plane else spots, sizes, where)


def suggest(
    image: Image, points: np.ndarray, regions: list[np.ndarray], view: Box | None, plane: tuple[int, ...] = ()
) -> Suggestions:
    """Look for nuclei without a click; as `look` and `suggest_in`."""
    return suggest_in(look(image, regions, view, plane), points)


def _in_box(
    block: np.ndarray, parameters: Any, box: Box, marks: list[np.ndarray], plane: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    from napari_nucleidomain.instances.classical import segment_classical
    from napari_nucleidomain.instances.deepest import suggest_points

    labels = segment_classical(block, parameters)[0]
    areas = np.bincount(labels.ravel())
    corner = np.array([start for start, _ in box], dtype=float)
    clicked = np.concatenate([_labels_clicked(labels, points, corner, plane) for points in marks])
    spots = np.asarray(suggest_points(labels), dtype=np.float64).reshape(-1, 2)
    ids = labels[tuple(np.round(spots).astype(int).T)] if len(spots) else np.zeros(0, int)
    fresh = ~np.isin(ids, clicked)
    return spots[fresh] + corner, areas[ids[fresh]]


def _on_plane(points: np.ndarray, plane: tuple[int, ...]) -> np.ndarray:
    if len(points) and plane:
        return points[np.all(np.round(points[:, :-2]) == np.asarray(plane), axis=1)]
    return points.reshape(len(points), 2 + len(plane))


def _labels_clicked(labels: np.ndarray, points: np.ndarray, corner: np.ndarray, plane: tuple[int, ...]) -> np.ndarray:
    points = _on_plane(points, plane)
    at = np.floor(points[:, -2:] - corner + 0.5).astype(int)
    at = at[np.all((at >= 0) & (at < labels.shape), axis=1)]
    return np.unique(labels[tuple(at.T)])


def plane_index(image: Image, plane: tuple[int, ...]) -> int | None:
    if not plane:
        return None
    if image.plane_axes:
        return int(np.ravel_multi_index(plane[: len(image.plane_shape)], image.plane_shape))
    return int(plane[-1])


def _fitted(image: Image, boxes: list[Box], plane: int | None) -> Any:
    """Constants of the classical method: from the whole picture where it is small, else from the place looked at.

    A slide's overview shows no nuclei, so there the place itself has to do.
    """
    from napari_nucleidomain.inference.seen import seen
    from napari_nucleidomain.instances.classical import fit_classical

    view = seen(image, plane)
    if max(image.spatial_shape[-2:]) <= _WHOLE_SIDE:
        boxes = [tuple((0, side) for side in view.shape)]
    blocks = [_used(image, view.read(box)) for box in boxes]
    return fit_classical(
        blocks[0],
        image.rgb and image.n_channels == 3,
        samples=blocks,
        used=() if view.tissue.is_clean else [view.signal_in(box) for box in boxes],
        bright_field=view.tissue.bright_field,
    )


def _used(image: Image, block: np.ndarray) -> np.ndarray:
    """What the classical method sees: the colours, or the nuclei's channel."""
    if image.rgb and image.n_channels == 3:
        return block
    channel = image.nuclei_channel or 0
    return block[..., channel : channel + 1]
