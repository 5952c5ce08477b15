"""Which part of an image a person looks at now."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .session import Session

Box = list[list[int]]
# A nucleus smaller on screen than this cannot be judged.
_LEAST_PX, _GOOD_PX = 20.0, 50.0
# Nor one without its neighbours: its largest share of the canvas.
_MOST_SHARE = 0.25


def view_box(session: Session, entry: ImageEntry, *, most: int | None = None) -> Box | None:
    """The part of an image that the canvas shows, in pixels at full resolution.

    Parameters
    ----------
    session : Session
    entry : ImageEntry
    most : int, optional
        Longest side; a larger view is cut to its middle.

    Returns
    -------
    list of [start, stop] or None
        One per spatial axis of the image (all of an axis that is not on screen). None when the image is not in the
        viewer or lies off screen.
    """
    layer, image = entry.layers.get("image"), entry.image
    viewer = session.viewer
    if layer is None or image is None or layer not in viewer.layers:
        return None
    shape = tuple(image.spatial_shape)
    low, high = _visible(viewer, layer)
    low, high = low[-len(shape) :], high[-len(shape) :]
    box = []
    for start, stop, length in zip(low, high, shape, strict=True):
        first, last = max(0, int(np.floor(start + 0.5))), min(length, int(np.ceil(stop + 0.5)))
        if last <= first:
            return None
        box.append([first, last])
    return [_middle(part, most) for part in box] if most else box


def _middle(part: list[int], most: int) -> list[int]:
    start, stop = part
    if stop - start <= most:
        return part
    first = (start + stop - most) // 2
    return [first, first + most]


def _visible(viewer: Any, layer: Any) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest data coordinates of the layer on screen; infinite along axes that are not displayed."""
    shown = list(viewer.dims.displayed)
    camera = viewer.scene.camera
    size = np.asarray(viewer.canvas.size, dtype=float)
    if len(shown) == 2:
        half = size / max(camera.zoom, 1e-12) / 2
    else:
        # Turned in 3D: the ball that the canvas shows whichever way it is turned.
        half = np.full(3, size.max() / max(camera.zoom, 1e-12) / 2)
    centre = np.asarray(camera.center, dtype=float)[-len(shown) :]
    corners = []
    for signs in itertools.product((-1, 1), repeat=len(shown)):
        world = np.asarray(viewer.dims.point, dtype=float).copy()
        world[shown] = centre + half * np.asarray(signs)
        corners.append(layer.world_to_data(world))
    found = np.asarray(corners, dtype=float)
    low, high = found.min(axis=0), found.max(axis=0)
    offset = viewer.dims.ndim - layer.ndim
    hidden = [axis - offset for axis in range(viewer.dims.ndim) if axis not in shown and axis >= offset]
    low[hidden], high[hidden] = -np.inf, np.inf
    return np.nan_to_num(low, neginf=-1e12), np.nan_to_num(high, posinf=1e12)


def look_at(viewer: Any, world: Any, size: float = 0.0, *, share: float = _MOST_SHARE, inside: Any = None) -> None:
    """Bring a place into the middle of the canvas. Only when the person asked for it.

    Parameters
    ----------
    world : sequence of float
        World coordinates.
    size : float
        World size of what is there: the zoom stays unless that would be too small to see, or fill the canvas.
    share : float
        Most of the canvas that it may fill.
    inside : Layer, optional
        A flat view stays inside this layer, rather than show emptiness beside what lies at its edge.
    """
    zoom = float(viewer.scene.camera.zoom)
    if 0 < size * zoom < _LEAST_PX:
        viewer.scene.camera.zoom = _GOOD_PX / size
    most = max(_GOOD_PX, share * float(min(viewer.canvas.size)))
    if size * zoom > most:
        viewer.scene.camera.zoom = most / size
    place = [float(part) for part in world]
    shown = [axis - (viewer.dims.ndim - len(place)) for axis in viewer.dims.displayed]
    centre = [place[axis] for axis in shown]
    if inside is not None and len(centre) == 2:
        low, high = np.asarray(inside.extent.world, dtype=float)[:, -len(place) :][:, shown]
        centre = _kept_inside(np.array(centre), low, high, viewer)
    viewer.scene.camera.center = (0.0, *centre) if len(centre) == 2 else tuple(centre)
    if viewer.dims.ndim > 2:
        point = list(viewer.dims.point)
        point[viewer.dims.ndim - len(place) :] = place
        viewer.dims.point = tuple(point)


def _kept_inside(centre: np.ndarray, low: np.ndarray, high: np.ndarray, viewer: Any) -> list[float]:
    """The middle of a view that reaches beyond its layer on both sides of an axis or on none."""
    half = np.asarray(viewer.canvas.size, dtype=float) / float(viewer.scene.camera.zoom) / 2
    fits = high - low <= 2 * half
    kept = np.where(fits, (low + high) / 2, np.clip(centre, low + half, np.maximum(high - half, low + half)))
    return [float(part) for part in kept]


def same_file(a: Any, b: Any) -> bool:
    """Whether two paths name one file, however they are written."""
    from pathlib import Path

    if not a or not b:
        return False
    one, other = Path(a), Path(b)
    return one == other or one.absolute() == other.absolute() or _resolved(one) == _resolved(other)


def _resolved(path: Any) -> Any:
    try:
        return path.resolve()
    except OSError:
        return path
