"""Checks of the current image's clicks, each with what can be done about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from .inline import Inline
from .layers import geometry, put, remove
from .points_checks import Check, check_clicks
from .points_region import extended

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .session import Session

_MOST = 4
# The ring that points out a place: role, colour, diameter on screen, and how long it stays.
_HERE, _MARK, _MARK_PX, _MARK_MS = "here", "#00FFFF", 90, 4000


class CheckList(QWidget):
    """Up to a few findings, looked for shortly after the last change."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._ignored: dict[str, set[tuple[str, int]]] = {}
        self.found: list[Check] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self._lines = [Inline() for _ in range(_MOST)]
        for line in self._lines:
            layout.addWidget(line)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(250)
        self._timer.timeout.connect(self.refresh)
        self._marked: ImageEntry | None = None
        self._mark_timer = QTimer(self)
        self._mark_timer.setSingleShot(True)
        self._mark_timer.setInterval(_MARK_MS)
        self._mark_timer.timeout.connect(self._take_mark_away)
        session.closing.connect(self._mark_timer.stop)
        session.current_changed.connect(self._take_mark_away)
        session.entry_changed.connect(self._changed)
        session.current_changed.connect(self.refresh)
        self.refresh()

    def _changed(self, entry: ImageEntry, what: str) -> None:
        if entry is self._session.current and what in ("points", "regions", "layers"):
            self._timer.start()

    def refresh(self, *_: object) -> None:
        """Look again."""
        entry = self._session.current
        self.found = self._look(entry) if entry is not None and entry.image is not None else []
        for line in self._lines:
            line.clear()
        if entry is None:
            return
        for line, check in zip(self._lines, self.found, strict=False):
            actions: dict[str, Callable[[], object]] = {"Show": lambda check=check: self.show_check(entry, check)}
            if check.kind == "outside":
                actions["Extend region"] = lambda check=check: self.extend(entry, check)
            if check.kind in ("close", "image"):
                actions["Remove"] = lambda check=check: self.remove(entry, check)
            if not check.serious:
                actions["Ignore"] = lambda check=check: self.ignore(entry, check)
            line.say("error" if check.serious else "warning", check.text, **actions)

    def _look(self, entry: ImageEntry) -> list[Check]:
        image = entry.image
        assert image is not None
        shape = [length for axis, length in zip(image.axes, image.shape, strict=True) if axis != "C"]
        if len(entry.points) and entry.points.shape[1] != len(shape):
            shape = shape[-entry.points.shape[1] :]
        found = check_clicks(entry.points, entry.regions, shape, bool(image.plane_axes))
        ignored = self._ignored.get(entry.id, set())
        return [one for one in found if (one.kind, len(one.indices)) not in ignored]

    def show_check(self, entry: ImageEntry, check: Check) -> None:
        """Bring the place to the middle of the view and select the clicks."""
        layer = entry.layers.get("clicks") or entry.layers.get("image")
        if layer is None or not check.where:
            return
        viewer = self._session.viewer
        world = np.asarray(layer.data_to_world(check.where), dtype=float)
        look_at(viewer, world)
        if not check.indices:
            # There is nothing at the place itself that one could see.
            self._point_out(entry, check.where)
        if check.indices and "clicks" in entry.layers:
            entry.layers["clicks"].selected_data = set(check.indices)

    def _point_out(self, entry: ImageEntry, where: tuple[float, ...]) -> None:
        """Ring a place for some seconds."""
        from napari.layers import Points

        self._take_mark_away()
        place = np.asarray(where, float)[None, -entry.ndim :]
        ring: Any = Points(
            place,
            name="look here",
            ndim=entry.ndim,
            face_color="transparent",
            border_color=_MARK,
            border_width=0.08,
            **geometry(entry),
        )
        self._session.annotations.dots.keep(ring, _MARK_PX)
        put(self._session, entry, _HERE, ring)
        ring.editable = False
        self._marked = entry
        self._mark_timer.start()

    def _take_mark_away(self, *_: object) -> None:
        self._mark_timer.stop()
        entry, self._marked = self._marked, None
        if entry is not None and _HERE in entry.layers and not self._session.closed:
            remove(self._session, entry, _HERE)

    def extend(self, entry: ImageEntry, check: Check) -> None:
        """Widen the regions so that the clicks lie inside; can be undone."""
        image = entry.image
        shape = image.spatial_shape[-2:] if image is not None else None
        regions = extended(entry.regions, entry.points, list(check.indices), shape)
        self._session.annotations.change(entry, regions=regions)

    def remove(self, entry: ImageEntry, check: Check) -> None:
        """Remove the clicks that do not fit, or all but the first of those on top of one another; can be undone."""
        drop = set(check.indices) if check.kind == "image" else set(doubles(entry.points, check.indices))
        keep = [index for index in range(len(entry.points)) if index not in drop]
        self._session.annotations.change(entry, points=entry.points[keep])

    def ignore(self, entry: ImageEntry, check: Check) -> None:
        """Say no more of it until its number of clicks changes."""
        self._ignored.setdefault(entry.id, set()).add((check.kind, len(check.indices)))
        self.refresh()


def doubles(points: np.ndarray, indices: tuple[int, ...], close_px: float = 3.0) -> list[int]:
    """Which of these clicks to drop so that no two left are closer than `close_px`; earlier clicks stay."""
    kept: list[int] = []
    dropped = []
    for index in sorted(indices):
        if kept and np.min(np.linalg.norm(points[kept] - points[index], axis=1)) < close_px:
            dropped.append(index)
        else:
            kept.append(index)
    return dropped


def look_at(viewer: object, world: np.ndarray) -> None:
    """Bring a world position to the middle of the view, at the present zoom, and its plane to the front."""
    dims, camera = viewer.dims, viewer.scene.camera  # type: ignore[attr-defined]
    point = list(dims.point)
    point[-len(world) :] = [float(one) for one in world]
    dims.point = tuple(point)
    centre = list(camera.center)
    shown = [axis - (dims.ndim - len(world)) for axis in dims.displayed]
    centre[-len(shown) :] = [float(world[axis]) for axis in shown]
    camera.center = tuple(centre)
