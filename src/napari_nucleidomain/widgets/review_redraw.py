"""Drawing a nucleus anew with napari's own polygon tool, in its own id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

if TYPE_CHECKING:
    from napari.layers import Labels

    from .session import Session


class Redraw(QObject):
    """The polygon tool for one nucleus; then selection and tool are as before, unless the person took up others.

    Signals
    -------
    done(int)
        The nucleus was drawn.
    """

    done = Signal(int)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._layer: Labels | None = None
        self._number, self._mode = 0, ""
        self._before: Any = None

    def begin(self, layer: Labels, number: int) -> None:
        """Put the polygon tool into the person's hand."""
        self.end()
        selection = self._session.viewer.layers.selection
        self._before, self._mode = selection.active, str(layer.mode)
        selection.active = layer
        layer.selected_label = number
        layer.mode = "polygon"
        self._layer, self._number = layer, number
        layer.events.mode.connect(self.end)
        layer.events.paint.connect(self._painted)

    def end(self, *_: Any) -> None:
        """Wait no longer for the polygon; the tool stays as the person chose."""
        layer, self._layer = self._layer, None
        if layer is not None:
            layer.events.mode.disconnect(self.end)
            layer.events.paint.disconnect(self._painted)

    def _painted(self, *_: Any) -> None:
        # napari is still at it.
        QTimer.singleShot(0, self._put_down)

    def _put_down(self) -> None:
        layer = self._layer
        if layer is None or self._session.closed:
            return
        self.end()
        layers = self._session.viewer.layers
        layer.mode = self._mode if self._mode != "polygon" else "pan_zoom"
        if self._before in layers and layers.selection.active is layer:
            layers.selection.active = self._before
        self.done.emit(self._number)
