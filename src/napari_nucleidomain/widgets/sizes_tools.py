"""Measuring one nucleus on the image: a line across it, or three clicks on its edge."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from .layers import geometry, guest, in_viewer
from .sizes_of_images import circle_diameter

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .session import Session

Gesture = Literal["line", "circle"]
_NAMES: dict[Gesture, str] = {"line": "line across a nucleus", "circle": "edge of a nucleus"}
_COLOUR = "#E69F00"
_DOT_PX: dict[Gesture, float] = {"line": 3.0, "circle": 8.0}
# Dots of a line lie so close, in their diameters, that they look like one.
_CLOSE = 0.4
_MOST_DOTS = 600
# A shorter line is a click whose mouse slipped.
_SLIP_PX = 4.0


class SizeTool(QObject):
    """One gesture on a layer of its own, which goes afterwards; the layer and tool in use before come back.

    Signals
    -------
    measured(float)
        Diameter in pixels of the image's last axis.
    refused(str)
        Why a gesture told nothing; the tool is still in hand.
    ended()
        The tool was put down, with or without a measure.
    """

    measured = Signal(float)
    refused = Signal(str)
    ended = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.gesture: Gesture | None = None
        self._layer: Any = None
        self._before: Any = None
        self._dot = 1.0
        session.current_changed.connect(self.put_down)
        session.closing.connect(self.put_down)

    def start(self, gesture: Gesture, entry: ImageEntry) -> str:
        """Take the tool up on an image; gives why it cannot be, or ""."""
        self.put_down()
        viewer = self._session.viewer
        if in_viewer(self._session, entry, "image") is None:
            return "The image is not in the viewer; choose it in Images."
        if viewer.dims.ndisplay != 2:
            return "Measuring needs a plane: press the 2D/3D button at the lower left of the viewer."
        active = viewer.layers.selection.active
        self._before = weakref.ref(active) if active is not None else None
        self.gesture = gesture
        self._layer = self._make(gesture, entry)
        with guest(viewer):
            viewer.layers.append(self._layer)
        viewer.layers.selection.active = self._layer
        self._layer.mode = "pan_zoom" if gesture == "line" else "add"
        # A drag draws; the wheel still zooms.
        self._layer.mouse_pan = gesture != "line"
        viewer.layers.selection.events.active.connect(self._other_layer)
        viewer.layers.events.removed.connect(self._removed)
        return ""

    def _make(self, gesture: Gesture, entry: ImageEntry) -> Any:
        from napari.layers import Points

        place = geometry(entry)
        # Sizes are in pixels of the image.
        self._dot = _DOT_PX[gesture] / (self._session.viewer.scene.camera.zoom * float(np.abs(place["scale"][-1])))
        layer: Any = Points(
            ndim=entry.ndim, name=_NAMES[gesture], size=self._dot, face_color=_COLOUR, border_width=0, **place
        )
        layer.current_size, layer.current_face_color = self._dot, _COLOUR
        if gesture == "line":
            # Dots along the line.
            layer.mouse_drag_callbacks.append(self._draw_line)
        else:
            layer.events.data.connect(lambda _: QTimer.singleShot(0, self._clicked))
        layer.bind_key("Escape", lambda _: self.put_down(), overwrite=True)
        return layer

    def _draw_line(self, layer: Any, event: Any) -> Iterator[None]:
        if event.button != 1:
            return
        start = np.asarray(layer.world_to_data(event.position), float)
        yield
        end = start
        while event.type == "mouse_move":
            end = np.asarray(layer.world_to_data(event.position), float)
            number = max(2, round(float(np.linalg.norm(end - start)) / (_CLOSE * self._dot)))
            layer.data = start + np.linspace(0, 1, min(number, _MOST_DOTS))[:, None] * (end - start)
            layer.selected_data = set()
            yield
        # napari is still at work on the mouse.
        QTimer.singleShot(0, lambda: self._line_drawn(start, end))

    def _line_drawn(self, start: np.ndarray, end: np.ndarray) -> None:
        if self.gesture != "line":
            return
        ends = self._in_pixels([start, end])
        length = float(np.linalg.norm(ends[1] - ends[0]))
        if length * self._screen_per_pixel() < _SLIP_PX:
            self._layer.data = np.zeros((0, self._layer.ndim))
            self.refused.emit("Press at one edge of a nucleus, drag to the other edge and let go.")
            return
        self._tell(length)

    def _clicked(self) -> None:
        if self.gesture != "circle" or len(self._layer.data) < 3:
            return
        diameter = circle_diameter(self._in_pixels(self._layer.data[:3]))
        if diameter is None:
            self._layer.selected_data = set()
            self._layer.data = np.zeros((0, self._layer.ndim))
            self.refused.emit("The three points lie in a line. Click three places all round the edge.")
            return
        self._tell(diameter)

    def _in_pixels(self, points: Any) -> np.ndarray:
        """Points in units of the last axis' pixels: those of other axes may be longer."""
        scale = np.abs(np.asarray(self._layer.scale, float))
        return np.asarray(points, float) * scale / scale[-1]

    def _screen_per_pixel(self) -> float:
        return float(self._session.viewer.scene.camera.zoom * np.abs(self._layer.scale[-1]))

    def _tell(self, diameter: float) -> None:
        self.put_down()
        self.measured.emit(diameter)

    # ---- putting it down

    def _other_layer(self, *_: Any) -> None:
        """The person took up something else."""
        if self.gesture is not None and self._session.viewer.layers.selection.active is not self._layer:
            self._before = None
            QTimer.singleShot(0, self.put_down)

    def _removed(self, event: Any) -> None:
        if event.value is self._layer:
            self.put_down()

    def put_down(self, *_: Any) -> None:
        """Take the layer away and give back what was in hand before."""
        if self.gesture is None:
            return
        viewer, layer = self._session.viewer, self._layer
        self.gesture, self._layer = None, None
        viewer.layers.selection.events.active.disconnect(self._other_layer)
        viewer.layers.events.removed.disconnect(self._removed)
        with guest(viewer):
            if layer in viewer.layers:
                viewer.layers.remove(layer)
        before = self._before() if self._before is not None else None
        self._before = None
        if before is not None and before in viewer.layers:
            viewer.layers.selection.active = before
        self.ended.emit()
