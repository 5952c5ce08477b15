"""Volumes in a real window: their size is asked for, they are predicted, walked through and corrected in 2D and 3D."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.events import StageEvent, Warned
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.understanding import Understanding
from napari_nucleidomain.runs.job import ImageRef, PredictJob
from napari_nucleidomain.widgets import layers, predict_dock, predict_run
from napari_nucleidomain.widgets.export import save_labels
from napari_nucleidomain.widgets.image_layers import make_layers, read_for_show
from napari_nucleidomain.widgets.images_dock import ImagesDock
from napari_nucleidomain.widgets.predict_run import read_for_show as read_result
from napari_nucleidomain.widgets.result_layers import result_layers
from napari_nucleidomain.widgets.results import find_results
from napari_nucleidomain.widgets.review_figure import FigureStyle, draw_figure
from napari_nucleidomain.widgets.review_volumes import outline_on
from napari_nucleidomain.widgets.sizes_typed import read_size, size_text
from napari_nucleidomain.widgets.wording import density_words

from .buttons import offered, press
from .canvas import click, drag, native, settle
from .test_predict_dock import begin, finish, poll
from .test_review_dock import dock, ready  # noqa: F401
from .trainer import Predictor, Worker

SPACING = (2.0, 0.5, 0.5)
CENTRES = [(6, 12, 12), (6, 12, 40), (14, 36, 12), (14, 36, 40)]


def balls() -> np.ndarray:
    """Four balls of 8 µm in voxels four times as deep as wide: (20, 50, 54) uint32."""
    z, y, x = np.mgrid[:20, :50, :54]
    labels = np.zeros(z.shape, np.uint32)
    for number, (a, b, c) in enumerate(CENTRES, start=1):
        labels[((z - a) * 2.0) ** 2 + ((y - b) * 0.5) ** 2 + ((x - c) * 0.5) ** 2 <= 16.0] = number
    return labels


@pytest.fixture
def volume_file(tmp_path):
    path = tmp_path / "balls é.tif"
    picture = np.where(balls() > 0, 180, 20).astype(np.uint8)
    tifffile.imwrite(path, picture, photometric="minisblack", metadata={"axes": "ZYX"})
    return path


@pytest.fixture
def entry(session, volume_file):
    made = session.add_entry("balls", path=volume_file, understanding={"pixel_size_um": list(SPACING)})
    made.image = open_image(volume_file, Understanding.from_json(made.understanding))
    (layer,) = make_layers(made, read_for_show(made.image))
    made.layers["image"] = session.viewer.add_layer(layer)
    session.set_current(made)
    session.viewer.fit_to_view()
    return made


@pytest.fixture
def result(session, entry):
    """Three balls found, and one that is none."""
    labels = np.where(balls() == 4, 0, balls()).astype(np.uint32)
    labels[0:3, 0:5, 0:5] = 4
    ref = ImageRef(path=str(entry.path), name=entry.id)
    predictor = Predictor(session.project.new_run(PredictJob(model="otsu", name="otsu", images=[ref])))
    predictor.result(labels, (0, 0, 0))
    predictor.ownership.release()
    return result_layers(session).show(entry, *read_result(find_results(session.project, entry.path)[0]))


def turn(session, ndisplay):
    session.viewer.dims.ndisplay = ndisplay
    settle()


def test_the_voxel_size_is_asked_for_and_can_be_left_open(session, tmp_path, qtbot):
    path = tmp_path / "silent.tif"
    tifffile.imwrite(path, np.zeros((9, 40, 50), np.uint8) + np.eye(40, 50, dtype=np.uint8), metadata=None)
    images = ImagesDock(session.viewer)
    session.viewer.window.add_dock_widget(images, name="Images")
    images.open_paths([path])
    qtbot.waitUntil(lambda: session.current is not None and "image" in session.current.layers, timeout=8000)
    one, understood = session.current, images.understood
    question = understood.questions[0]
    assert "No voxel size in the file" in question.text() and "Taken as cubes until then." in question.text()
    assert offered(question) == ["Enter it", "Go on"]
    assert understood.pixel_words.text() == "Voxel size"
    assert "more than four are taken as planes" in understood.third_reason.text()
    understood.pixel.setText("0.5")
    understood.pixel.editingFinished.emit()
    assert "A voxel has a depth, too" in understood.trouble.text()
    understood.pixel.setText("2 × 0,5 × 0,5")
    understood.pixel.editingFinished.emit()
    qtbot.waitUntil(lambda: one.pixel_size_um == SPACING, timeout=8000)
    assert tuple(one.layers["image"].scale) == SPACING
    assert not question.isVisible() and understood.pixel.text() == "2 × 0.5 × 0.5"
    images._corrected({"pixel_size_um": None})
    qtbot.waitUntil(lambda: one.pixel_size_um is None, timeout=8000)
    press(question, "Go on")
    qtbot.waitUntil(lambda: one.understanding.get("cubic") is True, timeout=8000)
    assert not question.isVisible()


def test_sizes_as_they_are_typed():
    for text in ("2 × 0.5 × 0.25", "2x0.5x0.25", "2; 0,5; 0,25", "2, 0.5, 0.25", "2 0.5 0.25"):
        assert read_size(text, 3) == (2.0, 0.5, 0.25), text
    assert read_size("2 × 0,5", 3) == (2.0, 0.5, 0.5)
    assert read_size("0,25", 2) == 0.25
    assert size_text((2, 0.5, 0.25)) == "2 × 0.5 × 0.25" and size_text(0.25) == "0.25"
    for text, ndim in (("0.5", 3), ("0 × 1 × 1", 3), ("a", 2), ("1 × 1", 2), ("-1", 2), ("", 3)):
        with pytest.raises(NucleiError):
            read_size(text, ndim)


def test_density_of_volumes():
    assert density_words(5, 2e6, None, 3) == "2 per 100 × 100 × 100 voxels"
    assert density_words(5, 1e9, (1.0, 1.0, 1.0), 3) == "5 / mm³"


def test_predict_says_what_it_does_with_a_volume_and_shows_it_while_it_comes(session, entry, monkeypatch, qtbot):
    worker = Worker()
    for module in (predict_run, predict_dock):
        monkeypatch.setattr(module, "worker_of", lambda project: worker)
    made = predict_dock.PredictDock(session.viewer)
    session.viewer.window.add_dock_widget(made, name="Predict")
    assert made.where.deep.text() == "A volume: what is on screen, through all 20 planes."
    session.set_regions(entry, [np.array([[6, 2, 2], [6, 2, 30.0], [6, 30, 30], [6, 30, 2]])])
    made.where.buttons["region"].setChecked(True)
    assert "down through all 20 planes" in made.where.deep.text()
    assert made.where.target(3).box == [[0, 20], [2, 30], [2, 30]]
    turn(session, 3)
    made.where.buttons["view"].setChecked(True)
    assert "the box that fits on screen" in made.where.deep.text()
    predictor = begin(made, worker)
    job = worker.runs[0].job
    assert len(job.box) == 3 and job.plane is None
    predictor.say(StageEvent(name=entry.id, index=0, count=1))
    origin = tuple(start for start, _ in job.box)
    piece = balls()[tuple(slice(*side) for side in job.box)]
    predictor.tile(piece, origin)
    poll(made)
    role = f"nuclei:{predictor.run.name}:{entry.id}"
    qtbot.waitUntil(lambda: layers.in_viewer(session, entry, role) is not None)
    growing = layers.in_viewer(session, entry, role)
    qtbot.waitUntil(lambda: growing.data.any())
    assert tuple(growing.scale) == SPACING
    turn(session, 2)
    predictor.result(piece, origin)
    finish(made, predictor, qtbot)
    qtbot.waitUntil(lambda: made.after.result is not None)
    assert tuple(made.after.result.layer.scale) == SPACING
    assert "/ mm³" in made.after.summary.text()
    assert made.after.smallest.suffix() == " voxels"


def test_the_walk_goes_through_planes_and_scores_are_those_of_volumes(result, dock, entry, session, qtbot, tmp_path):  # noqa: F811
    from napari_nucleidomain.data.labels_io import write_labels

    session.touch(entry, "labels", labels=write_labels(balls(), tmp_path / "truth.tif", format="tif"))
    ready(dock, qtbot)
    qtbot.waitUntil(lambda: dock.found is not None and bool(dock.found.sentence))
    assert dock.quality.sentence.text() == "<b>3 of 4 found, 1 missed, 1 extra</b>"
    shown = dock.quality.values()
    assert shown["DET"] == f"{1 - 11 / 40:.3f}" and shown["SEG"] == "0.750"
    assert "object Hausdorff (µm)" in shown and "object Hausdorff (px)" not in shown
    assert "volume_um3" in dock.found.table and "µm³" in dock.summary.text()
    for number in (1, 3):
        dock.go_to(number, follow=True)
        assert session.viewer.dims.point[0] == pytest.approx(CENTRES[number - 1][0] * SPACING[0])
    with warnings.catch_warnings(record=True) as said:
        for mode in ("errors", "filled", "uncertain", "outlines"):
            dock.modes.choose(mode)
            turn(session, 3)
            dock.go_to(2, follow=True)
            turn(session, 2)
    assert not [one for one in said if "Contours" in str(one.message)], "each would pop up in the viewer"


def test_corrections_in_a_volume(result, dock, session, qtbot):  # noqa: F811
    ready(dock, qtbot)
    viewer, layer, bar = session.viewer, result.layer, dock.hand.edit
    before = layer.data.copy()
    dock.go_to(3, follow=True)
    turn(session, 3)
    for name in ("split", "join", "redraw", "add"):
        assert "2D first" in bar.buttons[name].toolTip(), name
    bar.delete()
    assert not (layer.data == 3).any(), "what needs no plane works in 3D, too"
    bar.undo()
    turn(session, 2)
    np.testing.assert_array_equal(layer.data, before)
    dock.go_to(3, follow=True)
    bar.split()
    assert "straight through all its planes" in bar.message.text()
    plane, row, column = CENTRES[2]
    drag(viewer, layer, (plane, row - 12, column + 2), (plane, row + 12, column + 2))
    parts = np.unique(layer.data[before == 3])
    assert len(parts) == 2 and 3 in parts
    assert all(len(np.unique(np.argwhere(layer.data == part)[:, 0])) >= 3 for part in parts), "cut through its planes"
    bar.join()
    click(viewer, layer, (plane, row, column - 4))
    click(viewer, layer, (plane, row, column + 5))
    np.testing.assert_array_equal(layer.data > 0, before > 0)
    assert (layer.data == 3).sum() == (before == 3).sum()


def test_redraw_draws_on_the_plane_shown_and_leaves_the_others(result, dock, session, qtbot):  # noqa: F811
    ready(dock, qtbot)
    layer, bar = result.layer, dock.hand.edit
    before = layer.data.copy()
    dock.go_to(3, follow=True)
    bar.redraw()
    plane, row, column = CENTRES[2]
    assert f"On plane {plane} only" in bar.message.text()
    assert not (layer.data[plane] == 3).any()
    others = np.arange(len(before)) != plane
    np.testing.assert_array_equal(layer.data[others], before[others])
    corners = [(plane, row + a, column + b) for a, b in ((-2, -2), (-2, 2), (2, 2), (2, -2))]
    layer.paint_polygon(corners, 3)
    settle()
    assert (layer.data[plane] == 3).sum() == 25
    np.testing.assert_array_equal(layer.data[others], before[others])
    bar.undo()
    bar.undo()
    np.testing.assert_array_equal(layer.data, before)
    session.viewer.dims.set_point(0, 0.0)
    bar.redraw()
    assert "On plane 0 only" in bar.message.text(), "where it is not yet, it is drawn all the same"
    np.testing.assert_array_equal(layer.data, before)
    with pytest.raises(NucleiError, match="does not reach"):
        outline_on(before, 3, 99)


def test_a_click_in_3d_chooses_the_nucleus_that_is_met_first(result, dock, session, qtbot):  # noqa: F811
    ready(dock, qtbot)
    layer = result.layer
    turn(session, 3)
    world = np.asarray(layer.data_to_world((-5.0, *CENTRES[2][1:])))
    found = dock.look.nucleus_at(dock.subject, world, (np.array([1.0, 0.0, 0.0]), [0, 1, 2]))
    assert found == 3
    nothing = np.asarray(layer.data_to_world((-5.0, 25.0, 27.0)))
    assert dock.look.nucleus_at(dock.subject, nothing, (np.array([1.0, 0.0, 0.0]), [0, 1, 2])) == 0
    dock.go_to(3, follow=True)
    dock.go_to(1, follow=False)
    canvas = native(session.viewer)
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, canvas.rect().center())
    settle()
    assert dock.hand.edit.number == 3, "a real click, in the middle of the canvas where nucleus 3 was brought"


def test_what_comes_out_of_a_volume(result, dock, session, qtbot, tmp_path):  # noqa: F811
    from napari_nucleidomain.data.labels_io import voxel_size

    ready(dock, qtbot)
    dock.export._show_what_fits()
    assert not dock.export._geojson.isEnabled() and "not for volumes" in dock.export._geojson.text()
    snapshot = dock._snapshot()
    for name in ("a.tif", "a.ome.tif", "a.ome.zarr"):
        assert voxel_size(save_labels(snapshot, tmp_path / name)) == pytest.approx(SPACING), name
    dock.go_to(3, follow=True)
    assert dock._colours()["plane"] == CENTRES[2][0]
    picture = draw_figure(snapshot, FigureStyle(plane=CENTRES[2][0], enlarge=1, least_side=1))
    assert picture.shape == (50, 54, 3)
    outlined = (picture[: 50 - 8] == (240, 228, 66)).all(axis=-1)
    _, row, column = CENTRES[2]
    assert outlined[row - 10 : row + 10, column - 10 : column + 10].any() and not outlined[:20].any()
    with pytest.raises(NucleiError, match="does not reach"):
        draw_figure(snapshot, FigureStyle(plane=99))


def test_a_run_without_voxel_size_offers_to_say_it(session, entry, volume_file, monkeypatch, qtbot):
    opened, worker = [], Worker()
    for module in (predict_run, predict_dock):
        monkeypatch.setattr(module, "worker_of", lambda project: worker)
    monkeypatch.setattr(predict_dock, "open_dock", lambda session, which: opened.append(which))
    entry.image, entry.understanding = open_image(volume_file), {}
    made = predict_dock.PredictDock(session.viewer)
    session.viewer.window.add_dock_widget(made, name="Predict")
    made._warned(Warned(message=f"{entry.name}: {entry.image.assumptions[0]}"))
    assert offered(made.message) == ["Enter it", "Go on"]
    press(made.message, "Enter it")
    assert opened == ["images"]
    press(made.message, "Go on")
    qtbot.waitUntil(lambda: entry.understanding.get("cubic") is True, timeout=8000)
    assert not made.message.isVisible() and not entry.image.assumptions
    made._warned(Warned(message="Something else."))
    assert not offered(made.message)
