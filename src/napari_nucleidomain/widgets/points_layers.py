"""The two layers a person works in, clicks and regions: made, followed, undone; keys bound to them alone."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from .layers import CLICK_FACE, CLICK_RIM, CLICKS, REGION_EDGE, REGIONS, geometry, in_viewer, put
from .points_dots import Dots
from .points_erase import erase_at
from .points_history import History, State, state_of
from .points_nearby import Nearby
from .points_shapes import corners_of, restore_regions
from .preferences import dot_size

if TYPE_CHECKING:
    from napari.layers import Points, Shapes

    from .entry import ImageEntry
    from .session import Session

_SLIP_PX = 12
_FINAL = {"added", "removed", "changed"}


class Annotations(QObject):
    """Clicks and regions of every image of a session.

    Signals
    -------
    history_changed(object)
        An entry's undo or redo became possible or impossible.
    mode_changed(str)
        "click", "move", "erase", "rectangle", "polygon" or "" (another layer or tool is in use).
    """

    history_changed = Signal(object)
    mode_changed = Signal(str)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._histories: weakref.WeakKeyDictionary[ImageEntry, History] = weakref.WeakKeyDictionary()
        self._restoring = False
        self._erasing = False
        self.dots = Dots(session)
        self._nearby = Nearby(session, self.dots)
        selection = session.viewer.layers.selection
        selection.events.active.connect(self._tell_mode)
        session.closing.connect(lambda: selection.events.active.disconnect(self._tell_mode))

    # Layers ----------------------------------------------------------------------------------------------------

    def clicks(self, entry: ImageEntry) -> Points:
        """The clicks layer of an image, put into the viewer if it is not there."""
        layer = in_viewer(self._session, entry, CLICKS)
        if layer is None:
            layer = entry.layers.get(CLICKS) or self._make_clicks(entry)
            put(self._session, entry, CLICKS, layer)
        return layer

    def regions(self, entry: ImageEntry) -> Shapes:
        """The regions layer of an image, put into the viewer under the clicks if it is not there."""
        layer = in_viewer(self._session, entry, REGIONS)
        if layer is None:
            layer = entry.layers.get(REGIONS) or self._make_regions(entry)
            put(self._session, entry, REGIONS, layer, below=CLICKS)
        return layer

    def _make_clicks(self, entry: ImageEntry) -> Points:
        from napari.layers import Points

        layer = Points(
            _fitting(entry.points, entry.ndim),
            name=f"{entry.name} · clicks",
            ndim=entry.ndim,
            face_color=CLICK_FACE,
            border_color=CLICK_RIM,
            border_width=0.12,
            **geometry(entry),
        )
        self.dots.keep(layer, dot_size())
        layer.events.data.connect(lambda event: self._on_data(entry, event))
        layer.events.mode.connect(self._tell_mode)
        layer.mouse_drag_callbacks.append(self._erase)
        self._bind_keys(layer)
        return layer

    def _make_regions(self, entry: ImageEntry) -> Shapes:
        from napari.layers import Shapes

        layer = Shapes(
            ndim=entry.ndim,
            name=f"{entry.name} · regions",
            edge_color=REGION_EDGE,
            face_color=[0, 0, 0, 0],
            edge_width=edge_width(entry),
            **geometry(entry),
        )
        layer.current_edge_color, layer.current_face_color = REGION_EDGE, [0, 0, 0, 0]
        restore_regions(layer, entry.regions)
        layer.events.data.connect(lambda event: self._on_data(entry, event))
        layer.events.mode.connect(self._tell_mode)
        self._bind_keys(layer)
        return layer

    def _bind_keys(self, layer: Any) -> None:
        layer.bind_key("Control-Z", lambda _: self.undo(), overwrite=True)
        layer.bind_key("Control-Shift-Z", lambda _: self.redo(), overwrite=True)
        layer.bind_key("PageDown", lambda _: self._session.step(1), overwrite=True)
        layer.bind_key("PageUp", lambda _: self._session.step(-1), overwrite=True)
        layer.bind_key("H", lambda one: setattr(one, "visible", not one.visible), overwrite=True)

    # What the person does --------------------------------------------------------------------------------------

    def _on_data(self, entry: ImageEntry, event: Any) -> None:
        if self._restoring or str(getattr(event, "action", "changed")).split(".")[-1].lower() not in _FINAL:
            return
        regions = entry.layers.get(REGIONS)
        if regions is not None and event.source is regions and self._is_slip(regions, str(event.action)):
            # napari is still drawing it: take it away once it is done.
            QTimer.singleShot(0, lambda: self._drop_last(regions))
            return
        self.record(entry)

    def _is_slip(self, layer: Shapes, action: str) -> bool:
        """Whether the newest shape is so small on the screen that the mouse only slipped or clicked."""
        if "added" not in action.lower() or not len(layer.data):
            return False
        corners = np.asarray(layer.data[-1])[:, -2:] * np.asarray(layer.scale)[-2:]
        return bool(np.ptp(corners, axis=0).max() * self._session.viewer.scene.camera.zoom < _SLIP_PX)

    def _drop_last(self, layer: Shapes) -> None:
        self._restoring = True
        try:
            layer.selected_data = {len(layer.data) - 1}
            layer.remove_selected()
        finally:
            self._restoring = False

    def record(self, entry: ImageEntry) -> None:
        """Take over what the two layers hold now as one step."""
        history = self.history(entry)
        if self._session.read_only is not None:
            self._session.save_failed.emit(self._session.read_only)
            # napari is still changing the layer: put back once it is done.
            QTimer.singleShot(0, lambda: self._put_back(entry))
            return
        clicks, regions = entry.layers.get(CLICKS), entry.layers.get(REGIONS)
        points = clicks.data if clicks is not None else entry.points
        shapes = corners_of(regions) if regions is not None else entry.regions
        before, state = history.now, state_of(points, shapes)
        if not history.record(state):
            return
        if not state.same_points(before):
            self._session.set_points(entry, state.points)
        if not state.same_regions(before):
            self._session.set_regions(entry, state.regions)
        self.history_changed.emit(entry)

    def _put_back(self, entry: ImageEntry) -> None:
        """Show what is kept, where a layer was changed that must not be."""
        self._restoring = True
        try:
            clicks, regions, state = entry.layers.get(CLICKS), entry.layers.get(REGIONS), self.history(entry).now
            if clicks is not None:
                clicks.selected_data = set()
                clicks.data = _fitting(state.points, entry.ndim)
            if regions is not None:
                restore_regions(regions, state.regions)
        finally:
            self._restoring = False

    def history(self, entry: ImageEntry) -> History:
        """The steps of an image, beginning with what was loaded."""
        if entry not in self._histories:
            self._histories[entry] = History(state_of(entry.points, entry.regions))
        return self._histories[entry]

    def change(
        self, entry: ImageEntry, *, points: np.ndarray | None = None, regions: list[np.ndarray] | None = None
    ) -> None:
        """Set clicks or regions by a button (suggest, import, hull, clear) as one step that can be undone."""
        if self._session.read_only is not None:
            self._session.save_failed.emit(self._session.read_only)
            return
        history = self.history(entry)
        state = state_of(entry.points if points is None else points, entry.regions if regions is None else regions)
        before = history.now
        if history.record(state):
            self._apply(entry, before, state)

    def undo(self) -> None:
        """Take the last step of the current image back, in whichever layer it was."""
        self._walk("undo")

    def redo(self) -> None:
        """Take it again."""
        self._walk("redo")

    def _walk(self, which: str) -> None:
        entry = self._session.current
        if entry is None or self._session.read_only is not None:
            return
        history = self.history(entry)
        before = history.now
        state = history.undo() if which == "undo" else history.redo()
        if state is not None:
            self._apply(entry, before, state)

    def _apply(self, entry: ImageEntry, before: State, state: State) -> None:
        self._restoring = True
        try:
            if not state.same_points(before):
                clicks = entry.layers.get(CLICKS)
                if clicks is not None:
                    # A kept selection would point at other clicks now, and Delete would remove those.
                    clicks.selected_data = set()
                    clicks.data = _fitting(state.points, entry.ndim)
                self._session.set_points(entry, state.points)
            if not state.same_regions(before):
                layer = entry.layers.get(REGIONS)
                if layer is not None:
                    restore_regions(layer, state.regions)
                self._session.set_regions(entry, state.regions)
        finally:
            self._restoring = False
        self.history_changed.emit(entry)

    # Tools -----------------------------------------------------------------------------------------------------

    def use(self, mode: str) -> None:
        """Take up a tool on the current image: "click", "move", "erase", "rectangle", "polygon" or "look"."""
        entry = self._session.current
        if entry is None or entry.problem:
            return
        layer: Any
        if mode in ("rectangle", "polygon"):
            layer = self.regions(entry)
            wanted = "add_rectangle" if mode == "rectangle" else "add_polygon"
        else:
            layer = self.clicks(entry)
            wanted = {"click": "add", "move": "select"}.get(mode, "pan_zoom")
        layer.visible = True
        self._session.viewer.layers.selection.active = layer
        layer.mode = wanted
        # Only now: taking the layer up passed through other tools, and those end the erasing.
        self._erasing = mode == "erase"
        self._tell_mode()

    @property
    def mode(self) -> str:
        """The tool in use on the current image, "" when it is not one of ours."""
        return self.mode_on(self._session.current)

    def mode_on(self, entry: ImageEntry | None) -> str:
        """The tool in use on an image."""
        active = self._session.viewer.layers.selection.active
        if entry is None or active is None:
            return ""
        if active is entry.layers.get(CLICKS):
            if active.mode == "pan_zoom":
                return "erase" if self._erasing else ""
            return {"add": "click", "select": "move"}.get(str(active.mode), "")
        if active is entry.layers.get(REGIONS):
            return {"add_rectangle": "rectangle", "add_polygon": "polygon"}.get(str(active.mode), "")
        return ""

    def _tell_mode(self, _: Any = None) -> None:
        active = self._session.viewer.layers.selection.active
        entry = self._session.current
        if self._erasing and (entry is None or active is not entry.layers.get(CLICKS) or active.mode != "pan_zoom"):
            self._erasing = False
        self.mode_changed.emit(self.mode)

    def _erase(self, layer: Points, event: Any) -> Any:
        if self._erasing:
            yield from erase_at(layer, event, self._session.viewer.scene.camera.zoom)


def _fitting(points: np.ndarray, ndim: int) -> np.ndarray:
    """Clicks for a layer of `ndim` axes; those read for another image are shown on its first plane."""
    points = np.asarray(points, dtype=np.float64)
    if not len(points):
        return np.zeros((0, ndim))
    if points.shape[1] < ndim:
        points = np.hstack([np.zeros((len(points), ndim - points.shape[1])), points])
    return points[:, -ndim:]


def edge_width(entry: ImageEntry) -> float:
    """A line that shows on a slide as well as on a small crop, in pixels of the image."""
    layer = entry.layers.get("image")
    shape = layer.data.shape if layer is not None else entry.image.spatial_shape if entry.image is not None else (1000,)
    return max(1.0, max(shape[:3]) / 400)
