"""Dots of one size on the screen at any zoom, also for the mouse."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

if TYPE_CHECKING:
    from napari.layers import Points

    from .session import Session

_WAIT_MS = 60


class Dots(QObject):
    """Keeps layers' dots at a diameter in screen pixels.

    napari can hold the drawn size within limits, but draws a thick rim then, and a click still hits what lies
    within the size in image pixels. So the size itself follows the zoom, shortly after it changed; the limits only
    keep dots from growing or vanishing in between.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._layers: weakref.WeakKeyDictionary[Points, float] = weakref.WeakKeyDictionary()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_WAIT_MS)
        self._timer.timeout.connect(self.refresh)
        zoom = session.viewer.scene.camera.events.zoom
        zoom.connect(self._zoomed)
        session.closing.connect(lambda: zoom.disconnect(self._zoomed))
        # A zoom just before the window closes must not be followed when the viewer is gone.
        session.closing.connect(self._timer.stop)

    def keep(self, layer: Points, diameter: float) -> None:
        """Keep a layer's dots at `diameter` screen pixels from now on."""
        self._layers[layer] = diameter
        layer.canvas_size_limits = limits(diameter)
        self._fit(layer)
        layer.events.scale.connect(lambda _: self._fit(layer))

    def _zoomed(self, _: Any) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def refresh(self) -> None:
        """Fit all layers that are shown to the present zoom."""
        layers = self._session.viewer.layers
        for layer in list(self._layers):
            if layer in layers:
                self._fit(layer)

    def _fit(self, layer: Points) -> None:
        zoom = self._session.viewer.scene.camera.zoom
        size = self._layers[layer] / max(zoom * float(layer.scale[-1]), 1e-9)
        if abs(float(layer.current_size) - size) > 0.02 * size:
            chosen = layer.selected_data.copy()
            # Else napari would take the new size for one the person gave to the selected dots alone.
            layer.selected_data = set()
            layer.current_size = size
            layer.size = size
            layer.selected_data = chosen


def limits(diameter: float) -> tuple[float, float]:
    """Smallest and largest drawn size in screen pixels while a new zoom has not been followed yet."""
    return (0.6 * diameter, 1.2 * diameter)
