"""What is in the viewer: the current image with its layers; those of the other images wait."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_nucleidomain.contracts import NucleiError

from .background import in_background
from .image_layers import Shown, make_layers, read_for_show
from .layers import CLICKS, OUTLINES, REGIONS, guest, in_viewer

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .session import Session

_ORDER = {"nearby": 5.5, "image": 0, OUTLINES: 2, "nuclei": 3, "preview": 4, "size": 4.5, REGIONS: 5, CLICKS: 6}


class Stage(QObject):
    """Follows the current image: its layers come in, those of the last one go out, with tool and camera remembered.

    Only layers of ours are taken out of the viewer, and only to be put in again as they were. An image layer that
    is the user's own is made invisible instead.

    Signals
    -------
    busy(object), ready(object)
        An entry's pixels are being read; its layers are in the viewer.
    """

    busy = Signal(object)
    ready = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._shown: ImageEntry | None = None
        self._cameras: weakref.WeakKeyDictionary[ImageEntry, tuple[Any, ...]] = weakref.WeakKeyDictionary()
        self._ours = 0
        self._waiting: list[tuple[ImageEntry, Callable[[], None]]] = []
        removed = session.viewer.layers.events.removed
        removed.connect(self._removed)
        session.current_changed.connect(self._switch)
        session.closing.connect(lambda: removed.disconnect(self._removed))

    def when_ready(self, entry: ImageEntry, then: Callable[[], None]) -> None:
        """Do something once an image is in the viewer: now, or after it was read."""
        if in_viewer(self._session, entry, "image") is not None:
            then()
        else:
            self._waiting.append((entry, then))
            self.show(entry)

    def show(self, entry: ImageEntry) -> None:
        """Put an image into the viewer, reading it in the background when it was not shown before."""
        if "image" in entry.layers:
            self._bring(entry)
            return
        self.busy.emit(entry)
        in_background(
            self, lambda: _open(entry), lambda shown: self._opened(entry, shown), lambda e: self._failed(entry, e)
        )

    @property
    def shown(self) -> ImageEntry | None:
        """The image in the viewer: not the current one while that cannot be read."""
        return self._shown

    def show_again(self, entry: ImageEntry) -> None:
        """Put back what the user removed from the viewer, if anything."""
        if not entry.hidden:
            return
        entry.hidden.clear()
        self._bring(entry)
        self._session.entry_changed.emit(entry, "layers")

    # Switching -------------------------------------------------------------------------------------------------

    def _switch(self, entry: ImageEntry | None) -> None:
        if entry is not None and entry.problem:
            # Nothing to show instead: what is on screen stays.
            return
        last, tool = self._shown, ""
        if last is not None and last is not entry:
            tool = self._session.annotations.mode_on(last)
            self._put_away(last)
        self._shown = entry
        if entry is None:
            return
        if tool:
            self.when_ready(entry, lambda: self._session.annotations.use(tool))
        else:
            self.show(entry)

    def _put_away(self, entry: ImageEntry) -> None:
        viewer = self._session.viewer
        camera = viewer.scene.camera
        self._cameras[entry] = (camera.center, camera.zoom, viewer.dims.point)
        self._ours += 1
        try:
            for role, layer in list(entry.layers.items()):
                if layer not in viewer.layers:
                    continue
                if entry.borrowed and role.startswith("image"):
                    layer.visible = False
                else:
                    viewer.layers.remove(layer)
        finally:
            self._ours -= 1

    def _bring(self, entry: ImageEntry) -> None:
        viewer = self._session.viewer
        fresh = in_viewer(self._session, entry, "image") is None or entry not in self._cameras
        active = viewer.layers.selection.active
        order = sorted(entry.layers.items(), key=lambda item: _ORDER.get(item[0].split(":")[0], 1))
        for role, layer in order:
            if role in entry.hidden:
                continue
            if layer not in viewer.layers:
                viewer.layers.append(layer)
            elif entry.borrowed and role.startswith("image"):
                layer.visible = True
        if active is not None and active in viewer.layers:
            viewer.layers.selection.active = active
        self._look(entry, fresh)
        for one, then in [item for item in self._waiting if item[0] is entry]:
            self._waiting.remove((one, then))
            then()
        self.ready.emit(entry)

    def _look(self, entry: ImageEntry, fresh: bool) -> None:
        viewer = self._session.viewer
        remembered = self._cameras.get(entry)
        if remembered is not None:
            viewer.scene.camera.center, viewer.scene.camera.zoom = remembered[:2]
            if len(remembered[2]) == viewer.dims.ndim:
                viewer.dims.point = remembered[2]
        elif fresh:
            viewer.fit_to_view()
            camera = viewer.scene.camera
            self._cameras[entry] = (camera.center, camera.zoom, viewer.dims.point)

    # Reading ---------------------------------------------------------------------------------------------------

    def _opened(self, entry: ImageEntry, shown: Shown) -> None:
        if self._session.closed or entry not in self._session.images or "image" in entry.layers:
            return
        for number, layer in enumerate(make_layers(entry, shown)):
            entry.layers["image" if number == 0 else f"image:{number}"] = layer
        if entry is self._session.current:
            self._bring(entry)
            annotations = self._session.annotations
            if len(entry.points) or entry.regions:
                with guest(self._session.viewer):
                    if entry.regions:
                        annotations.regions(entry)
                    annotations.clicks(entry)
        self._session.entry_changed.emit(entry, "layers")

    def _failed(self, entry: ImageEntry, error: BaseException) -> None:
        entry.problem = str(error) if isinstance(error, NucleiError) else f"{type(error).__name__}: {error}"
        self._session.entry_changed.emit(entry, "problem")

    def _removed(self, event: Any) -> None:
        """The user took a layer out: nothing is lost, and *Images* offers to show it again."""
        if self._ours:
            return
        entry = self._session.entry_of(event.value)
        if entry is None or event.value in self._session.viewer.layers:
            return
        role = next(role for role, layer in entry.layers.items() if layer is event.value)
        entry.hidden.add(role)
        self._session.entry_changed.emit(entry, "layers")


def _open(entry: ImageEntry) -> Shown:
    from napari_nucleidomain.data.images import open_image
    from napari_nucleidomain.data.understanding import Understanding

    if entry.image is None:
        if entry.path is None:
            raise NucleiError(f"{entry.name} has no file any more.", "Open it again.")
        entry.image = open_image(entry.path, Understanding.from_json(entry.understanding), name=entry.name)
    return read_for_show(entry.image)
