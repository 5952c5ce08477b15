"""Clicks on the canvas, heard without taking them from the tool in hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

_STILL_PX = 4.0


class CanvasPick:
    """Tells where the person clicked; drags (panning, drawing) are not clicks.

    Parameters
    ----------
    viewer : napari.Viewer
    heard : callable
        Called with the world position.
    """

    def __init__(self, viewer: Any, heard: Callable[[Any], object]) -> None:
        self._viewer, self._heard = viewer, heard
        # Of the last click in 3D: the way one looked, and along which axes.
        self.ray: tuple[np.ndarray, list[int]] | None = None
        viewer.mouse_drag_callbacks.append(self._pressed)

    def close(self) -> None:
        """Hear no more."""
        if self._pressed in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._pressed)

    def _pressed(self, viewer: Any, event: Any) -> Iterator[None]:
        start, position = np.asarray(event.pos, float), event.position
        deep = viewer.dims.ndisplay == 3
        ray = (np.asarray(event.view_direction), list(event.dims_displayed)) if deep else None
        # Other tools own the left button while they draw or add; pan and zoom only look.
        active = viewer.layers.selection.active
        looking = active is None or str(active.mode) in ("pan_zoom", "pick")
        yield
        while event.type == "mouse_move":
            yield
        if looking and event.button == 1 and np.abs(np.asarray(event.pos, float) - start).max() <= _STILL_PX:
            self.ray = ray
            self._heard(position)
