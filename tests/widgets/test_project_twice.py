"""A project opened in two viewers: the second one reads only, says so, and works once it is free."""

from __future__ import annotations

import time

import numpy as np
import pytest

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import read_json, write_json
from napari_nucleidomain.data.corrections import StoredCorrections
from napari_nucleidomain.data.points import read_points, write_points
from napari_nucleidomain.widgets import train_dock
from napari_nucleidomain.widgets.images_attach_box import AttachMenu
from napari_nucleidomain.widgets.images_pairing import Choice, Row
from napari_nucleidomain.widgets.images_pairing_box import PairingTable
from napari_nucleidomain.widgets.points_dock import PointsDock
from napari_nucleidomain.widgets.review_corrections import UseCorrections
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


def in_other_hands(session):
    """Another computer signs the project's owner file."""
    file = session.project_folder / "viewer" / "owner.json"
    write_json(file, {**read_json(file), "token": "other", "host": "elsewhere", "taken": time.time()})


@pytest.mark.parametrize("noticed", ["before the save", "by the save", "given back meanwhile"])
def test_unsaved_clicks_are_not_written_over_a_new_owners(first, nuclei, noticed):
    entry, told = first.images[0], []
    first.save_failed.connect(told.append)
    file = first.project.data / "points" / f"{entry.id}.csv"
    first.set_points(entry, nuclei[1][:2])
    in_other_hands(first)
    write_points(nuclei[1][:9], file)
    if noticed == "before the save":
        first.hold._hold.lost = True
        first.hold.look()
    elif noticed == "given back meanwhile":
        (first.project_folder / "viewer" / "owner.json").unlink()
    first.close()
    np.testing.assert_array_equal(read_points(file), nuclei[1][:9])
    np.testing.assert_array_equal(read_points(file.with_name(f"{entry.id}.kept-1.csv")), nuclei[1][:2])
    assert f"points/{entry.id}.kept-1.csv" in str(told[-1]) and first.read_only is not None
    assert not list(first.project.data.glob("images.kept*")), "nothing else was said here"
    assert not first.autosave.pending


def test_what_was_said_of_an_image_is_kept_aside_too(first):
    entry = first.images[0]
    entry.use = "check"
    first.touch(entry, "use")
    in_other_hands(first)
    first.flush()
    assert first.read_only is not None, "noticed at once"
    kept = read_json(first.project.data / "images.kept-1.json")
    assert kept["images"][0]["use"] == "check"
    assert read_json(first.project.data / "images.json")["images"][0]["use"] == "train"
    assert not list(first.project.data.glob("points/*.kept*"))


def test_a_disk_that_is_away_for_a_moment_loses_nothing(first, nuclei):
    entry = first.images[0]
    owner = first.project_folder / "viewer" / "owner.json"
    signed = owner.read_bytes()
    owner.write_bytes(b"{")
    first.set_points(entry, nuclei[1][:2])
    first.flush()
    assert first.autosave.pending and stored_clicks(first) == len(nuclei[1])
    owner.write_bytes(signed)
    first.flush()
    assert stored_clicks(first) == 2 and first.read_only is None


def test_nothing_is_attached_where_nothing_is_saved(first, second, image_file, qtbot, tmp_path):
    second.restore()
    entry, told, changed = second.images[0], [], []
    second.entry_changed.connect(lambda _, what: changed.append(what))
    table = PairingTable(second)
    qtbot.addWidget(table)
    table.attached.connect(told.append)
    table.rows = [Row(entry, {"labels": Choice(image_file, "", "fits", "1"), "points": Choice()})]
    table.attach_all()
    assert entry.labels is None and not told
    assert "open in another viewer" in table.told.text()
    review = UseCorrections(second)
    qtbot.addWidget(review)
    assert not review._replace(entry, StoredCorrections(tmp_path / "a.tif", tmp_path / "a.geojson", 3))
    assert entry.corrections is None and "open in another viewer" in review.message.text()
    box = AttachMenu(second)
    qtbot.addWidget(box.button)
    box.show_entry(entry)
    box.take_labels_file(image_file)
    assert "open in another viewer" in box.told.text()
    assert not changed


def test_a_session_refuses_what_it_cannot_save(first, second, nuclei):
    second.restore()
    entry, told = second.images[0], []
    second.save_failed.connect(told.append)
    assert not second.touch(entry, "use", use="check")
    assert not second.set_points(entry, nuclei[1][:1])
    assert not second.set_regions(entry, [nuclei[1][:3]])
    assert (entry.use, len(entry.points), entry.regions) == ("train", len(nuclei[1]), [])
    assert len(told) == 3
    second.opened(entry, "understanding")
    assert len(told) == 3 and not second.autosave.pending, "to open an image is no fault"


def test_a_click_set_by_a_script_is_taken_back(first, second, nuclei, qtbot):
    second.restore()
    entry = second.images[0]
    second.set_current(entry)
    qtbot.waitUntil(lambda: "clicks" in entry.layers)
    clicks = entry.layers["clicks"]
    clicks.add([1.0, 1.0])
    qtbot.waitUntil(lambda: len(clicks.data) == len(nuclei[1]))
    assert len(entry.points) == len(nuclei[1])
    assert not second.annotations.history(entry).can_undo
