"""Clicks on neighbouring planes of a stack, shown faded, so that no nucleus is clicked twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from .layers import CLICK_FACE, CLICKS, geometry, in_viewer, put, remove
from .preferences import dot_size

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .points_dots import Dots
    from .session import Session

ROLE = "nearby"
_REACH = 3
_WAIT_MS = 80


class Nearby(QObject):
    """Keeps a layer of faint dots, which cannot be edited, in step with clicks and slider.

    The layer has only rows and columns, so that napari shows it on every plane; it is there only while there are
    such clicks.
    """

    def __init__(self, session: Session, dots: Dots) -> None:
        super().__init__(session)
        self._session, self._dots = session, dots
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_WAIT_MS)
        self._timer.timeout.connect(self.refresh)
        point = session.viewer.dims.events.point
        point.connect(self._soon)
        session.closing.connect(lambda: point.disconnect(self._soon))
        session.entry_changed.connect(self._changed)
        session.current_changed.connect(self._soon)

    def _changed(self, entry: ImageEntry, what: str) -> None:
        if what == "points" and entry is self._session.current:
            self._soon()

    def _soon(self, _: Any = None) -> None:
        entry = self._session.current
        if entry is not None and entry.ndim > 2 and not self._timer.isActive():
            self._timer.start()

    def refresh(self) -> None:
        """Show what belongs to the present plane."""
        entry = self._session.current
        if entry is None or self._session.closed or in_viewer(self._session, entry, CLICKS) is None:
            return
        spots = self._near(entry)
        layer = in_viewer(self._session, entry, ROLE)
        if not len(spots):
            if layer is not None:
                remove(self._session, entry, ROLE)
            return
        if layer is None:
            layer = self._make(entry)
        layer.data = spots

    def _near(self, entry: ImageEntry) -> np.ndarray:
        viewer = self._session.viewer
        if entry.ndim != 3 or viewer.dims.ndisplay != 2 or not len(entry.points):
            return np.zeros((0, 2))
        plane = float(np.asarray(entry.layers[CLICKS].world_to_data(viewer.dims.point))[0])
        away = np.abs(np.round(entry.points[:, 0]) - round(plane))
        return entry.points[(away > 0) & (away <= _REACH)][:, -2:]

    def _make(self, entry: ImageEntry) -> Any:
        from napari.layers import Points

        # A turned stack has no flat layer that lies on all its planes: there the dots follow scale and place alone.
        place = {key: tuple(value)[-2:] for key, value in geometry(entry).items() if key not in ("rotate", "affine")}
        layer = Points(
            np.zeros((0, 2)),
            name=f"{entry.name} · clicks on planes nearby",
            face_color=[0, 0, 0, 0],
            border_color=CLICK_FACE,
            border_width=0.15,
            opacity=0.45,
            **place,
        )
        layer.editable = False
        self._dots.keep(layer, dot_size())
        put(self._session, entry, ROLE, layer, below=CLICKS)
        return layer
