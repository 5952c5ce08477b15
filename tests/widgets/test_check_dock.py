"""*Check my computer* and the minutes in the Train dock, with a stand-in for the process that measures."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_nucleidomain.contracts import NucleiError, methods
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.understanding import Understanding
from napari_nucleidomain.runs import devices, speed
from napari_nucleidomain.runs.speed import Speed
from napari_nucleidomain.widgets import train_choices, train_dock, train_forecast
from napari_nucleidomain.widgets.check_dock import CheckDock

LAPTOP = Speed(device="cpu", words="the processor", steps={"small": 0.5, "large": 8.0}, import_seconds=2.0, torch="2")


class Measurer:
    """Measures what it was told; waits until `go` where there is none."""

    outcome: object = LAPTOP
    cancelled = False
    seen: list[str]

    def __init__(self, device="auto", seconds=5.0):
        type(self).seen.append(device)

    def follow(self, told):
        told(0.5)
        while self.outcome is None and not self.cancelled:
            pass
        if isinstance(self.outcome, Exception):
            raise self.outcome
        if not self.cancelled:
            speed.save_speed(self.outcome, "auto")
        return None if self.cancelled else self.outcome

    def cancel(self):
        self.cancelled = True


@pytest.fixture(autouse=True)
def measured(monkeypatch, tmp_path):
    monkeypatch.setattr(speed, "speed_file", lambda: tmp_path / "speed.json")
    monkeypatch.setattr(devices, "registry", lambda: tmp_path / "devices")
    made = type("Fresh", (Measurer,), {"seen": []})
    monkeypatch.setattr(speed, "SpeedTest", made)
    return made


@pytest.fixture
def dock(session):
    made = CheckDock(session.viewer)
    session.viewer.window.add_dock_widget(made, name="Check my computer")
    return made


def test_looks_measures_and_says_what_it_means(dock, qtbot, measured):
    qtbot.waitUntil(lambda: "steps a second" in dock.lines.text())
    assert measured.seen == ["auto"]
    text = dock.means.text()
    assert "Quick look: about 2 minutes" in text and "short for this computer" in text
    assert "Processor" in dock.lines.text() and "Project folder" in dock.lines.text()
    assert dock.test.isVisible() and not dock.cancel.isVisible() and not dock.bar.isVisible()
    dock.copy.click()
    said = QApplication.clipboard().text()
    assert said == dock.report() and "[ok] Packages: napari-nucleidomain" in said
    assert "torch" not in sys.modules


def test_cancel_keeps_the_last_measurement(dock, qtbot, measured):
    qtbot.waitUntil(lambda: "steps a second" in dock.lines.text())
    measured.outcome = None
    dock.test.click()
    assert dock.bar.isVisible() and dock.cancel.isVisible()
    qtbot.waitUntil(lambda: dock.bar.value() == 500)
    dock.cancel.click()
    qtbot.waitUntil(lambda: "cancelled" in dock.lines.text())
    assert "Quick look: about 2 minutes" in dock.means.text()


def test_a_fault_says_what_to_do(dock, qtbot, measured):
    measured.outcome = NucleiError("PyTorch cannot be loaded.", "Install it again.")
    qtbot.waitUntil(dock.trouble.isVisible)
    assert "PyTorch cannot be loaded.\nInstall it again." in dock.trouble.text()
    assert "not known" in dock.means.text()
    assert "[error] Speed test: PyTorch" in dock.report()


def test_waits_for_another_job(dock, qtbot, measured, monkeypatch):
    class Job:
        name = "liver-2"

    monkeypatch.setattr(devices, "holders", lambda: [Job()])
    qtbot.waitUntil(dock.trouble.isVisible)
    assert "liver-2 computes now" in dock.trouble.text() and measured.seen == []


@pytest.fixture
def train(session, monkeypatch, qtbot):
    spec = methods()["spn-ien"]
    monkeypatch.setattr(train_choices, "methods", lambda: {"spn-ien": spec})
    made = train_dock.TrainDock(session.viewer)
    session.viewer.window.add_dock_widget(made, name="Train")
    qtbot.waitUntil(lambda: not made.forecast._background.busy)
    return made


def titles(dock):
    return [button.text() for button in dock.choices._group.buttons()]


def test_train_tells_minutes_of_this_computer(train, qtbot, session, measured):
    assert titles(train)[:3] == [
        "Quick look, 2 min",
        "Better, 10 min",
        "Paper's settings (MultiOrgan), hours",
    ]
    assert "not measured yet" in train.forecast.told.text()
    train.forecast.measure()
    qtbot.waitUntil(lambda: "57 h" in titles(train)[2])
    assert measured.seen == ["cpu"] or measured.seen == ["auto"]
    # 800 steps of half a second: two minutes are short.
    assert "less than half" in train.forecast.told.text() and "7 min would be better" in train.forecast.told.text()
    train.choices.limit_to(7)
    train.refresh()
    assert train.train.text() == "Train, about 7 min"
    assert "less than half" not in train.forecast.told.text()


def test_volumes_have_times_of_their_own(session, monkeypatch, qtbot):
    monkeypatch.setattr(train_choices, "methods", lambda: {"adgan": methods()["adgan"]})
    monkeypatch.setattr(train_forecast, "load_speed", lambda device: LAPTOP)
    entry = session.add_entry("cells")
    entry.image = open_image(np.zeros((64, 64), np.uint8))
    made = train_dock.TrainDock(session.viewer)
    session.viewer.window.add_dock_widget(made, name="Train")
    qtbot.waitUntil(lambda: made.forecast._speed is not None)
    flat = titles(made)[2]
    assert flat.startswith("Paper's settings, ") and "less than half" in made.forecast.told.text()
    entry.image = open_image(np.zeros((32, 64, 64), np.uint8), Understanding(axes="ZYX", pixel_size_um=(1, 1, 1)))
    session.entry_changed.emit(entry, "understanding")
    assert titles(made)[2] != flat
    session.touch(entry, "use", use="predict")
    assert titles(made)[2] == flat, "nothing is learned from it"


def test_the_speed_of_one_card_tells_nothing_of_several(train, qtbot, measured):
    choices = train.choices
    choices.device.addItem("both", "cpu,cpu")
    train.forecast.measure()
    qtbot.waitUntil(lambda: "57 h" in titles(train)[2])
    choices.device.setCurrentIndex(choices.device.findData("cpu,cpu"))
    qtbot.waitUntil(lambda: "57 h" not in titles(train)[2])
    assert "several cards" in train.forecast.told.text() and "Measure" not in train.forecast.told.text()


def test_train_learns_from_past_trainings_and_warns_of_a_full_disk(train, qtbot, monkeypatch):
    monkeypatch.setattr(train_forecast, "past_steps", lambda project, device: {"large": 1.0})
    monkeypatch.setattr(train_forecast, "free_bytes", lambda folder: 90_000_000)
    train.forecast.look()
    qtbot.waitUntil(lambda: "7 h" in titles(train)[2])
    assert "last trainings" in train.forecast.told.text()
    train.refresh()
    assert "Only 90 MB free" in train.checklist.text() and "Images" in train.checklist.text()
