"""Corrections of a result become training images: from the painted layer to what a training reads."""

# ruff: noqa: F811 - fixtures are named as where they come from
from __future__ import annotations

import numpy as np
import pytest

from napari_nucleidomain.contracts.files import read_json
from napari_nucleidomain.data.dataset import open_dataset
from napari_nucleidomain.widgets import storage
from napari_nucleidomain.widgets.train_checklist import check_data

from .canvas import settle
from .test_review_dock import dock, entry, predicted, ready, result  # noqa: F401

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def use(dock, qtbot, area):
    ready(dock, qtbot)
    box = dock.corrections
    box.ask.click()
    box.area.setCurrentIndex(box.area.findData(area))
    assert box.area.currentData() == area
    box.add.click()
    qtbot.waitUntil(lambda: not box._background.busy)
    settle()


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
    assert stored is not None and stored.nuclei >= 0
    session.flush()
    (example,) = open_dataset(session.project.data / "dataset.json").all
    known = example.load_corrections()
    assert known.inside[where].all(), "what was painted out is known background"
    assert (known.labels[where] == 0).all()
    assert not known.inside.all(), "the rest of the image is not said to be right"
    scores, _ = result.known()
    assert np.isnan(scores[4]) and np.isfinite(scores[5]), "the model has no say in what a person painted"


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


def test_training_goes_on_from_the_model_that_made_it(dock, result, entry, session, qtbot, tmp_path):
    asked = []
    dock.corrections.continue_asked.disconnect()
    dock.corrections.continue_asked.connect(asked.append)
    use(dock, qtbot, "view")
    press(dock, "Train")
    assert asked == [None], "the classical method cannot be trained on"


def test_why_not(dock, session, entry, qtbot):
    assert not dock.corrections.ask.isEnabled()
    assert "no result" in dock.corrections.ask.toolTip()
