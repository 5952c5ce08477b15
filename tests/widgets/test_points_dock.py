"""The Points dock in a real window, with real clicks on the canvas."""

from __future__ import annotations

import time

import canvas
import numpy as np
import pytest
import shapely
from qtpy.QtCore import Qt

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.points import read_points, write_points
from napari_nucleidomain.data.regions import read_regions
from napari_nucleidomain.widgets.points_dock import PointsDock
from napari_nucleidomain.widgets.session import get_session

CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def work(qtbot, session, image_file):
    """An image in the viewer and the dock beside it."""
    entry = session.add_entry("cells", path=image_file)
    dock = PointsDock(session.viewer)
    session.viewer.window.add_dock_widget(dock, name="Points (Nuclei)")
    session.set_current(entry)
    qtbot.waitUntil(lambda: "image" in entry.layers and entry.layers["image"] in session.viewer.layers, timeout=8000)
    return session, entry, dock


def test_click_move_erase_and_undo_by_hand(work, nuclei):
    session, entry, dock = work
    viewer, centres = session.viewer, nuclei[1]
    dock.tools.buttons["click"].click()
    layer = entry.layers["clicks"]
    for centre in centres[:4]:
        canvas.click(viewer, layer, centre)
    np.testing.assert_allclose(entry.points, centres[:4], atol=1.0)
    dock.tools.buttons["move"].click()
    canvas.drag(viewer, layer, entry.points[0], entry.points[0] + (0, 12))
    np.testing.assert_allclose(entry.points[0], centres[0] + (0, 12), atol=2.0)
    dock.tools.buttons["erase"].click()
    canvas.click(viewer, layer, entry.points[2])
    assert len(entry.points) == 3
    canvas.key(viewer, Qt.Key.Key_Z, CTRL)
    assert len(entry.points) == 4
    canvas.key(viewer, Qt.Key.Key_Z, CTRL)
    np.testing.assert_allclose(entry.points[0], centres[0], atol=1.0)
    canvas.key(viewer, Qt.Key.Key_Z, CTRL | SHIFT)
    np.testing.assert_allclose(entry.points[0], centres[0] + (0, 12), atol=2.0)
    assert session.annotations.mode == "erase", "undo does not take the tool away"


def test_erasing_a_bare_place_removes_nothing_and_a_drag_moves_the_picture(work, nuclei):
    session, entry, dock = work
    session.annotations.change(entry, points=nuclei[1])
    dock.tools.buttons["erase"].click()
    layer = entry.layers["clicks"]
    canvas.click(session.viewer, layer, nuclei[1][0] + (0, 20))
    before = session.viewer.scene.camera.center
    canvas.drag(session.viewer, layer, nuclei[1][0], nuclei[1][0] + (30, 30))
    assert len(entry.points) == len(nuclei[1])
    assert session.viewer.scene.camera.center != before


def test_a_region_is_drawn_and_undone_across_layers(work, nuclei):
    session, entry, dock = work
    dock.tools.buttons["click"].click()
    canvas.click(session.viewer, entry.layers["clicks"], nuclei[1][0])
    dock.tools.region.click()
    assert not dock.complete.isChecked(), "there is no region whose nuclei could be clicked"
    canvas.drag(session.viewer, entry.layers["regions"], (10, 10), (100, 140))
    assert len(entry.regions) == 1
    np.testing.assert_allclose(entry.regions[0].min(0), (10, 10), atol=1.5)
    np.testing.assert_allclose(entry.regions[0].max(0), (100, 140), atol=1.5)
    assert "1 region" in dock._status(entry)
    dock.refresh()
    assert dock.complete.isEnabled() and not dock.complete.isChecked(), "only the person can say it"
    dock.complete.click()
    assert entry.complete
    canvas.key(session.viewer, Qt.Key.Key_Z, CTRL)
    assert (len(entry.regions), len(entry.points)) == (0, 1)
    canvas.key(session.viewer, Qt.Key.Key_Z, CTRL)
    assert (len(entry.regions), len(entry.points)) == (0, 0)
    dock.tools.redo.click()
    dock.tools.redo.click()
    assert (len(entry.regions), len(entry.points)) == (1, 1)


def test_a_slip_of_the_mouse_is_no_region(work):
    session, entry, dock = work
    dock.tools.region.click()
    layer = entry.layers["regions"]
    canvas.click(session.viewer, layer, (50, 50))
    canvas.drag(session.viewer, layer, (60, 60), (61, 62))
    assert not entry.regions
    assert not len(layer.data)
    assert not session.annotations.history(entry).can_undo
    canvas.drag(session.viewer, layer, (60, 60), (120, 120))
    assert len(entry.regions) == 1


