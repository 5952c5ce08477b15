"""The slider *fainter ↔ brighter*: nuclei and suggestions follow it, and nothing that is old stays on screen."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
import skimage.io
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_nucleidomain.contracts.events import Finished
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.widgets import predict_dock, predict_run
from napari_nucleidomain.widgets.faint_slider import FaintSlider, shift_words
from napari_nucleidomain.widgets.live import Live
from napari_nucleidomain.widgets.live_part import Wish, draw, steady
from napari_nucleidomain.widgets.points_suggest import look, suggest_in
from napari_nucleidomain.widgets.points_suggest_box import SuggestBox
from napari_nucleidomain.widgets.predict_live import ROLE
from napari_nucleidomain.widgets.view import view_box

from .test_wheel import turn_wheel
from .trainer import Predictor, Worker, make_model

HERE = [(0, 200), (0, 240)]
NONE = np.zeros((0, 2))


@pytest.fixture
def nuclei(nuclei):
    """Every other nucleus has a sixth of the light."""
    picture, centres, labels = nuclei
    faint = (labels > 0) & (labels % 2 == 0)
    picture = np.where(faint, picture - np.uint8(101), picture)
    return picture, centres, labels


@pytest.fixture
def worker(monkeypatch):
    made = Worker()
    monkeypatch.setattr(predict_run, "worker_of", lambda project: made)
    monkeypatch.setattr(predict_dock, "worker_of", lambda project: made)
    return made


@pytest.fixture
def dock(session, worker, bare_entry, qtbot):
    made = predict_dock.PredictDock(session.viewer)
    session.viewer.window.add_dock_widget(made, name="Predict")
    qtbot.waitUntil(lambda: not made.models._background.busy)

    def all_in_view():
        session.viewer.fit_to_view()
        return view_box(session, bare_entry) == [[0, 200], [0, 240]]

    qtbot.waitUntil(all_in_view)
    return made


def found(dock):
    layer = dock.session.current.layers.get(ROLE)
    return 0 if layer is None else len(np.unique(layer.data)) - 1


def settle(qtbot, dock):
    live = dock.faint.live
    qtbot.waitUntil(lambda: not (live._live.busy or live._settled.isActive() or live._moved.isActive()), timeout=20000)


# The widget ------------------------------------------------------------------------------------------------------


def test_it_is_moved_by_keys_not_by_the_wheel_and_goes_back(session, qtbot):
    one, other = FaintSlider(session), FaintSlider(session)
    for widget in (one, other):
        qtbot.addWidget(widget)
        widget.resize(280, 30)
        widget.show()
    moved = []
    one.moved.connect(moved.append)
    assert not one.reset.isEnabled()
    QTest.keyClick(one.slider, Qt.Key.Key_Left)
    assert moved == [-0.02] and other.shift == -0.02 and one.reset.isEnabled()
    turn_wheel(one.slider)
    assert one.shift == -0.02
    other.slider.setValue(60)
    assert one.shift == 0.6 and moved == [-0.02], "shown in both, told by the one that was moved"
    QTest.mouseDClick(one.slider, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(30, 10))
    assert one.shift == other.shift == 0
    one.slider.setValue(-35)
    one.reset.click()
    assert one.shift == 0


def test_it_stays_with_the_project(session, tmp_path, qtbot):
    slider = FaintSlider(session)
    qtbot.addWidget(slider)
    folder = session.project.path
    slider.slider.setValue(-40)
    session.open_project(tmp_path / "another")
    assert slider.shift == 0
    assert json.loads((folder / "data" / "images.json").read_text())["training"]["threshold_shift"] == -0.4
    session.open_project(folder)
    assert slider.shift == -0.4
    session.training["threshold_shift"] = "much"
    slider.show_kept()
    assert slider.shift == 0, "a file may hold anything"


def test_words():
    said = [shift_words(one) for one in (0, -0.4, 0.25)]
    assert said == ["", "fainter nuclei too (−40)", "only brighter nuclei (+25)"]


def test_of_many_wishes_the_last_is_answered_last_and_never_two_at_once(qtbot):
    begun, answers, gate = [], [], threading.Event()

    def work(wish):
        begun.append(wish)
        gate.wait(10)
        return wish

    live = Live(work, answers.append, answers.append)
    for wish in range(1, 8):
        live.ask(wish)
    gate.set()
    qtbot.waitUntil(lambda: not live.busy)
    assert begun == answers == [1, 7]
    live.ask(8)
    live.forget()
    qtbot.waitUntil(lambda: not live.busy)
    assert answers == [1, 7]


# Predict ---------------------------------------------------------------------------------------------------------


def test_nuclei_follow_and_find_nuclei_uses_the_place(dock, worker, qtbot, nuclei):
    entry, live = dock.session.current, dock.faint.live
    slider = dock.faint.slider.slider
    slider.setValue(40)
    settle(qtbot, dock)
    assert found(dock) == 15
    selected = dock.session.viewer.layers.selection.active
    slider.setValue(-70)
    settle(qtbot, dock)
    assert found(dock) == len(nuclei[1])
    assert dock.faint.words.text() == "Preview: 30 nuclei in what you see"
    assert dock.session.viewer.layers.selection.active is selected
    dock.find.click()
    run = worker.runs[-1]
    assert run.job.settings == {"threshold_shift": -0.7}
    assert not dock.faint.words.text()
    predictor = Predictor(run)
    predictor.result(nuclei[2])
    predictor.leave(Finished(summary={"images": [], "problems": []}))
    dock.prediction.follower.poll()
    qtbot.waitUntil(lambda: dock.after.result is not None)
    assert ROLE not in entry.layers, "the result stands in its place"
    assert "fainter nuclei too (−70)" in dock.after.summary.text()
    result = dock.after.result.layer
    slider.setValue(10)
    settle(qtbot, dock)
    assert found(dock) == 15 and not result.visible
    dock.faint.close_preview.click()
    assert ROLE not in entry.layers and result.visible and not live.on


def test_the_preview_follows_view_and_region_and_leaves_with_the_image(dock, session, qtbot, tmp_path, nuclei):
    slider, first = dock.faint.slider.slider, session.current
    slider.setValue(-70)
    settle(qtbot, dock)
    session.viewer.scene.camera.zoom *= 3
    qtbot.waitUntil(lambda: 0 < found(dock) < 30, timeout=20000)
    settle(qtbot, dock)
    session.set_regions(first, [np.array([[0, 0], [0, 120], [110, 120], [110, 0]], float)])
    dock.where.buttons["region"].setChecked(True)
    qtbot.waitUntil(lambda: "in the region" in dock.faint.words.text(), timeout=20000)
    inside = (nuclei[1] < (110, 120)).all(axis=1).sum()
    assert abs(found(dock) - inside) <= 3
    path = tmp_path / "other.png"
    skimage.io.imsave(path, nuclei[0][::-1], check_contrast=False)
    other = session.add_entry("other", path=path)
    slider.setValue(-60)
    session.set_current(other)
    settle(qtbot, dock)
    assert ROLE not in first.layers and ROLE not in other.layers
    assert not dock.faint.words.text()
    dock.where.buttons["view"].setChecked(True)
    slider.setValue(-70)
    assert "Looking" in dock.faint.words.text(), "also while the image is still being opened"
    qtbot.waitUntil(lambda: found(dock) > 0, timeout=20000)
    assert ROLE in other.layers


def test_a_layer_removed_by_hand_stays_away(dock, session, qtbot):
    dock.faint.slider.slider.setValue(-20)
    settle(qtbot, dock)
    session.viewer.layers.remove(session.current.layers[ROLE])
    assert not dock.faint.live.on and not session.current.hidden
    session.viewer.scene.camera.zoom *= 2
    settle(qtbot, dock)
    assert ROLE not in session.current.layers


def test_a_trained_model_has_no_slider(dock, session, qtbot):
    dock.faint.slider.slider.setValue(-20)
    settle(qtbot, dock)
    assert dock.faint.isVisible()
    session.model = str(make_model(session.project.models_folder / "liver"))
    assert not dock.faint.isVisible()
    assert ROLE not in session.current.layers


def test_the_same_nuclei_keep_their_numbers():
    before = np.zeros((20, 40), np.uint32)
    before[2:8, 2:8], before[2:8, 20:30] = 5, 9
    labels = np.zeros_like(before)
    labels[1:9, 1:9], labels[2:8, 20:25], labels[2:8, 25:31], labels[12:18, 2:8] = 1, 2, 3, 4
    now = steady(labels, before)
    assert now[4, 4] == 5
    assert sorted({int(now[4, 22]), int(now[4, 28])})[1] == 9, "one half keeps it"
    assert len(np.unique(now)) == 5
    assert ((now > 0) == (labels > 0)).all()
    assert (steady(np.zeros_like(before), before) == 0).all()


def test_a_view_gives_the_nuclei_of_the_whole(nuclei):
    image = open_image(nuclei[0])
    whole = draw(Wish(image, None, ((0, 200), (0, 240)), -0.7), None)
    part = draw(Wish(image, None, ((50, 150), (60, 200)), -0.7), whole)
    assert part.constants is whole.constants
    assert ((part.labels > 0) == (whole.labels[50:150, 60:200] > 0)).all()
    rough = draw(Wish(image, None, ((50, 150), (60, 200)), -0.7, rough=True), part)
    assert ((rough.labels > 0) >= (part.labels > 0)).all()


# Suggest clicks --------------------------------------------------------------------------------------------------


def test_suggestions_follow_and_what_is_settled_stays_so(nuclei):
    picture, centres, _ = nuclei
    place = look(open_image(picture), [], HERE)
    strong = suggest_in(place, NONE)
    assert len(strong.points) == 15
    every = suggest_in(place, NONE, shift=-0.7)
    assert len(every.points) == len(centres)
    settled, clicks = strong.points[:2] + 2, strong.points[2:5] - 2
    for shift in (-0.9, -0.5, 0.0, 0.5, 1.0):
        points = suggest_in(place, clicks, settled, shift).points
        away = np.linalg.norm(points[:, None] - np.vstack([settled, clicks])[None], axis=-1)
        assert away.min() > 5
        assert len(points) == (25 if shift < 0 else 10)


def test_the_slider_in_points(session, bare_entry, qtbot):
    box = SuggestBox(session)
    qtbot.addWidget(box)
    box.show()
    assert not box.faint.isVisible()
    box.ask()
    qtbot.waitUntil(lambda: len(box.points) == 15, timeout=20000)
    assert box.faint.isVisible()
    rejected = box.points[0]
    box.reject_one()
    box.accept_one()
    clicks = bare_entry.points.copy()
    box.faint.slider.setValue(-70)
    qtbot.waitUntil(lambda: len(box.points) == 28, timeout=20000)
    assert (bare_entry.points == clicks).all()
    assert np.linalg.norm(box.points - rejected, axis=1).min() > 5
    box.accept_every()
    assert len(bare_entry.points) == 29
    assert box.faint.isVisible(), "it may still bring some"
    box.faint.slider.setValue(0)
    qtbot.waitUntil(lambda: "No nucleus" in box.told.text(), timeout=20000)
    box.finish()
    assert not box.faint.isVisible()
