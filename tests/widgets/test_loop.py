"""Train and predict from the docks with the real processes: nothing here is a stand-in."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from napari_nucleidomain.instances.scores import score_labels
from napari_nucleidomain.runs.launch import running_training
from napari_nucleidomain.widgets import predict_dock, train_dock
from napari_nucleidomain.widgets.predict_run import worker_of
from napari_nucleidomain.widgets.result_layers import result_layers

_PATIENCE = 150_000


@pytest.fixture
def entry(session, bare_entry, nuclei):
    made = bare_entry
    session.viewer.fit_to_view()
    session.set_points(made, nuclei[1])
    session.set_regions(made, [np.array([[0, 0], [0, 239], [199, 239], [199, 0]], float)])
    made.complete = True
    return made


@pytest.fixture(autouse=True)
def _no_process_left(session):
    yield
    worker_of(session.project).close()
    holder = running_training(session.project)
    if holder is not None:
        holder.request("stop")


def test_classical_nuclei_come_from_the_warm_worker(session, entry, nuclei, qtbot):
    dock = predict_dock.PredictDock(session.viewer)
    session.viewer.window.add_dock_widget(dock, name="Predict")
    dock.where.buttons["image"].setChecked(True)
    dock.find.click()
    qtbot.waitUntil(lambda: not dock.prediction.busy, timeout=_PATIENCE)
    (result,) = result_layers(session).of(entry)
    assert score_labels(result.labels(), nuclei[2]).at[0.5].f1 > 0.9
    assert "torch" not in sys.modules or "torch" in _before


def test_a_training_is_stopped_kept_and_used(session, entry, qtbot, monkeypatch):
    monkeypatch.setattr(train_dock, "open_dock", lambda session, which: None)
    dock = train_dock.TrainDock(session.viewer)
    session.viewer.window.add_dock_widget(dock, name="Train")
    dock.choices.limit.setChecked(True)
    dock.choices.minutes.setValue(30)
    dock.refresh()
    dock.train.click()
    assert not dock.message.text()
    # A preview lies over the image while it trains, and a model is there to be kept.
    qtbot.waitUntil(lambda: "preview" in entry.layers, timeout=_PATIENCE)
    assert entry.layers["preview"].data.ndim == 2
    qtbot.waitUntil(lambda: bool(dock.follower.story.series), timeout=_PATIENCE)
    dock.progress.stop.click()
    qtbot.waitUntil(lambda: dock.follower.state == "stopped", timeout=_PATIENCE)
    qtbot.waitUntil(lambda: dock.train.isVisibleTo(dock), timeout=_PATIENCE)
    assert dock.follower.story.end.model
    assert session.model == str(session.project.models_folder / dock.follower.run.job.name)
    assert "torch" not in sys.modules or "torch" in _before


_before = set(sys.modules)