def test_a_polygon_is_drawn_by_clicks(work):
    session, entry, dock = work
    session.annotations.use("polygon")
    layer = entry.layers["regions"]
    for corner in ((20, 20), (20, 150), (120, 150), (150, 40)):
        canvas.click(session.viewer, layer, corner)
    canvas.key(session.viewer, Qt.Key.Key_Escape)
    assert len(entry.regions) == 1
    assert len(entry.regions[0]) == 4


def test_clicks_are_on_disk_within_three_seconds_of_clicking_without_a_pause(qtbot, work, nuclei):
    session, entry, dock = work
    dock.tools.buttons["click"].click()
    layer, path = entry.layers["clicks"], session.project.data / "points" / f"{entry.id}.csv"
    began, seen = time.monotonic(), None
    while time.monotonic() - began < 3.0 and seen is None:
        canvas.click(session.viewer, layer, nuclei[1][len(entry.points) % len(nuclei[1])])
        if path.exists() and len(read_points(path)):
            seen = time.monotonic() - began
    assert seen is not None and seen < 3.0
    qtbot.waitUntil(lambda: not session.autosave.pending, timeout=5000)
    np.testing.assert_array_equal(read_points(path), entry.points)
    assert "saved" in dock._status(entry) and "✓" in dock._status(entry)


def test_a_project_opens_again_with_everything(work, make_napari_viewer, nuclei):
    session, entry, _ = work
    session.annotations.change(entry, points=nuclei[1], regions=[np.array([[0, 0], [0, 90], [90, 90], [90, 0]], float)])
    entry.group, entry.use = "patient 7", "check"
    session.touch(entry, "use")
    session.flush()
    other = get_session(make_napari_viewer(), session.project.path)
    other.restore()
    (again,) = other.images
    np.testing.assert_array_equal(again.points, nuclei[1])
    np.testing.assert_allclose(again.regions[0], entry.regions[0])
    assert (again.group, again.use, again.path) == ("patient 7", "check", entry.path)
    other.close()


def test_another_viewer_never_writes_over_the_list(work, make_napari_viewer, nuclei, tmp_path):
    session, entry, _ = work
    session.annotations.change(entry, points=nuclei[1])
    session.flush()
    # It loses the project without noticing yet: another computer held this one, which slept, for gone.
    session.hold.release()
    other = get_session(make_napari_viewer(), session.project.path)
    mine = other.add_entry("cells", path=tmp_path / "elsewhere" / "cells.png")
    assert mine.id != entry.id
    other.set_points(mine, nuclei[1][:2])
    other.flush()
    session.set_points(entry, nuclei[1][:7])
    session.flush()
    third = get_session(make_napari_viewer(), session.project.path)
    third.restore()
    assert {one.id: len(one.points) for one in third.images} == {entry.id: len(nuclei[1]), mine.id: 2}
    kept = session.project.data / "points" / f"{entry.id}.kept-1.csv"
    assert len(read_points(kept)) == 7, "what it did then is not lost"
    other.close()
    third.close()


def test_an_image_taken_off_the_list_comes_back_with_its_clicks(work, make_napari_viewer, nuclei):
    session, entry, _ = work
    session.annotations.change(entry, points=nuclei[1])
    session.remove_entry(entry)
    session.flush()
    assert not session.images and entry.layers == {}
    session.close()
    other = get_session(make_napari_viewer(), session.project.path)
    other.restore()
    assert not other.images
    again = other.add_entry("cells", path=entry.path)
    np.testing.assert_array_equal(again.points, nuclei[1])
    other.close()


def test_a_damaged_list_is_kept_and_told(work, make_napari_viewer, nuclei):
    session, entry, _ = work
    session.annotations.change(entry, points=nuclei[1])
    session.flush()
    data, path = session.project.data, session.project.path
    session.close()
    (data / "images.json").write_text('{"images": [')
    other = get_session(make_napari_viewer(), path)
    dock = PointsDock(other.viewer)
    assert "damaged" in dock.header.note.text()
    assert (data / "images.damaged.json").exists()
    fresh = other.add_entry("cells", path=entry.path)
    assert fresh.id != entry.id
    other.flush()
    assert len(read_points(data / "points" / f"{entry.id}.csv")) == len(nuclei[1])
    other.close()
    dock.close()


def test_a_closed_dock_is_not_spoken_to_and_opens_again(qtbot, work, nuclei):
    from qtpy.QtCore import QCoreApplication, QEvent

    session, entry, dock = work
    session.viewer.window.remove_dock_widget(dock)
    dock.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    session.annotations.change(entry, points=nuclei[1])
    session.flush()
    session.step(1)
    session.set_current(None)
    again = PointsDock(session.viewer)
    qtbot.addWidget(again)
    session.set_current(entry)
    assert f"{len(nuclei[1])} clicks" in again._status(entry)


