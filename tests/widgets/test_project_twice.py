"""A project opened in two viewers: the second one reads only, says so, and works once it is free."""

from __future__ import annotations

import numpy as np
import pytest

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.widgets import train_dock
from napari_nucleidomain.widgets.points_dock import PointsDock
from napari_nucleidomain.widgets.session import get_session
from napari_nucleidomain.widgets.storage import read_entries


@pytest.fixture
def first(session, bare_entry, nuclei):
    """A viewer with clicks, and their project."""
    session.set_points(bare_entry, nuclei[1])
    session.flush()
    return session


@pytest.fixture
def second(first, make_napari_viewer):
    made = get_session(make_napari_viewer(show=True), first.project_folder)
    yield made
    made.close()


def open_dock(session, kind):
    made = kind(session.viewer)
    session.viewer.window.add_dock_widget(made)
    return made


def stored_clicks(session):
    return len(read_entries(session.project)[0][0].points)


def test_second_viewer_reads_only_until_it_is_free(first, second, nuclei, image_file, qtbot):
    dock = open_dock(second, PointsDock)
    assert first.read_only is None and second.read_only is not None
    assert "Read-only: The project Projekt Ü 1 is open in another viewer on this computer" in dock.header.note.text()
    entry = second.images[0]
    assert len(entry.points) == len(nuclei[1]), "everything can be looked at"
    second.set_current(entry)
    qtbot.waitUntil(lambda: "clicks" in entry.layers)
    clicks = entry.layers["clicks"]
    qtbot.waitUntil(lambda: not clicks.editable)
    second.annotations.use("click")
    assert clicks.mode == "pan_zoom"
    assert entry.layers["image"].editable, "the picture's own sliders stay"
    assert not dock.trouble.isVisible(), "looking is no fault"

    second.annotations.change(entry, points=np.zeros((0, 2)))
    assert len(entry.points) == len(nuclei[1])
    assert "open in another viewer" in dock.trouble.text()
    with pytest.raises(NucleiError, match="open in another viewer"):
        second.add_entry("new", path=image_file)
    with pytest.raises(NucleiError, match="open in another viewer"):
        second.training_data()
    second.remove_entry(entry)
    assert second.images == [entry]

    first.set_points(first.images[0], nuclei[1][:5])
    first.close()
    second.hold.look()
    assert "has closed this project" in dock.header.note.text() and second.read_only is not None
    dock.header.open_project(second.project_folder)
    assert second.read_only is None and not dock.header.note.isVisible()
    entry = second.images[0]
    assert len(entry.points) == 5, "what the other viewer did last is there"
    second.set_current(entry)
    qtbot.waitUntil(lambda: "clicks" in entry.layers)
    assert entry.layers["clicks"].editable
    second.set_points(entry, nuclei[1][:7])
    second.flush()
    assert stored_clicks(second) == 7


def test_train_says_why_it_cannot(first, second, monkeypatch, qtbot):
    dock = open_dock(second, train_dock.TrainDock)
    qtbot.waitUntil(lambda: not dock._background.busy)
    dock.refresh()
    assert not dock.train.isEnabled() and "open in another viewer" in dock.train.toolTip()


def test_project_lost_while_this_computer_slept(first, nuclei):
    told = []
    first.read_only_changed.connect(lambda: told.append(first.read_only))
    first.hold._hold.lost = True
    first.hold.look()
    assert told and told[-1] is not None
    before = stored_clicks(first)
    first.set_points(first.images[0], nuclei[1][:2])
    first.flush()
    assert stored_clicks(first) == before


def test_folder_that_cannot_be_written_is_looked_at(first, nuclei, make_napari_viewer, monkeypatch, qtbot):
    import errno
    import os

    folder = first.project_folder
    first.close()
    real = os.open

    def fail(path, *rest, **named):
        if str(path).startswith(str(folder)) and str(path).endswith(".lock"):
            raise OSError(errno.EROFS, "Read-only file system")
        return real(path, *rest, **named)

    monkeypatch.setattr(os, "open", fail)
    session = get_session(make_napari_viewer(show=True), folder)
    dock = open_dock(session, PointsDock)
    assert "cannot be written to (Read-only file system)" in dock.header.note.text()
    assert "choose a folder of your own" in dock.header.note.text()
    assert len(session.images[0].points) == len(nuclei[1])
    session.close()


def test_a_project_and_image_deep_down_keep_their_clicks(make_napari_viewer, nuclei, tmp_path):
    import skimage.io

    folder = tmp_path / ("Färbung 3 данные " * 4).strip() / ("組織 切片 été & hiver " * 4).strip()
    picture = folder / "Bilder" / "Schnitt 7 β-Aktin.png"
    picture.parent.mkdir(parents=True)
    skimage.io.imsave(picture, nuclei[0], check_contrast=False)
    assert len(str(picture)) > 200
    session = get_session(make_napari_viewer(), folder / "Projekt")
    entry = session.add_entry(picture.stem, path=picture)
    session.set_points(entry, nuclei[1])
    session.flush()
    assert session.autosave.error is None
    session.close()
    again = get_session(make_napari_viewer(), folder / "Projekt")
    again.restore()
    (found,) = again.images
    assert (found.path, found.problem, len(found.points)) == (picture, "", len(nuclei[1]))
    again.close()
