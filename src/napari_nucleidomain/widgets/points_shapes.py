"""Between the Shapes layer of regions and plain corners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Shapes

_ROUND = 48
_LEAST_AREA = 4.0


def corners_of(layer: Shapes) -> list[np.ndarray]:
    """Corners (V, D) of every closed shape of the layer, in pixels.

    Lines and paths enclose nothing and are left out, as are shapes of no area (a slip of the mouse). An ellipse is
    told by many corners.
    """
    found = []
    for corners, kind in zip(layer.data, layer.shape_type, strict=True):
        corners = np.asarray(corners, dtype=np.float64)
        if kind in ("line", "path"):
            continue
        if kind == "ellipse":
            corners = _ellipse(corners)
        if _area(corners) >= _LEAST_AREA:
            found.append(corners)
    return found


def restore_regions(layer: Shapes, regions: Sequence[np.ndarray]) -> None:
    """Make the layer show these regions and nothing else; the drawing tool in use stays."""
    mode = layer.mode
    edge, width = layer.current_edge_color, layer.current_edge_width
    layer.selected_data = set()
    layer.data = []
    fitting = [_lifted(one, layer.ndim) for one in regions]
    if fitting:
        kinds = ["rectangle" if is_rectangle(one) else "polygon" for one in fitting]
        layer.add(fitting, shape_type=kinds, edge_color=edge, face_color=[0, 0, 0, 0], edge_width=width)
        layer.selected_data = set()
    if layer.mode != mode:
        layer.mode = mode


def is_rectangle(corners: np.ndarray) -> bool:
    """Whether four corners are those of an upright rectangle."""
    corners = np.asarray(corners)
    flat = corners[:, -2:]
    return (
        len(flat) == 4 and all(len(np.unique(np.round(flat[:, axis], 6))) == 2 for axis in (0, 1)) and _area(flat) > 0
    )


def _lifted(corners: np.ndarray, ndim: int) -> np.ndarray:
    corners = np.asarray(corners, dtype=np.float64)
    missing = ndim - corners.shape[1]
    return np.hstack([np.zeros((len(corners), missing)), corners]) if missing > 0 else corners[:, -ndim:]


def _ellipse(box: np.ndarray) -> np.ndarray:
    middle, a, b = box.mean(0), (box[1] - box[0]) / 2, (box[3] - box[0]) / 2
    angle = np.linspace(0, 2 * np.pi, _ROUND, endpoint=False)[:, None]
    return middle + np.cos(angle) * a + np.sin(angle) * b


def _area(corners: np.ndarray) -> float:
    y, x = np.asarray(corners)[:, -2], np.asarray(corners)[:, -1]
    return 0.5 * abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))))