def test_the_dataset_for_training_holds_clicks_and_regions(work, nuclei):
    from napari_nucleidomain.data.dataset import open_dataset

    session, entry, _ = work
    session.annotations.change(entry, points=nuclei[1], regions=[np.array([[0, 0], [0, 90], [90, 90], [90, 0]], float)])
    dataset = open_dataset(session.training_data())
    (example,) = dataset.examples(split="train", has=["points", "regions"])
    np.testing.assert_array_equal(example.load_points(), nuclei[1])
    assert not dataset.problems
    entry.use = "predict"
    session.touch(entry, "use")
    with pytest.raises(NucleiError, match="no images"):
        open_dataset(session.training_data())


def test_a_full_disk_is_told_and_nothing_is_lost(qtbot, work, nuclei, monkeypatch):
    from napari_nucleidomain.widgets import storage

    session, entry, dock = work
    real = storage.write

    def full(content):
        raise NucleiError("The disk is full.", "Free some space.")

    monkeypatch.setattr(storage, "write", full)
    session.annotations.change(entry, points=nuclei[1])
    session.flush()
    assert "disk is full" in dock.trouble.text()
    assert "not saved" in dock._status(entry)
    with pytest.raises(NucleiError, match="disk is full"):
        session.training_data()
    monkeypatch.setattr(storage, "write", real)
    session.flush()
    path = session.project.data / "points" / f"{entry.id}.csv"
    np.testing.assert_array_equal(read_points(path), nuclei[1])
    assert not dock.trouble.isVisible()


def test_checks_are_shown_and_mended(qtbot, work, nuclei):
    session, entry, dock = work
    box = np.array([[5, 5], [5, 130], [120, 130], [120, 5]], float)
    points = np.vstack([nuclei[1][:3], nuclei[1][0] + 1, [180.0, 200.0]])
    session.annotations.change(entry, points=points, regions=[box])
    dock.checks.refresh()
    kinds = {one.kind: one for one in dock.checks.found}
    assert set(kinds) >= {"close", "outside"}
    dock.checks.remove(entry, kinds["close"])
    assert len(entry.points) == 4
    dock.checks.refresh()
    outside = next(one for one in dock.checks.found if one.kind == "outside")
    dock.checks.extend(entry, outside)
    dock.checks.refresh()
    assert "outside" not in {one.kind for one in dock.checks.found}


def test_clicks_of_another_image_are_refused(work, tmp_path):
    session, entry, dock = work
    path = write_points(np.random.default_rng(0).uniform(0, 2000, (40, 2)), tmp_path / "other.csv")
    dock.import_from(path)
    assert not len(entry.points)
    assert "belong to another image" in dock.ask.text()


def test_import_and_export_round_trip(work, nuclei, tmp_path):
    session, entry, dock = work
    dock.import_from(write_points(nuclei[1], tmp_path / "a.geojson"))
    np.testing.assert_allclose(entry.points, nuclei[1])
    dock.import_from(write_points(nuclei[1], tmp_path / "a.csv"))
    assert len(entry.points) == len(nuclei[1]), "what is there already is not doubled"
    session.annotations.change(entry, regions=[np.array([[0, 0], [0, 90], [90, 90], [90, 0]], float)])
    dock.export_to(tmp_path / "r.geojson", "regions")
    assert len(read_regions(tmp_path / "r.geojson")) == 1
    session.annotations.undo()
    session.annotations.undo()
    assert not len(entry.points)


def test_train_asks_for_the_region_when_none_was_drawn(work, nuclei, monkeypatch):
    from napari_nucleidomain.widgets import points_dock

    opened = []
    monkeypatch.setattr(points_dock, "open_dock", lambda session, which: opened.append(which))
    session, entry, dock = work
    few = nuclei[1][:6]
    session.annotations.change(entry, points=few)
    dock.go_train()
    assert not opened, "nothing begins before the person answered"
    assert "Is every nucleus inside it clicked" in dock.ask.text()
    (region,) = entry.regions
    assert region[:, 0].max() < 100, "the rest of the image is not taken for background"
    dock._answer(entry, True)
    assert opened == ["train"] and entry.complete


@pytest.mark.parametrize("zoom", [0.05, 1.0, 17.0])
def test_dots_keep_their_size_on_the_screen_and_for_the_mouse(qtbot, work, nuclei, zoom):
    session, entry, _ = work
    session.annotations.change(entry, points=nuclei[1])
    layer = session.annotations.clicks(entry)
    session.viewer.scene.camera.zoom = zoom
    qtbot.waitUntil(lambda: np.allclose(layer.size * layer.scale[-1] * zoom, 8, rtol=0.03), timeout=2000)
    layer.add([1.0, 1.0])
    assert layer.size[-1] == pytest.approx(layer.size[0])


