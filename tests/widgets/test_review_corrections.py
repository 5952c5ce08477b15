"""Corrections of a result become training images: from the painted layer to what a training reads."""

# ruff: noqa: F811 - fixtures are named as where they come from
from __future__ import annotations

import os

import numpy as np
import pytest

from napari_nucleidomain.contracts.files import read_json
from napari_nucleidomain.data.dataset import open_dataset
from napari_nucleidomain.widgets import layers, review_dock, storage, train_choices, train_dock
from napari_nucleidomain.widgets.predict_run import read_for_show
from napari_nucleidomain.widgets.result_layers import Filter, result_layers
from napari_nucleidomain.widgets.train_checklist import check_data

from .canvas import settle
from .test_review_dock import dock, entry, predicted, ready, result  # noqa: F401
from .trainer import TOY, make_model

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def use(dock, qtbot, area):
    ready(dock, qtbot)
    box = dock.corrections
    box.ask.click()
    box.area.setCurrentIndex(box.area.findData(area))
    assert box.area.currentData() == area
    part_found(box, qtbot)
    box.add.click()
    qtbot.waitUntil(lambda: not box._background.busy)
    settle()


def part_found(box, qtbot):
    qtbot.waitUntil(lambda: not box._soon.isActive() and not box._background.busy)


def paint_out(result, number):
    where = np.nonzero(result.layer.data == number)
    result.layer.data_setitem(where, 0)
    return where


def test_painted_corrections_are_learned_from(dock, result, entry, session, qtbot):
    where = paint_out(result, 5)
    qtbot.waitUntil(lambda: result.edited)
    ready(dock, qtbot)
    use(dock, qtbot, "changed")
    assert "among the training images now" in dock.corrections.message.text()
    stored = entry.corrections
    assert stored is not None and stored.nuclei == 0, "no neighbour reaches into the box round it"
    session.flush()
    (example,) = open_dataset(session.project.data / "dataset.json").all
    known = example.load_corrections()
    assert known.inside[where].all(), "what was painted out is known background"
    assert (known.labels[where] == 0).all()
    assert known.inside.sum() < 40 * 40, "the rest of the image is not said to be right"
    scores, _ = result.known()
    assert np.isnan(scores[4]) and np.isfinite(scores[5]), "the model has no say in what a person painted"


def test_the_question_is_no_wider_than_the_dock(dock, result, qtbot):
    ready(dock, qtbot)
    dock.corrections.ask.click()
    part_found(dock.corrections, qtbot)
    assert dock.corrections.add.isVisible()
    assert dock.corrections.minimumSizeHint().width() <= dock.minimumWidth() - 30, "what scrolls has margins and a bar"


def test_what_is_in_view_and_undo(dock, result, entry, session, qtbot):
    session.viewer.fit_to_view()
    settle()
    use(dock, qtbot, "view")
    number = len(np.unique(result.layer.data)) - 1
    assert entry.corrections.nuclei == number
    checks = check_data(session.images, "points")
    assert f"{number} corrected outlines" in checks[0].text
    first = entry.corrections
    paint_out(result, 2)
    use(dock, qtbot, "view")
    assert entry.corrections.nuclei == number - 1
    assert first.labels.exists() and first.labels != entry.corrections.labels
    press(dock, "Undo")
    assert entry.corrections == first
    press(dock, "Take them out")
    assert entry.corrections is None and first.labels.exists()


def press(dock, text):
    from qtpy.QtWidgets import QPushButton

    button = next(one for one in dock.corrections.message.findChildren(QPushButton) if one.text() == text)
    button.click()
    settle()


def test_a_region_must_lie_within_the_result(dock, session, entry, result, qtbot):
    session.set_regions(entry, [np.array([[10.0, 10.0], [10.0, 120.0], [100.0, 120.0], [100.0, 10.0]])])
    use(dock, qtbot, "regions")
    assert entry.corrections is not None
    before = entry.corrections
    session.set_regions(entry, [np.array([[150.0, 150.0], [150.0, 400.0], [300.0, 400.0], [300.0, 150.0]])])
    use(dock, qtbot, "regions")
    assert "reach beyond it" in dock.corrections.message.text()
    assert entry.corrections == before


def test_they_come_back_with_the_project(dock, result, entry, session, qtbot):
    use(dock, qtbot, "view")
    session.flush()
    listed, _ = storage.read_entries(session.project)
    assert listed[0].corrections == entry.corrections
    item = read_json(session.project.data / "images.json")["images"][0]
    assert not item["corrections"]["labels"].startswith("/"), "the project can be moved"


def test_a_classical_result_asks_for_a_new_model(dock, result, entry, session, qtbot):
    asked = []
    dock.corrections.continue_asked.disconnect()
    dock.corrections.continue_asked.connect(asked.append)
    use(dock, qtbot, "view")
    press(dock, "Train")
    assert asked == [None], "the classical method cannot be trained on"


def test_training_goes_on_from_the_model_that_made_it(dock, entry, session, nuclei, monkeypatch, qtbot):
    monkeypatch.setattr(train_choices, "methods", lambda: {"toy": TOY})
    folder = make_model(session.project.models_folder / "liver", channels=1)
    stored = predicted(session, entry, nuclei[2].astype(np.uint32), model=str(folder), name="liver")
    made_later = make_model(session.project.models_folder / "kidney", channels=1)
    os.utime(made_later / "card.json", (2e9, 2e9))
    result_layers(session).show(entry, *read_for_show(stored))
    ready(dock, qtbot)
    train = train_dock.TrainDock(session.viewer)
    session.viewer.window.add_dock_widget(train, name="Train")
    monkeypatch.setattr(review_dock, "open_dock", lambda session, which: {"train": train}[which])
    asked = []
    dock.corrections.continue_asked.connect(asked.append)
    use(dock, qtbot, "view")
    press(dock, "Train on from liver")
    assert asked == [folder]
    qtbot.waitUntil(lambda: train._wanted is None and not train._background.busy)
    assert train.choices.start_from.currentData() == str(folder)
    assert train.choices.planned().parent == folder


