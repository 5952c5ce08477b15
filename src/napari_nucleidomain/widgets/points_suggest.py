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


def suggest(
    image: Image, points: np.ndarray, regions: list[np.ndarray], view: Box | None, plane: tuple[int, ...] = ()
) -> Suggestions:
    """Look for nuclei without a click (in a thread).

    Parameters
    ----------
    image : Image
    points : numpy.ndarray, shape (N, D)
        Clicks already there.
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
    shape = image.spatial_shape
    here = [one for one in regions if not plane or np.allclose(np.round(one[0, :-2]), plane)] or []
    boxes = boxes_of(here, shape) if here else [view] if view else []
    if not boxes:
        raise NucleiError("There is nothing of this image on screen.", "Move the picture into view, or draw a region.")
    if sum(np.prod([b - a for a, b in box]) for box in boxes) > _MOST_PIXELS:
        raise NucleiError("That is too large a place to look at once.", "Zoom in, or draw a region.")
    flat = plane_index(image, plane)
    parameters = _fitted(image, boxes, flat)
    found, areas = [], []
    for box in boxes:
        spots, sizes = _in_box(image, parameters, box, flat, points, plane)
        found.append(spots)
        areas.append(sizes)
    spots, sizes = np.concatenate(found), np.concatenate(areas)
    if here:
        from .points_checks import inside_any

        inside = inside_any(spots, [one[:, -2:] for one in here])
        spots, sizes = spots[inside], sizes[inside]
    lead = np.tile(np.asarray(plane, dtype=float), (len(spots), 1))
    return Suggestions(np.hstack([lead, spots]) if plane else spots, sizes, "the region" if here else "the view")


def _in_box(
    image: Image, parameters: Any, box: Box, flat: int | None, points: np.ndarray, plane: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    from napari_nucleidomain.inference.seen import seen
    from napari_nucleidomain.instances.classical import segment_classical
    from napari_nucleidomain.instances.deepest import suggest_points

    labels = segment_classical(_used(image, seen(image, flat).read(box)), parameters)[0]
    areas = np.bincount(labels.ravel())
    corner = np.array([start for start, _ in box], dtype=float)
    clicked = _labels_clicked(labels, points, corner, plane)
    spots = np.asarray(suggest_points(labels), dtype=np.float64).reshape(-1, 2)
    ids = labels[tuple(np.round(spots).astype(int).T)] if len(spots) else np.zeros(0, int)
    fresh = ~np.isin(ids, clicked)
    return spots[fresh] + corner, areas[ids[fresh]]


def _labels_clicked(labels: np.ndarray, points: np.ndarray, corner: np.ndarray, plane: tuple[int, ...]) -> np.ndarray:
    if len(points) and plane:
        points = points[np.all(np.round(points[:, :-2]) == np.asarray(plane), axis=1)]
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
