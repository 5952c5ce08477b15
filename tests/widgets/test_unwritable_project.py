"""A project folder that cannot be written to: told as such, and it stays told until it can be."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.widgets.images_dock import ImagesDock
from napari_nucleidomain.widgets.points_dock import PointsDock
from napari_nucleidomain.widgets.predict_dock import PredictDock
from napari_nucleidomain.widgets.review_dock import ReviewDock
from napari_nucleidomain.widgets.session import get_session
from napari_nucleidomain.widgets.storage import read_entries
from napari_nucleidomain.widgets.train_dock import TrainDock


class ReadOnlyFolder:
    """Every write under a folder is refused while `on`, as by a disk that is mounted for reading."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, code: int = errno.EROFS) -> None:
        self.on, self._root, self._code = True, str(folder), code
        for module, name in ((os, "open"), (io, "open"), (os, "mkdir"), (os, "replace"), (os, "unlink")):
            monkeypatch.setattr(module, name, self._guard(getattr(module, name), name))
        monkeypatch.setattr("builtins.open", io.open)

    def _guard(self, real: Any, name: str) -> Any:
        def guarded(path: Any, *rest: Any, **named: Any) -> Any:
            if self.on and not isinstance(path, int) and str(path).startswith(self._root):
                mode = rest[0] if rest else named.get("mode", "r")
                writes = (
                    mode & (os.O_RDWR | os.O_WRONLY | os.O_CREAT) if isinstance(mode, int) else set(mode) & set("wax+")
                )
                if name not in ("open",) or writes:
                    raise OSError(self._code, os.strerror(self._code), str(path))
            return real(path, *rest, **named)

        return guarded


@pytest.fixture
def project(session, bare_entry, nuclei) -> Path:
    """A project with an image and clicks, nobody in it."""
    session.set_points(bare_entry, nuclei[1])
    session.flush()
    session.close()
    return session.project_folder


def opened(viewer: Any, kind: Any) -> Any:
    dock = kind(viewer)
    viewer.window.add_dock_widget(dock)
    return dock


@pytest.mark.parametrize("code", [errno.EROFS, errno.ESTALE])
def test_it_is_told_stays_told_and_recovers(project, nuclei, make_napari_viewer, monkeypatch, qtbot, code):
    disk = ReadOnlyFolder(monkeypatch, project, code)
    session = get_session(make_napari_viewer(show=True), project)
    dock = opened(session.viewer, PointsDock)
    assert f"cannot be written to ({os.strerror(code)})" in dock.header.note.text()
    for _ in range(3):
        session.hold.look()
        assert f"cannot be written to ({os.strerror(code)})" in dock.header.note.text()
        assert "other viewer" not in dock.header.note.text().lower()
    (entry,) = session.images
    session.set_current(entry)
    qtbot.waitUntil(lambda: "clicks" in entry.layers and not entry.layers["clicks"].editable, timeout=60_000)
    tools = [*dock.tools.buttons.values(), dock.tools.region, dock.import_button, dock.suggest.button]
    assert not any(tool.isEnabled() for tool in tools)
    assert all("cannot be written to" in tool.toolTip() for tool in tools)
    assert not session.set_points(entry, nuclei[1][:1]) and len(entry.points) == len(nuclei[1])
    disk.on = False
    session.hold.look()
    assert session.read_only is None and not dock.header.note.isVisible()
    assert all(tool.isEnabled() for tool in tools) and entry.layers["clicks"].editable
    session.set_points(entry, nuclei[1][:4])
    session.flush()
    assert session.autosave.error is None and len(read_entries(session.project)[0][0].points) == 4
    session.close()


def test_the_tools_that_would_write_are_grey_in_every_dock(project, make_napari_viewer, monkeypatch, qtbot):
    ReadOnlyFolder(monkeypatch, project)
    session = get_session(make_napari_viewer(show=True), project)
    images, train, predict, review = (
        opened(session.viewer, kind) for kind in (ImagesDock, TrainDock, PredictDock, ReviewDock)
    )
    qtbot.waitUntil(lambda: bool(session.images) and not session.images[0].reading, timeout=60_000)
    session.set_current(session.images[0])
    for dock in (train, predict, review):
        dock.refresh()
    writes = [images.open_files, images.open_folder, images.layers, images.samples, images.use, images.attach.button]
    writes += [images.details.remove, train.train, predict.find, predict.models.take_in]
    assert [one.text() if hasattr(one, "text") else "Use" for one in writes if one.isEnabled()] == []
    assert all("cannot be written to" in one.toolTip() for one in writes)
    assert all("Read-only" in dock.header.note.text() for dock in (images, train, predict, review))
    session.close()


def test_what_was_clicked_when_it_was_taken_away_is_saved_once_it_is_back(session, bare_entry, nuclei, monkeypatch):
    session.set_points(bare_entry, nuclei[1])
    session.flush()
    disk = ReadOnlyFolder(monkeypatch, session.project_folder)
    session.set_points(bare_entry, nuclei[1][:3])
    session.flush()
    assert session.read_only is not None and "Read-only file system" in session.read_only.message
    session.hold.look()
    assert session.read_only is not None and len(bare_entry.points) == 3, "nothing is lost meanwhile"
    disk.on = False
    session.hold.look()
    assert session.read_only is None
    session.flush()
    assert len(read_entries(session.project)[0][0].points) == 3


def test_a_single_file_that_is_open_elsewhere_locks_nothing(session, bare_entry, nuclei, monkeypatch):
    session.set_points(bare_entry, nuclei[1])
    session.flush()
    disk = ReadOnlyFolder(monkeypatch, session.project.data / "points", errno.EACCES)
    session.set_points(bare_entry, nuclei[1][:3])
    session.flush()
    assert session.autosave.error is not None and session.read_only is None
    disk.on = False
    session.flush()
    assert session.autosave.error is None


def test_others_work_in_it_meanwhile_is_not_written_over(project, nuclei, make_napari_viewer, monkeypatch):
    disk = ReadOnlyFolder(monkeypatch, project)
    session = get_session(make_napari_viewer(show=True), project)
    dock = opened(session.viewer, PointsDock)
    disk.on = False
    file = next((project / "data" / "points").glob("*.csv"))
    file.write_text("\n".join(file.read_text().splitlines()[:3]) + "\n")
    session.hold.look()
    assert session.read_only is not None and "what is in it has changed" in dock.header.note.text()
    dock.header.open_project(project)
    assert session.read_only is None and len(session.images[0].points) == 2
    session.close()


@pytest.mark.parametrize("how", ["a disk for reading", "a file in its place"])
def test_a_project_that_cannot_be_made_is_told_too(tmp_path, make_napari_viewer, monkeypatch, how):
    folder = tmp_path / "away" / "Projekt"
    if how == "a file in its place":
        folder.parent.write_text("I am a file")
        disk = None
    else:
        disk = ReadOnlyFolder(monkeypatch, folder.parent)
    session = get_session(make_napari_viewer(show=True), folder)
    dock = opened(session.viewer, PointsDock)
    with pytest.raises(NucleiError, match="cannot be written to"):
        _ = session.project
    session.hold.look()
    assert "cannot be written to" in dock.header.note.text() and session.read_only is not None
    with pytest.raises(NucleiError, match="cannot be written to"):
        session.add_entry("new", pixels=np.zeros((8, 8)))
    if disk is None:
        assert "a file stands where a folder is needed" in dock.header.note.text()
        folder.parent.unlink()
    else:
        disk.on = False
    session.hold.look()
    assert session.read_only is None and session.project.path == folder and not dock.header.note.isVisible()
    session.close()
