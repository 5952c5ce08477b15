"""The Review dock in a real window."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_nucleidomain.data.labels_out import write_labels
from napari_nucleidomain.data.tables import read_table
from napari_nucleidomain.runs.job import ImageRef, PredictJob
from napari_nucleidomain.widgets import layers, review_dock
from napari_nucleidomain.widgets.predict_run import read_for_show
from napari_nucleidomain.widgets.result_layers import Filter, result_layers
from napari_nucleidomain.widgets.results import find_results
from napari_nucleidomain.widgets.review_subject import _learned

from .canvas import click, drag, settle
from .trainer import Predictor, make_model


@pytest.fixture
def entry(session, bare_entry, nuclei):
    made = bare_entry
    session.viewer.fit_to_view()
    return made


def predicted(session, entry, labels, **changes):
    """A finished prediction on disk."""
    ref = ImageRef(path=str(entry.path), name=entry.id)
    run = session.project.new_run(PredictJob(**{"model": "otsu", "name": "otsu", **changes}, images=[ref]))
    predictor = Predictor(run)
    predictor.result(labels)
    predictor.ownership.release()
    return find_results(session.project, entry.path)[0]


@pytest.fixture
def result(session, entry, nuclei):
    """A result in the viewer: two nuclei short, one too many."""
    labels = nuclei[2].astype(np.uint32)
    labels[(labels == 3) | (labels == 8)] = 0
    labels[0:6, 0:6] = 90
    labels = np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.uint32)
    return result_layers(session).show(entry, *read_for_show(predicted(session, entry, labels)))


@pytest.fixture
def dock(session, monkeypatch, qtbot):
    opened = []
    monkeypatch.setattr(review_dock, "open_dock", lambda session, which: opened.append(which))
    made = review_dock.ReviewDock(session.viewer)
    made.opened = opened
    session.viewer.window.add_dock_widget(made, name="Review", area="right")
    ready(made, qtbot)
    return made


def ready(dock, qtbot):
    dock._later.stop()
    dock.refresh()
    qtbot.waitUntil(lambda: not dock._background.busy)


def test_nothing_to_review_says_what_to_do(dock):
    assert "No image" in dock.empty.text()
    dock.empty._row.itemAt(0).widget().click()
    assert dock.opened == ["predict"]


def test_a_result_is_counted_measured_and_listed(result, dock):
    number = len(np.unique(result.layer.data)) - 1
    assert dock.summary.text().startswith(f"<b>{number} nuclei")
    assert dock.table.model.rowCount() == number
    assert list(result.layer.features["index"]) == dock.found.table["id"].tolist()
    assert "area_px" in result.layer.features
    assert dock.quality.isHidden()
    assert not dock.modes._buttons["errors"].isEnabled()


def test_compared_with_outlines(result, dock, entry, session, nuclei, tmp_path, qtbot):
    entry.labels = write_labels(nuclei[2].astype(np.uint32), tmp_path / "truth.tif")
    session.touch(entry, "labels")
    ready(dock, qtbot)
    assert dock.compare.currentText() == "outlines"
    total = int(nuclei[2].max())
    assert f"{total - 2} of {total} found, 2 missed, 1 extra" in dock.quality.sentence.text()
    values = dock.quality.values()
    assert 0.8 < float(values["AJI"]) < 1
    assert "Measured on cells 1" in dock.quality.on.text()
    dock.modes.choose("errors")
    errors = layers.in_viewer(session, entry, "errors")
    assert errors is not None
    assert not result.layer.visible
    assert "missed (2)" in dock.legend.text()
    seen = dock._colours()
    assert seen["classes"] is dock.found.errors
    np.testing.assert_allclose(seen["table"][1], errors.colormap.map(1))
    dock.modes.choose("filled")
    assert layers.in_viewer(session, entry, "errors") is None
    assert result.layer.visible


def test_compared_with_clicks(result, dock, entry, session, nuclei, qtbot):
    session.set_points(entry, nuclei[1])
    ready(dock, qtbot)
    assert dock.compare.currentText() == f"clicks ({len(nuclei[1])})"
    total = len(nuclei[1])
    assert f"{total - 2} of {total} found, 2 missed" in dock.quality.sentence.text()
    assert "may have learned" not in dock.quality.on.text()


def test_compared_with_another_program(result, dock, session, nuclei, qtbot):
    other = session.viewer.add_labels(nuclei[2].astype(np.int32), name="cellpose")
    ready(dock, qtbot)
    names = [dock.compare.itemText(k) for k in range(dock.compare.count())]
    assert "cellpose" in names
    assert "cellpose" in [dock.result.itemText(k) for k in range(dock.result.count())]
    dock.compare.setCurrentIndex(names.index("cellpose"))
    dock._compute()
    qtbot.waitUntil(lambda: not dock._background.busy)
    assert "found" in dock.quality.sentence.text()
    assert other in session.viewer.layers


def test_the_four_ways_to_show(result, dock):
    layer = result.layer
    usual = layer.colormap
    assert layer.contour > 0
    dock.modes.choose("filled")
    assert layer.contour == 0
    dock.modes.choose("uncertain")
    sure, unsure = layer.colormap.map(len(result.loaded.scores)), layer.colormap.map(1)
    assert unsure[:2].sum() > sure[:2].sum() + 0.5
    dock.modes.choose("outlines")
    assert layer.colormap is usual


def test_a_row_shows_its_nucleus_and_a_click_its_row(result, dock, session, entry):
    viewer = session.viewer
    points = viewer.add_points(ndim=2)
    points.mode = "add"
    row = dock.table.model.row_of(5)
    dock.table.view.selectRow(row)
    settle()
    ring = layers.in_viewer(session, entry, "selected")
    place = np.array([axis.mean() for axis in np.nonzero(result.layer.data == 5)])
    middle = np.asarray(viewer.scene.camera.center)[-2:]
    half = np.asarray(viewer.canvas.size) / viewer.scene.camera.zoom / 2
    assert (np.abs(place - middle) < half).all(), "in sight, as near to the middle as the image's edge allows"
    assert ring.data.sum() == (result.layer.data == 5).sum()
    # Looking takes neither tool nor selection.
    assert viewer.layers.selection.active is points
    assert points.mode == "add"
    viewer.layers.selection.active = entry.layers["image"]
    other = np.array([axis.mean() for axis in np.nonzero(result.layer.data == 6)])
    camera = viewer.scene.camera.center
    click(viewer, result.layer, other)
    assert dock.table.chosen == 6
    assert viewer.scene.camera.center == camera


def test_adding_clicks_or_panning_chooses_no_row(result, dock, session, entry):
    viewer = session.viewer
    points = viewer.add_points(ndim=2)
    points.mode = "add"
    place = np.array([axis.mean() for axis in np.nonzero(result.layer.data == 6)])
    click(viewer, result.layer, place)
    assert len(points.data) == 1
    assert dock.table.chosen is None
    viewer.layers.selection.active = entry.layers["image"]
    drag(viewer, result.layer, place, place + 15)
    assert dock.table.chosen is None


def test_walking_by_least_sure(result, dock, session):
    uncertainty = result.loaded.uncertainty
    dock.walk.on.click()
    first = dock.table.chosen
    dock.walk.on.click()
    assert [first, dock.table.chosen] == (np.argsort(-uncertainty)[:2] + 1).tolist()
    assert dock.walk.place.text().startswith("2 of")
    dock.walk.back.click()
    assert dock.table.chosen == first
    # A row clicked in the table is where the walk goes on from.
    row = dock.table.model.row_of(int(dock.walk.ids[4]))
    dock.table.view.selectRow(row)
    assert dock.walk.place.text().startswith("5 of")
    dock.walk.on.click()
    assert dock.table.chosen == int(dock.walk.ids[5])


def test_filtered_results_are_measured_anew(result, dock, session, qtbot):
    result_layers(session).filter(result, Filter(least_score=0.5))
    ready(dock, qtbot)
    assert dock.table.model.rowCount() == int((result.loaded.scores >= 0.5).sum())


def test_everything_can_be_taken_out(result, dock, session, tmp_path, qtbot, nuclei):
    snapshot = dock._snapshot()
    for what, name in (("measurements", "n.csv"), ("labels", "n.geojson"), ("figure", "f.png")):
        dock.taken_out.clear()
        dock.export.write(what, tmp_path / name, snapshot)
        qtbot.waitUntil(lambda: bool(dock.taken_out.text()))
        assert dock.taken_out.level == "ok", dock.taken_out.text()
        assert (tmp_path / name).exists()
    assert len(read_table(tmp_path / "n.csv")["id"]) == dock.table.model.rowCount()
    dock.taken_out.clear()
    dock.export.write_all(tmp_path / "out")
    qtbot.waitUntil(lambda: bool(dock.taken_out.text()))
    assert dock.taken_out.level == "ok", dock.taken_out.text()
    assert read_table(tmp_path / "out" / "images.csv")["nuclei"] == [str(dock.table.model.rowCount())]
    dock.export.copy_methods()
    assert "Otsu" in QApplication.clipboard().text()


def test_a_full_or_forbidden_place_is_told_inline(result, dock, tmp_path, qtbot):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    dock.export.write("measurements", tmp_path / "file" / "n.csv", dock._snapshot())
    qtbot.waitUntil(lambda: bool(dock.taken_out.text()))
    assert dock.taken_out.level == "error"


def test_results_of_earlier_days_are_offered(session, entry, nuclei, dock, qtbot):
    predicted(session, entry, nuclei[2])
    dock.older.look()
    qtbot.waitUntil(lambda: dock.older.list.count() == 1)
    assert f"{nuclei[2].max()} nuclei" in dock.older.list.itemText(0)
    dock.older.button.click()
    qtbot.waitUntil(lambda: len(result_layers(session).of(entry)) == 1)
    ready(dock, qtbot)
    assert dock.table.model.rowCount() == nuclei[2].max()


def test_a_large_table_is_sorted_and_chosen_quickly_enough_to_be_usable(dock):
    rng = np.random.default_rng(0)
    dock.table.set_columns({"id": np.arange(1, 20_001), "area_px": rng.permutation(20_000)})
    dock.table.model.sort(1)
    areas = dock.table.model.columns["area_px"][dock.table.model.order]
    assert (np.diff(areas) >= 0).all()
    dock.table.choose(777)
    assert dock.table.chosen == 777


def test_files_of_a_sample_are_offered_to_the_project_not_into_the_program(session, entry, tmp_path, image_file):
    from napari_nucleidomain.data.samples import sample_path
    from napari_nucleidomain.widgets.out_folder import out_folder

    assert out_folder(session, entry) == image_file.parent
    sample = session.add_entry("sample", path=sample_path("hne"))
    assert out_folder(session, sample) == session.project_folder


def test_of_several_results_one_is_seen(result, dock, session, entry, nuclei, qtbot):
    """The newest, then the one chosen; what a person hid stays hidden."""
    result.edited = True  # Else the newer one takes its place.
    newer = result_layers(session).show(
        entry, *read_for_show(predicted(session, entry, nuclei[2].astype(np.uint32), seed=1))
    )
    assert newer.layer.visible and not result.layer.visible
    ready(dock, qtbot)
    dock.result.setCurrentIndex(dock.result.findData(result.stored.role))
    dock.result.activated.emit(dock.result.currentIndex())
    assert result.layer.visible and not newer.layer.visible
    result.layer.visible, newer.layer.visible = False, True
    dock.modes.choose("filled")
    ready(dock, qtbot)
    assert newer.layer.visible and not result.layer.visible


def test_missed_nuclei_are_ringed_wider_than_their_clicks(result, dock, entry, session, nuclei, qtbot):
    session.set_points(entry, nuclei[1])
    clicks = session.annotations.clicks(entry)
    ready(dock, qtbot)
    dock.modes.choose("errors")
    rings = layers.in_viewer(session, entry, "missed")
    assert sorted(map(tuple, rings.data)) == sorted(map(tuple, nuclei[1][[2, 7]]))
    for zoom in (0.7, 5.0):
        session.viewer.scene.camera.zoom = zoom
        session.annotations.dots.refresh()
        assert float(rings.size[0]) > 1.5 * float(clicks.size[0])
    dock.modes.choose("outlines")
    assert layers.in_viewer(session, entry, "missed") is None


def test_edges_follow_the_zoom_unless_a_person_set_them(result, dock, session, qtbot):
    camera = session.viewer.scene.camera
    camera.zoom = 6.0
    ready(dock, qtbot)
    qtbot.waitUntil(lambda: result.layer.contour == 1)
    camera.zoom = 0.6
    qtbot.waitUntil(lambda: result.layer.contour == 3)
    result.layer.contour = 2
    camera.zoom = 6.0
    qtbot.wait(150)
    assert result.layer.contour == 2


def test_the_walk_keeps_what_is_round_a_nucleus_in_sight(result, dock, session, qtbot):
    ready(dock, qtbot)
    session.viewer.scene.camera.zoom = 60.0
    dock.walk.step(1)
    size = 2 * 9 * session.viewer.scene.camera.zoom
    assert size <= 0.3 * min(session.viewer.canvas.size)


def test_outlines_that_come_later_are_compared_with_until_a_person_chose(
    result, dock, entry, session, nuclei, tmp_path, qtbot
):
    session.set_points(entry, nuclei[1])
    ready(dock, qtbot)
    assert dock.compare.currentData() == "clicks"
    entry.labels = write_labels(nuclei[2].astype(np.uint32), tmp_path / "truth.tif")
    session.touch(entry, "labels")
    ready(dock, qtbot)
    assert dock.compare.currentData() == "outlines"


def test_whether_the_model_learned_from_the_image_is_read_off_its_card(session, entry):
    folder = make_model(session.project.models_folder / "own", trained_on={"images": ["cells 1"]})
    assert "the model learned from it" in _learned(str(folder), entry)
    folder = make_model(session.project.models_folder / "bare", trained_on={"images": ["cells 1"], "labels": 0})
    assert "from the image alone" in _learned(str(folder), entry)
    folder = make_model(session.project.models_folder / "other", trained_on={"images": ["another"]})
    assert _learned(str(folder), entry) == "the model has not learned from it"
