"""The eraser: a click removes the nearest click, a drag still moves the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Points

_REACH_PX = 12
_DRAG_PX = 5


def erase_at(layer: Points, event: Any, zoom: float) -> Iterator[None]:
    """Mouse handler of the clicks layer while erasing (a generator, as napari asks of one that follows a drag).

    Parameters
    ----------
    layer : Points
    event : napari mouse event
    zoom : float
        Screen pixels per world unit.
    """
    if event.button != 1:
        return
    start = np.asarray(event.pos, dtype=float)
    moved = 0.0
    yield
    while event.type == "mouse_move":
        moved = max(moved, float(np.linalg.norm(np.asarray(event.pos, dtype=float) - start)))
        yield
    if moved >= _DRAG_PX:
        return
    index = nearest(layer, event.position, _REACH_PX / zoom)
    if index is not None:
        layer.remove([index])


def nearest(layer: Points, position: Any, reach: float) -> int | None:
    """Index of the click nearest to a world position, if within `reach` world units; None otherwise.

    On a stack only clicks of the same plane (within half a plane) count.
    """
    if not len(layer.data):
        return None
    at = np.asarray(layer.world_to_data(position), dtype=float)
    away = layer.data - at
    scale = np.asarray(layer.scale, dtype=float)
    near = np.linalg.norm(away[:, -2:] * scale[-2:], axis=1)
    if layer.ndim > 2:
        near[np.any(np.abs(away[:, :-2]) > 0.5, axis=1)] = np.inf
    index = int(np.argmin(near))
    return index if near[index] <= reach else None
