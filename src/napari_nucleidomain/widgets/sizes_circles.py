"""Circles of the size that nuclei are said to have, laid over some of them: to be accepted before a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from . import layers
from .newest import Newest
from .sizes_of_images import centres_of_nuclei
from .view import view_box

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .session import Session

ROLE = "size"
NAME = "nucleus size"
_COLOUR = "#E69F00"
_RIM_PX = 2.0
_MOST = 640
_AFTER_MS = 400


class SizeCircles(QObject):
    """Keeps up to nine circles over nuclei that are on screen, in one layer that is changed in place.

    Signals
    -------
    laid(int)
        How many circles lie on nuclei now; 0: none stands out, and one lies in the middle of the view.
    """

    laid = Signal(int)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._background = Newest(self)
        self._diameter = 0.0
        self._owner: ImageEntry | None = None
        self._centres = np.zeros((0, 0))
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_AFTER_MS)
        self._timer.timeout.connect(self._look)
        session.stage.ready.connect(self._moved)
        session.closing.connect(self._close)
        camera = session.viewer.scene.camera
        camera.events.center.connect(self._moved)
        camera.events.zoom.connect(self._moved)
        session.viewer.dims.events.point.connect(self._moved)

    @property
    def on(self) -> bool:
        """Whether circles are shown, or will be as soon as nuclei are found."""
        return self._diameter > 0

    def show(self, diameter: float) -> None:
        """Lay circles of this diameter, in pixels of the image's last axis."""
        first = not self.on
        self._diameter = diameter
        if not first and len(self._centres):
            self._draw()
        self._look()

    def remove(self) -> None:
        """Take them away."""
        self._diameter = 0.0
        self._timer.stop()
        self._background.forget("look")
        if self._owner is not None:
            layers.remove(self._session, self._owner, ROLE)
        self._owner, self._centres = None, np.zeros((0, 0))

    def _moved(self, *_: Any) -> None:
        if self.on:
            self._timer.start()

    def _look(self) -> None:
        """Find nuclei in what is on screen, in the background."""
        entry = self._session.current
        if not self.on or entry is None or entry.image is None:
            return
        box, point = view_box(self._session, entry, most=_MOST), self._plane(entry)
        if box is None or self._session.viewer.dims.ndisplay != 2:
            return
        from .points_suggest import plane_index

        flat = [(start, stop) for start, stop in box[-2:]]
        self._background.run(
            "look",
            centres_of_nuclei,
            entry.image,
            flat,
            plane_index(entry.image, point),
            self._diameter,
            done=lambda centres: self._found(entry, flat, point, centres),
            # A part that cannot be read is told when the image is opened or trained on.
            failed=lambda _: self._found(entry, flat, point, np.zeros((0, 2))),
        )

    def _plane(self, entry: ImageEntry) -> tuple[int, ...]:
        """Indices on the axes before rows and columns, of what is on screen."""
        layer = entry.layers.get("image")
        if layer is None or entry.ndim == 2:
            return ()
        point = layer.world_to_data(self._session.viewer.dims.point)[-entry.ndim : -2]
        assert entry.image is not None
        lengths = entry.image.plane_shape or tuple(entry.image.spatial_shape)[:-2]
        return tuple(int(np.clip(round(float(p)), 0, n - 1)) for p, n in zip(point, lengths, strict=True))

    def _found(
        self, entry: ImageEntry, box: list[tuple[int, int]], plane: tuple[int, ...], centres: np.ndarray
    ) -> None:
        if not self.on or entry is not self._session.current:
            return
        number = len(centres)
        if not number:
            centres = np.array([[(start + stop - 1) / 2 for start, stop in box]])
        if self._owner is not None and self._owner is not entry:
            layers.remove(self._session, self._owner, ROLE)
        self._owner = entry
        lead = np.tile(np.asarray(plane, float), (len(centres), 1))
        self._centres = np.hstack([lead, centres]) if plane else centres
        self._draw()
        self.laid.emit(number)

    def _draw(self) -> None:
        entry = self._owner
        if entry is None or layers.in_viewer(self._session, entry, "image") is None:
            return
        if ROLE in entry.hidden:
            # The person took them out of the viewer.
            self.remove()
            return
        layer: Any = layers.in_viewer(self._session, entry, ROLE)
        if layer is None:
            layer = self._make(entry)
        with layers.guest(self._session.viewer):
            layer.selected_data = set()
            layer.current_size = self._diameter
            layer.data = self._centres
            layer.size = self._diameter
            # Two pixels of the screen.
            scale = float(np.abs(layer.scale[-1]))
            layer.border_width = _RIM_PX / (self._session.viewer.scene.camera.zoom * scale)

    def _make(self, entry: ImageEntry) -> Any:
        """Rings are points of that size."""
        from napari.layers import Points

        layer = Points(
            self._centres,
            name=NAME,
            size=self._diameter,
            face_color=[0, 0, 0, 0],
            border_color=_COLOUR,
            border_width_is_relative=False,
            canvas_size_limits=(2, 10000),
            **layers.geometry(entry),
        )
        return layers.put(self._session, entry, ROLE, layer, below=layers.CLICKS)

    def _close(self) -> None:
        self._timer.stop()
        self._background.close()
        self._diameter = 0.0