def test_why_not(dock, session, entry, qtbot):
    assert not dock.corrections.ask.isEnabled()
    assert "no result" in dock.corrections.ask.toolTip()


def test_the_part_is_drawn_while_it_is_asked_about(dock, result, entry, session, qtbot):
    paint_out(result, 1)
    paint_out(result, int(result.layer.data.max()))
    qtbot.waitUntil(lambda: result.edited)
    ready(dock, qtbot)
    box, viewer = dock.corrections, session.viewer
    active, view = viewer.layers.selection.active, (viewer.scene.camera.center, viewer.scene.camera.zoom)
    box.ask.click()
    assert box.area.currentData() == "changed" and not box.add.isEnabled()
    part_found(box, qtbot)
    layer = entry.layers["part"]
    assert layer in viewer.layers and len(layer.data) == 2 and not layer.editable
    assert "2 parts, 2 % of the image" in box.share.text()
    np.testing.assert_array_equal(np.vstack(layer.data), np.vstack([one.vertices for one in box._part.regions]))
    assert (viewer.layers.selection.active, (viewer.scene.camera.center, viewer.scene.camera.zoom)) == (active, view)
    paint_out(result, 5)
    settle()
    assert not box.add.isEnabled(), "what is drawn is not what would be added"
    part_found(box, qtbot)
    assert len(layer.data) == 3 and box.add.isEnabled()
    box.area.setCurrentIndex(box.area.findData("view"))
    part_found(box, qtbot)
    seen = layer.data[0].copy()
    viewer.scene.camera.zoom *= 3
    part_found(box, qtbot)
    assert np.ptp(layer.data[0], axis=0).max() < np.ptp(seen, axis=0).max(), "it follows what is seen"
    box.ask.click()
    assert "part" not in entry.layers and layer not in viewer.layers
    box.ask.click()
    part_found(box, qtbot)
    assert "part" in entry.layers
    session.set_current(None)
    assert "part" not in entry.layers


def test_a_part_that_lost_its_nuclei_is_told_before_and_all_parts_can_be_shown(dock, result, entry, session, qtbot):
    paint_out(result, 1)
    last = int(result.layer.data.max())
    half = np.argwhere(result.layer.data == last)
    result.layer.data_setitem(tuple(half[: len(half) // 2].T), 0)
    qtbot.waitUntil(lambda: result.edited)
    ready(dock, qtbot)
    box, viewer = dock.corrections, session.viewer
    viewer.scene.camera.zoom *= 6
    box.ask.click()
    part_found(box, qtbot)
    assert box._part.emptied == 1
    assert "1 of these parts holds no nucleus now: everything in it will be learned as background" in box.slip.text()
    assert box.add.isEnabled() and box.show_parts.isVisibleTo(box)
    box.show_parts.click()
    settle()
    assert not box.show_parts.isVisibleTo(box)
    result.layer.undo()
    result.layer.undo()
    paint_out(result, 1)
    box.ask.click()
    box.ask.click()
    part_found(box, qtbot)
    assert "This part holds no nucleus now" in box.slip.text()
    box.ask.click()
    assert not box.slip.isVisibleTo(box)


def test_pieces_of_neighbours_are_no_nucleus_of_a_part():
    from napari_nucleidomain.data.regions import Region
    from napari_nucleidomain.widgets.review_part import _emptied

    before = np.zeros((60, 60), np.uint32)
    before[20:30, 20:30], before[10:22, 31:45] = 1, 2
    now = np.where(before == 1, 0, before)
    region = Region(np.array([[15, 15], [15, 35], [35, 35], [35, 15]], float))
    assert _emptied(region, before, now, (0, 0))
    assert not _emptied(region, before, before, (0, 0))
    assert not _emptied(region, now, now, (0, 0)), "nothing was taken away"


def test_what_is_asked_for_is_scrolled_into_view(dock, result, session, monkeypatch, qtbot):
    ready(dock, qtbot)
    revealed = []
    monkeypatch.setattr(dock, "reveal", revealed.append)
    dock.refresh()
    assert revealed == [], "nothing was asked for"
    dock.corrections.ask.click()
    assert revealed == [dock.corrections._form]
    dock.export.written.emit("nuclei.csv")
    assert revealed[1:] == [dock.taken_out]
    part_found(dock.corrections, qtbot)


@pytest.mark.parametrize("read_again", [False, True])
def test_nuclei_hidden_by_a_filter_were_not_changed(dock, result, entry, session, read_again, qtbot):
    number = len(result.loaded.scores)
    result_layers(session).filter(result, Filter(least_score=float(result.loaded.scores[4])))
    assert result.count() == number - 4
    where = paint_out(result, number)
    qtbot.waitUntil(lambda: result.edited)
    if read_again:
        stored = result.stored
        result_layers(session).autosave.flush()
        layers.remove(session, entry, stored.role)
        result_layers(session).all.clear()
        result_layers(session).show(entry, *read_for_show(stored))
    box = dock.corrections
    ready(dock, qtbot)
    box.ask.click()
    part_found(box, qtbot)
    (region,) = box._part.regions
    inside = region.mask(result.layer.data.shape)
    assert inside[where].all() and inside.sum() < 40 * 40
    assert box._part.hidden == 0
    box.area.setCurrentIndex(box.area.findData("view"))
    session.viewer.fit_to_view()
    part_found(box, qtbot)
    assert box._part.hidden == 4
    assert "4 nuclei in it are hidden by the filters of Predict" in box.share.text()
