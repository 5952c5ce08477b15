"""Labelled images from the Predict dock: for models that make them, in the background, opened for training."""

from __future__ import annotations

import pytest

from napari_nucleidomain.contracts import load_card
from napari_nucleidomain.data.dataset import open_dataset
from napari_nucleidomain.methods.adgan.synthesize import AdganSynthesis
from napari_nucleidomain.runs.execute import execute
from napari_nucleidomain.widgets import predict_dock, predict_run, synthesis_run

from ..methods.tiny_adgan import untrained
from .trainer import Worker, make_model


@pytest.fixture
def worker(monkeypatch):
    made = Worker()
    for module in (predict_run, predict_dock, synthesis_run):
        monkeypatch.setattr(module, "worker_of", lambda project: made)
    return made


@pytest.fixture
def dock(session, worker, qtbot):
    untrained(session.project.models_folder / "fluo")
    made = predict_dock.PredictDock(session.viewer)
    session.viewer.window.add_dock_widget(made, name="Predict")
    session.model = str(session.project.models_folder / "fluo")
    made.synthesis.open()
    qtbot.waitUntil(lambda: made.synthesis.make.isEnabled())
    return made


@pytest.fixture
def panel(dock):
    return dock.synthesis


def settle(panel, qtbot):
    qtbot.waitUntil(lambda: not panel._background.busy)


def small(panel, qtbot, number=2):
    panel.number.setValue(number)
    panel.sides[1].setValue(48)
    panel.sides[2].setValue(64)
    panel.few.setValue(2)
    panel.many.setValue(4)
    settle(panel, qtbot)


def begin(panel, worker, qtbot):
    panel.make.click()
    qtbot.waitUntil(lambda: panel.synthesis.busy)
    return worker.runs[-1]


def poll(panel):
    panel.synthesis.follower._asked_state = 0.0
    panel.synthesis.follower.poll()


def test_it_is_there_for_models_that_make_images_only(session, dock, panel, qtbot):
    assert not panel.isHidden()
    assert [box.value() for box in panel.sides[1:]] == [512, 512]
    assert panel.sides[0].isHidden()
    assert (panel.least.value(), panel.most.value()) == (15.0, 25.0)
    dock.models.combo.setCurrentIndex(0)
    assert panel.isHidden()
    card = load_card(make_model(session.project.models_folder / "clicks"))
    panel.serve("clicks", card.model_copy(update={"method": "spn-ien"}))
    assert panel.isHidden()
    dock.models.combo.setCurrentIndex(1)
    assert not panel.isHidden()


def test_a_volume_has_three_sides(session, dock, panel, qtbot):
    untrained(session.project.models_folder / "deep", 3)
    session.model = str(session.project.models_folder / "deep")
    qtbot.waitUntil(lambda: not panel.sides[0].isHidden())
    assert panel.wish().shape == tuple(box.value() for box in panel.sides)
    assert panel.make.isEnabled()


def test_images_are_made_and_opened_with_their_outlines(session, panel, worker, qtbot):
    assert not panel.open_made.isEnabled()
    small(panel, qtbot)
    assert panel.make.text() == "Make 2 images"
    run = begin(panel, worker, qtbot)
    assert not panel.stop.isHidden()
    execute(run.path)
    poll(panel)
    assert not panel.synthesis.busy
    assert "2 images with labels" in panel.message.text()
    assert len(open_dataset(panel.made)) == 2
    panel.open_made.click()
    qtbot.waitUntil(lambda: len([one for one in session.images if one.labels is not None]) == 2)
    assert {one.use for one in session.images} == {"train"}
    session.flush()
    data = open_dataset(session.training_data())
    assert len(data.examples(split="train", has="labels")) == 2


def test_stopped_it_keeps_what_is_made_and_goes_on(panel, worker, qtbot, monkeypatch):
    small(panel, qtbot, 3)
    run = begin(panel, worker, qtbot)
    make = AdganSynthesis.make

    def stopped(self, *arguments):
        # In the midst of the first image: whoever stops before it has none.
        panel.stop.click()
        qtbot.waitUntil(lambda: any(one.kind == "acknowledged" for one in run.read_events()[0]))
        return make(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(AdganSynthesis, "make", stopped)
        execute(run.path)
    poll(panel)
    assert "1 image with labels" in panel.message.text()
    assert panel.open_made.isEnabled()
    again = begin(panel, worker, qtbot)
    assert again.job.out == run.job.out
    execute(again.path)
    poll(panel)
    assert "3 images with labels" in panel.message.text()
    panel.few.setValue(3)
    settle(panel, qtbot)
    other = begin(panel, worker, qtbot)
    assert other.job.out == f"{run.job.out}-2"


def test_the_number_of_nuclei_follows_the_size_until_it_is_typed(panel, qtbot):
    large = panel.many.value()
    for box in panel.sides[1:]:
        box.setValue(256)
    settle(panel, qtbot)
    assert 0.2 * large < panel.many.value() < 0.3 * large
    assert panel.wish().nuclei is None
    panel.most.setValue(50)
    settle(panel, qtbot)
    assert panel.many.value() < 0.2 * large, "fewer of the larger ones"
    panel.many.setValue(9)
    panel.sides[1].setValue(512)
    settle(panel, qtbot)
    assert panel.many.value() == 9 and panel.wish().nuclei == (panel.few.value(), 9)


def test_what_cannot_be_is_said_below_the_button(panel, qtbot):
    panel.few.setValue(90)
    panel.many.setValue(3)
    settle(panel, qtbot)
    assert not panel.make.isEnabled()
    assert "cannot be 90 to 3 nuclei" in panel.make.toolTip()
    assert "cannot be 90 to 3 nuclei" in panel.wrong.text()
    panel.many.setValue(100)
    settle(panel, qtbot)
    assert panel.make.isEnabled()
    assert panel.wrong.isHidden()


def test_a_failure_is_told_with_a_report(session, panel, worker, qtbot):
    small(panel, qtbot)
    run = begin(panel, worker, qtbot)
    (session.project.models_folder / "fluo" / "weights.safetensors").write_bytes(b"damaged")
    execute(run.path)
    poll(panel)
    assert panel.message.level == "error"
    assert panel.make.isEnabled()
