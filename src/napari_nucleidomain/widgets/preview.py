"""The live preview: one layer, updated in place, that takes neither selection nor tool nor camera."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.npz import read_npz

from . import layers
from .newest import Newest
from .view import same_file, view_box

if TYPE_CHECKING:
    from napari_nucleidomain.contracts.events import Preview

    from .entry import ImageEntry
    from .run_follow import RunFollower
    from .session import Session

ROLE = "preview"
NAME = "preview of the training (a part only)"
_ASK_AFTER_MS = 400
_MOST = 1024
_MOST_BYTES = 256 << 20


def read_preview(file: Path) -> np.ndarray:
    """The labels of a preview file, as uint32.

    Raises
    ------
    OSError, ValueError, KeyError
        It is gone, cut short, or holds no labels.
    """
    return _read(file)["labels"]


def _read(file: Path) -> dict[str, np.ndarray]:
    """Every label image of a preview file: "labels", and "before" where the training goes on from a model."""
    content = read_npz(file, _MOST_BYTES)
    found = {name: np.asarray(content[name], dtype=np.uint32) for name in ("labels", "before") if name in content}
    if "labels" not in found:
        raise KeyError(f"{file} holds no labels")
    return found


class LivePreview(QObject):
    """Shows what a training makes of the part of the image that is on screen, and tells the training where that is.

    Signals
    -------
    shown(str)
        A preview came on screen; its note ("SPN, watershed").
    before_known(str)
        Name of the model the training goes on from, once there is a preview of it; "" where there is none.
    """

    shown = Signal(str)
    before_known = Signal(str)

    def __init__(self, session: Session, follower: RunFollower) -> None:
        super().__init__(session)
        self._session, self._follower = session, follower
        self._background = Newest(self)
        self._on = True
        self._asked: tuple[str, Any] | None = None
        self._owner: ImageEntry | None = None
        self._layer: Any = None
        self._latest: tuple[Preview, dict[str, np.ndarray]] | None = None
        self._before = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_ASK_AFTER_MS)
        self._timer.timeout.connect(self.ask)
        follower.previewed.connect(self._arrived)
        follower.state_changed.connect(self._state_changed)
        session.current_changed.connect(self._moved)
        session.stage.ready.connect(self._image_ready)
        session.run_changed.connect(self._run_changed)
        session.closing.connect(self._close)
        camera = session.viewer.scene.camera
        camera.events.center.connect(self._moved)
        camera.events.zoom.connect(self._moved)
        session.viewer.dims.events.point.connect(self._moved)

    @property
    def on(self) -> bool:
        """Whether previews are shown."""
        return self._on

    @on.setter
    def on(self, on: bool) -> None:
        self._on = on
        if not on:
            self.remove()
        else:
            self._layer = self._asked = None
            self.ask()
            if self._follower.story.preview is not None:
                self._arrived([self._follower.story.preview])

    @property
    def before(self) -> bool:
        """Whether the model that the training goes on from is shown in place of the new one."""
        return self._before

    @before.setter
    def before(self, on: bool) -> None:
        self._before = on
        if self._latest is not None:
            self._show(*self._latest)

    def _run_changed(self, run: Any) -> None:
        self._latest = None
        self.before_known.emit("")
        if run is None or self._taken_away():
            # A layer that was removed during the last training may come again with the next.
            self._layer = self._owner = None
        self._asked = None

    def _moved(self, *_: Any) -> None:
        if self._on and self._follower.state == "running" and not self._timer.isActive():
            self._timer.start()

    def _state_changed(self, state: str) -> None:
        if state == "running":
            self._asked = None
            self._moved()

    def ask(self) -> None:
        """Tell the training what is on screen, if that has changed."""
        run, entry = self._follower.run, self._session.current
        if run is None or entry is None or entry.path is None or not self._on:
            return
        box = view_box(self._session, entry, most=_MOST)
        if box is None or self._asked == (str(entry.path), box):
            return
        try:
            run.request_preview(str(entry.path), box)
        except NucleiError:
            # A full disk is told by the run itself; without the request it shows a part of its own choice.
            return
        self._asked = (str(entry.path), box)

    def _arrived(self, previews: list[Preview]) -> None:
        run = self._follower.run
        if not self._on or run is None:
            return
        latest = previews[-1]
        self._background.run(
            "preview",
            _read,
            run.path / latest.file,
            done=lambda found: self._show(latest, found),
            # Overtaken and removed, or still being copied by a sync client: the next one comes soon.
            failed=lambda error: None,
        )

    def _show(self, preview: Preview, found: dict[str, np.ndarray]) -> None:
        self._latest = (preview, found)
        run = self._follower.run
        parent = run.job.parent if run is not None and "before" in found else ""
        self.before_known.emit(Path(parent).name if parent else "")
        before = self._before and "before" in found
        entry = next((one for one in self._session.images if same_file(one.path, preview.image)), None)
        if entry is None or not self._on or self._taken_away():
            return
        if entry is not self._session.current or layers.in_viewer(self._session, entry, "image") is None:
            # Over another image, or over none, it would mean nothing; it comes with its own (`_image_ready`).
            return
        if self._owner is not None and self._owner is not entry:
            self.remove()
        self._owner = entry
        labels = found["before" if before else "labels"]
        self._layer = layers.put_labels(
            self._session, entry, ROLE, NAME, labels, origin=tuple(preview.origin), opacity=0.5
        )
        self._layer.name = f"before: {Path(parent).name} (a part only)" if before and parent else NAME
        self.shown.emit(preview.note)

    def _image_ready(self, entry: ImageEntry) -> None:
        if self._latest is not None and same_file(entry.path, self._latest[0].image):
            self._show(*self._latest)

    def _taken_away(self) -> bool:
        """Whether the person removed the layer: then it stays away until asked for again."""
        return self._layer is not None and self._layer not in self._session.viewer.layers

    def remove(self) -> None:
        """Take the preview out of the viewer."""
        if self._owner is not None:
            layers.remove(self._session, self._owner, ROLE)
        self._owner = self._layer = None

    def _close(self) -> None:
        self._timer.stop()
        self._background.close()
