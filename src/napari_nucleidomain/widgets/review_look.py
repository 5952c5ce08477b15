"""Looking at a result on the canvas: how it is shown, the ring round one nucleus, the nucleus under the pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from .review_show import follow_zoom, hide_errors, mark, show_as, unmark
from .view import look_at

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .review_compute import Assessment
    from .review_subject import Subject
    from .session import Session


# A wheel turns in steps; edges follow once it rests.
_WAIT_MS = 80


class Look(QObject):
    """What Review does to the canvas. Selection and tool are never touched."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._applied: tuple[Any, ...] = ()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_WAIT_MS)
        self._timer.timeout.connect(lambda: follow_zoom(session))
        zoom = session.viewer.scene.camera.events.zoom
        zoom.connect(self._zoomed)
        session.closing.connect(lambda: zoom.disconnect(self._zoomed))
        session.closing.connect(self._timer.stop)

    def _zoomed(self, _: Any) -> None:
        self._timer.start()

    def show(self, entry: ImageEntry | None, subject: Subject | None, mode: str, found: Assessment | None) -> None:
        """Show a result as outlines, filled, by uncertainty or by error."""
        if entry is None or subject is None:
            return
        wanted = (subject.key, mode, id(found) if mode == "errors" else None)
        if wanted != self._applied:
            # Not again and again: what the person sets in napari's own controls meanwhile stays.
            self._applied = wanted
            show_as(self._session, entry, subject, mode, found)  # type: ignore[arg-type]

    def go_to(self, entry: ImageEntry | None, subject: Subject | None, number: int, *, follow: bool) -> bool:
        """Ring a nucleus and, with `follow`, bring it into the middle.

        Returns
        -------
        bool
            Whether there is a result that can be walked through.
        """
        if entry is None or subject is None or subject.layer.multiscale:
            return False
        place = mark(self._session, entry, subject, number)
        if place is not None and follow:
            centre, size = place
            world, wide = subject.layer.data_to_world(centre), size * float(subject.layer.scale[-1])
            look_at(self._session.viewer, world, wide, inside=entry.layers.get("image"))
        return True

    def nucleus_at(
        self, subject: Subject | None, position: Any, ray: tuple[np.ndarray, list[int]] | None = None
    ) -> int:
        """Id of the nucleus at a world position, or in 3D the first one that is met from there; 0 for none."""
        if subject is None or subject.layer.multiscale:
            return 0
        if ray is not None:
            found = subject.layer.get_value(position, view_direction=ray[0], dims_displayed=ray[1], world=True)
            return int(found or 0)
        place = np.floor(np.asarray(subject.layer.world_to_data(position)) + 0.5).astype(int)
        data = subject.layer.data
        if ((place < 0) | (place >= np.asarray(data.shape))).any():
            return 0
        return int(np.asarray(data[tuple(place)]))

    def leave(self, *_: Any) -> None:
        """Rings and error maps belong to the image that is looked at."""
        for entry in self._session.images:
            if entry is not self._session.current:
                unmark(self._session, entry)
                hide_errors(self._session, entry)
