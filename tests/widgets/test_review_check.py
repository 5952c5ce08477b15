"""Check 50 nuclei in a real window: asked, answered by keys, stopped, taken up again, told and exported."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_nucleidomain.data.labels_out import write_labels
from napari_nucleidomain.data.tables import read_table
from napari_nucleidomain.instances.spotcheck import SpotCheck, draw_check, held_in, judge
from napari_nucleidomain.widgets import review_sample
from napari_nucleidomain.widgets.predict_run import read_for_show
from napari_nucleidomain.widgets.result_layers import result_layers
from napari_nucleidomain.widgets.review_images import write_all_images
from napari_nucleidomain.widgets.review_notes import read_notes

from .canvas import key, settle
from .test_review_dock import dock, entry, predicted, ready  # noqa: F401


@pytest.fixture
def result(session, entry, nuclei):  # noqa: F811
    """Six of the thirty nuclei are missing."""
    labels = np.where(np.isin(nuclei[2], (3, 8, 13, 18, 23, 28)), 0, nuclei[2]).astype(np.uint32)
    labels = np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.uint32)
    return result_layers(session).show(entry, *read_for_show(predicted(session, entry, labels)))


@pytest.fixture
def check(result, dock, qtbot):  # noqa: F811
    ready(dock, qtbot)
    return dock.hand.check


@pytest.fixture
def few(monkeypatch):
    """A person with less time."""
    monkeypatch.setattr(review_sample, "draw_check", partial(draw_check, nuclei=6, fields=6))


def test_asked_answered_told_kept_and_exported(check, dock, few, result, session, entry, nuclei, tmp_path):  # noqa: F811
    viewer = session.viewer
    viewer.layers.selection.active = result.layer
    mode, names = str(result.layer.mode), [layer.name for layer in viewer.layers]
    check.begin_button.click()
    assert "Nucleus 1 of 6" in check.question.text()
    assert dock.hand.edit.number == check.check.ids[0]
    key(viewer, Qt.Key.Key_0)
    assert check.place == ("nucleus", 0), "a number is no answer to right or wrong"
    key(viewer, Qt.Key.Key_W)
    key(viewer, Qt.Key.Key_U)
    key(viewer, Qt.Key.Key_Backspace)
    assert check.place == ("nucleus", 1)
    while check.place[0] == "nucleus":
        check.answers[0].click()
    assert "Square 1 of" in check.question.text()
    assert "square" in entry.layers
    missed = nuclei[1][[2, 7, 12, 17, 22, 27]]
    for square in check.check.fields:
        key(viewer, getattr(Qt.Key, f"Key_{held_in(missed, square).sum()}"))
    assert not check.running
    assert "square" not in entry.layers
    assert viewer.layers.selection.active is result.layer
    assert str(result.layer.mode) == mode
    assert [layer.name for layer in viewer.layers if layer.name != "selected nucleus"] == names
    assert not set("RWU0123456789") & {str(one) for one in result.layer.keymap}
    verdict = judge(check.check)
    assert (verdict.right, verdict.wrong, verdict.fields) == (5, 1, 6)
    assert "5 of 6 nuclei right" in check.said.text()
    dock.export.copy_methods()
    assert "judged by eye" in QApplication.clipboard().text()
    session.about_to_close.emit()
    assert SpotCheck.from_json(read_notes(result.stored).check["drawn"]) == check.check
    write_all_images(session.project, [("cells 1", entry.path, None)], tmp_path)
    written = read_table(tmp_path / "images.csv")
    assert float(written["f1_by_eye"][0]) == pytest.approx(verdict.f1.value, abs=1e-4)
    assert float(written["f1_by_eye_low"][0]) <= float(written["f1_by_eye"][0])


def test_stopped_and_taken_up_again_where_it_was(check, dock, result, session, entry, qtbot):  # noqa: F811
    check.begin()
    for answer in ("right", "wrong", "unsure"):
        check.answer(answer)
    drawn = list(check.check.ids)
    check.stop()
    assert check._asking.isHidden()
    assert "Go on with the check" in check.begin_button.text()
    session.about_to_close.emit()
    dock.hand.notes._all.clear()
    check.serve(entry, None)
    assert check.check is None
    check.serve(entry, dock.subject)
    assert check.said.text().startswith("By eye: 1 of 2 nuclei right")
    check.begin()
    assert check.check.ids == drawn
    assert check.place == ("nucleus", 3)


def test_after_a_change_by_hand_it_says_so_and_draws_anew(check, dock, result, session, qtbot):  # noqa: F811
    check.begin()
    check.answer("right")
    check.stop()
    dock.go_to(5, follow=False)
    dock.hand.edit.delete()
    ready(dock, qtbot)
    assert "changed by hand since" in check.said.text()
    check.begin()
    assert check.place == ("nucleus", 0)
    assert 5 not in check.check.ids


def test_offered_only_where_there_is_nothing_to_compare_with(
    check,
    dock,  # noqa: F811
    session,
    entry,  # noqa: F811
    nuclei,
    tmp_path,
    qtbot,
):
    assert check.isVisible()
    entry.labels = write_labels(nuclei[2].astype(np.uint32), tmp_path / "truth.tif")
    session.touch(entry, "labels")
    ready(dock, qtbot)
    assert check.isHidden()


def test_keys_rest_while_the_dock_is_hidden(check, dock, result, session):  # noqa: F811
    session.viewer.layers.selection.active = result.layer
    check.begin()
    dock.hide()
    settle()
    key(session.viewer, Qt.Key.Key_R)
    assert check.place == ("nucleus", 0)
    dock.show()
    settle()
    key(session.viewer, Qt.Key.Key_R)
    assert check.place == ("nucleus", 1)
