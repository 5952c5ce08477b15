"""Two tools of Review on the canvas, a line and clicks: borrowed from the viewer, then everything is as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from . import layers
from .borrowed_keys import BorrowedKeys
from .review_show import RING

if TYPE_CHECKING:
    from napari.layers import Labels

    from .session import Session

_STILL_PX = 4.0
# Pixels on screen, in the colour of the ring: white and thin it was not seen on pale tissue.
_LINE_PX = 5.0


class CanvasTool(QObject):
    """A tool for one moment: the selected layer stays, its own tool rests and comes back; Esc leaves.

    Signals
    -------
    left()
        Done, left by Esc, or another layer or tool was taken up.
    """

    left = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._keys = BorrowedKeys()
        self.kind = ""
        self._layer: Labels | None = None
        self._act: Callable[..., object] = lambda *_: None
        self._active: Any = None
        self._mode = ""
        self._line: Any = None
        session.closing.connect(self.leave)

    def draw_line(self, layer: Labels, act: Callable[[np.ndarray, np.ndarray], object]) -> None:
        """Let the person draw one straight line; `act` gets its ends in the layer's pixels."""
        self._take("line", layer, act)
        self._show_line(None)

    def click(self, layer: Labels, act: Callable[[np.ndarray], object]) -> None:
        """Let the person click; `act` gets each place in the layer's pixels. Dragging still moves the picture."""
        self._take("click", layer, act)

    def _take(self, kind: str, layer: Labels, act: Callable[..., object]) -> None:
        self.leave()
        viewer = self._session.viewer
        self.kind, self._layer, self._act = kind, layer, act
        self._active = viewer.layers.selection.active
        self._mode = str(self._active.mode) if self._active is not None else ""
        if self._active is not None and self._mode != "pan_zoom":
            self._active.mode = "pan_zoom"
        self._hold_still()
        self._keys.take([one for one in (self._active, viewer) if one is not None], {"Escape": self.leave})
        viewer.mouse_drag_callbacks.append(self._pressed)
        viewer.layers.selection.events.active.connect(self._look_later)
        viewer.layers.events.removed.connect(self._look_later)
        if self._active is not None:
            self._active.events.mode.connect(self._look_later)

    def _hold_still(self) -> None:
        viewer = self._session.viewer
        if self.kind == "line":
            # The drag draws; the wheel still zooms.
            viewer.scene.camera.mouse_pan = False
        viewer.cursor.style = "cross"

    def _look_later(self, *_: Any) -> None:
        # A preview that arrives takes the selection for a moment and gives it back: only what stays counts.
        QTimer.singleShot(0, self._look)

    def _look(self) -> None:
        if not self.kind or self._session.closed:
            return
        viewer = self._session.viewer
        other = viewer.layers.selection.active is not self._active
        if other or self._layer not in viewer.layers or (self._active is not None and self._active.mode != "pan_zoom"):
            self.leave()
        else:
            self._hold_still()

    def leave(self, *_: Any) -> None:
        """Put everything back as it was."""
        if not self.kind:
            return
        self.kind, active = "", self._active
        self._layer = self._active = None
        self._keys.release()
        viewer = self._session.viewer
        viewer.mouse_drag_callbacks.remove(self._pressed)
        viewer.layers.selection.events.active.disconnect(self._look_later)
        viewer.layers.events.removed.disconnect(self._look_later)
        if active is not None:
            active.events.mode.disconnect(self._look_later)
        self._hide_line()
        if active is not None and active.mode == "pan_zoom" and self._mode not in ("", "pan_zoom"):
            active.mode = self._mode
        now = viewer.layers.selection.active
        viewer.scene.camera.mouse_pan = now.mouse_pan if now is not None else True
        viewer.cursor.style = now.cursor if now is not None else "standard"
        self.left.emit()

    # The mouse -------------------------------------------------------------------------------------------------

    def _pressed(self, viewer: Any, event: Any) -> Iterator[None]:
        layer, act, kind = self._layer, self._act, self.kind
        if event.button != 1 or layer is None or viewer.dims.ndisplay != 2:
            return
        begun, start = np.asarray(event.pos, float), np.asarray(layer.world_to_data(event.position))
        yield
        while event.type == "mouse_move":
            if kind == "line" and self.kind == kind:
                self._show_line((start, np.asarray(layer.world_to_data(event.position))))
            yield
        still = np.abs(np.asarray(event.pos, float) - begun).max() <= _STILL_PX
        if self.kind != kind or self._layer is not layer:
            return
        if kind == "line":
            self._show_line(None)
            if not still:
                act(start, np.asarray(layer.world_to_data(event.position)))
        elif still:
            act(start)

    def _show_line(self, ends: tuple[np.ndarray, np.ndarray] | None) -> None:
        from napari.layers import Vectors

        layer, viewer = self._layer, self._session.viewer
        if layer is None:
            return
        data = np.zeros((0, 2, layer.ndim)) if ends is None else np.stack([ends[0], ends[1] - ends[0]])[None]
        if self._line is None or self._line not in viewer.layers:
            place = {"scale": layer.scale, "translate": layer.translate, "rotate": layer.rotate, "affine": layer.affine}
            pixel = float(viewer.scene.camera.zoom) * float(np.abs(layer.scale[-1]))
            with layers.guest(viewer):
                self._line = Vectors(
                    data,
                    ndim=layer.ndim,
                    name="cut",
                    edge_color=RING,
                    edge_width=_LINE_PX / max(pixel, 1e-6),
                    vector_style="line",
                    units=layer.units,
                    axis_labels=layer.axis_labels,
                    **place,
                )
                viewer.layers.append(self._line)
        else:
            self._line.data = data

    def _hide_line(self) -> None:
        line, self._line = self._line, None
        viewer = self._session.viewer
        if line is not None and line in viewer.layers:
            with layers.guest(viewer):
                viewer.layers.remove(line)