def test_clicks_on_planes_nearby_are_shown_faded(qtbot, session, tmp_path, nuclei):
    import tifffile

    path = tmp_path / "stack.ome.tif"
    tifffile.imwrite(path, np.stack([nuclei[0]] * 12), metadata={"axes": "ZYX"}, ome=True)
    entry = session.add_entry("stack", path=path)
    session.set_current(entry)
    qtbot.waitUntil(lambda: "image" in entry.layers and entry.layers["image"] in session.viewer.layers, timeout=8000)
    viewer = session.viewer
    viewer.dims.set_current_step(0, 4)
    session.annotations.use("click")
    canvas.click(viewer, entry.layers["clicks"], (4, *nuclei[1][0]))
    np.testing.assert_allclose(entry.points[0], (4, *nuclei[1][0]), atol=1)
    assert "nearby" not in entry.layers
    viewer.dims.set_current_step(0, 6)
    qtbot.waitUntil(lambda: "nearby" in entry.layers, timeout=2000)
    np.testing.assert_allclose(entry.layers["nearby"].data, entry.points[:, 1:])
    assert viewer.layers.selection.active is entry.layers["clicks"]
    assert entry.layers["clicks"].mode == "add"
    viewer.dims.set_current_step(0, 11)
    qtbot.waitUntil(lambda: "nearby" not in entry.layers, timeout=2000)


def test_next_image_takes_the_tool_along(qtbot, work, nuclei, tmp_path):
    import skimage.io

    session, entry, dock = work
    path = tmp_path / "second.png"
    skimage.io.imsave(path, nuclei[0][::-1], check_contrast=False)
    second = session.add_entry("second", path=path)
    dock.tools.buttons["click"].click()
    canvas.click(session.viewer, entry.layers["clicks"], nuclei[1][0])
    dock.refresh()
    dock.next.click()
    qtbot.waitUntil(lambda: session.annotations.mode == "click" and "clicks" in second.layers, timeout=8000)
    assert entry.layers["clicks"] not in session.viewer.layers
    canvas.click(session.viewer, second.layers["clicks"], nuclei[1][1])
    assert (len(entry.points), len(second.points)) == (1, 1)
    dock.back.click()
    assert entry.layers["clicks"] in session.viewer.layers
    assert second.layers["clicks"] not in session.viewer.layers


def test_others_layers_and_tools_are_left_alone(work, nuclei):
    session, entry, dock = work
    viewer = session.viewer
    mine = viewer.add_labels(np.zeros((200, 240), np.int32), name="mine")
    mine.mode = "paint"
    viewer.scene.camera.zoom = 3.3
    view = (viewer.scene.camera.center, viewer.scene.camera.zoom)
    session.annotations.clicks(entry)
    session.annotations.regions(entry)
    session.annotations.change(entry, points=nuclei[1])
    assert viewer.layers.selection.active is mine
    assert mine.mode == "paint"
    assert (viewer.scene.camera.center, viewer.scene.camera.zoom) == view


def test_a_region_that_grows_takes_the_promise_back_and_cuts_no_nucleus(work, nuclei):
    session, entry, dock = work
    centres = nuclei[1]
    inner = np.array([[5, 5], [5, 140], [160, 140], [160, 5]], float)
    session.annotations.change(entry, points=centres, regions=[inner])
    dock.refresh()
    dock.complete.click()
    assert entry.complete
    session.set_regions(entry, [inner[:, :] * 0.9 + 3])
    assert entry.complete, "a smaller region holds nothing new"
    (check,) = [one for one in dock.checks._look(entry) if one.kind == "outside"]
    dock.checks.extend(entry, check)
    dock.refresh()
    assert not entry.complete and not dock.complete.isChecked()
    region = shapely.Polygon(entry.regions[0])
    assert all(region.contains(shapely.Point(centre).buffer(9)) for centre in centres), "nuclei of 9 px radius"


def test_an_empty_patch_is_pointed_out_for_a_while(work):
    session, entry, dock = work
    grid = np.stack(np.meshgrid(np.arange(5, 100, 10.0), np.arange(5, 100, 10.0)), -1).reshape(-1, 2)
    points = grid[np.linalg.norm(grid - 55, axis=1) > 40]
    session.annotations.change(
        entry, points=points, regions=[np.array([[0, 0], [0, 110], [110, 110], [110, 0]], float)]
    )
    (check,) = [one for one in dock.checks._look(entry) if one.kind == "patch"]
    active = session.viewer.layers.selection.active
    dock.checks.show_check(entry, check)
    np.testing.assert_allclose(entry.layers["here"].data[0], check.where)
    assert session.viewer.layers.selection.active is active
    dock.checks._mark_timer.timeout.emit()
    assert "here" not in entry.layers
