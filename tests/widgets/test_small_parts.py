"""Messages, folds and plots."""

from __future__ import annotations

import itertools
import math
import threading

import numpy as np
import pint
import pytest
from qtpy.QtWidgets import QApplication, QLabel, QPushButton

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.widgets import labels_ahead
from napari_nucleidomain.widgets.bars import Bar
from napari_nucleidomain.widgets.folding import Fold
from napari_nucleidomain.widgets.inline import Inline, WhyButton
from napari_nucleidomain.widgets.plots import CurvePlot, nice_ticks
from napari_nucleidomain.widgets.run_story import Series


def test_a_fault_says_what_to_do_and_gives_a_report(qtbot):
    message = Inline()
    qtbot.addWidget(message)
    done = []
    message.say_error(
        NucleiError("Only 7 clicks.", "20 is the least."), details="log", Back_to_Points=lambda: done.append(1)
    )
    assert message.text() == "✗ Only 7 clicks.\n20 is the least."
    buttons = {button.text(): button for button in message.findChildren(QPushButton)}
    buttons["Back to Points"].click()
    buttons["Copy report"].click()
    copied = QApplication.clipboard().text()
    assert done == [1]
    assert "Only 7 clicks." in copied
    assert "napari " in copied
    assert copied.endswith("log\n")


def test_what_the_user_can_mend_is_no_report(qtbot):
    message = Inline()
    qtbot.addWidget(message)
    message.say_error(NucleiError("QQ is no order of axes.", "Say YX."))
    assert message.text() == "✗ QQ is no order of axes.\nSay YX."
    assert not message.findChildren(QPushButton)


def test_a_defect_is_called_one(qtbot):
    message = Inline()
    qtbot.addWidget(message)
    try:
        _ = {}["key"]
    except KeyError as error:
        message.say_error(error)
    assert "should not" in message.text()
    message.copy_report()
    assert "Traceback" in QApplication.clipboard().text()


def test_old_buttons_go_with_the_old_message(qtbot, qapp):
    message = Inline()
    qtbot.addWidget(message)
    message.say("info", "one", Go=lambda: None)
    message.say("info", "two", Stay=lambda: None)
    assert [message._row.itemAt(k).widget().text() for k in range(message._row.count())] == ["Stay"]


def test_a_disabled_button_says_why(qtbot):
    button = WhyButton("Train", "Start to train.")
    qtbot.addWidget(button)
    button.allow("No clicks yet.")
    assert not button.isEnabled()
    assert button.toolTip() == "No clicks yet."
    button.allow()
    assert button.isEnabled()
    assert button.toolTip() == "Start to train."


def test_a_fold_remembers(qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_config_dir", lambda *a, **k: str(tmp_path))
    first = Fold("Advanced", remember="train/advanced")
    qtbot.addWidget(first)
    first.add(QLabel("inside"))
    assert not first.is_open()
    first.open()
    second = Fold("Advanced", remember="train/advanced")
    qtbot.addWidget(second)
    assert second.is_open()


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.2, 7.9), (1e-6, 2e-6), (0, 1e9), (0.5, 0.51)])
def test_ticks_are_few_round_and_inside(low, high):
    ticks = nice_ticks(low, high, 5)
    assert 1 <= len(ticks) <= 6
    assert all(low - 1e-12 <= tick <= high * (1 + 1e-9) for tick in ticks)
    steps = {round(b - a, 12) for a, b in itertools.pairwise(ticks)}
    assert len(steps) <= 1


def test_a_plot_of_anything_is_drawn(qtbot):
    plot = CurvePlot("Nothing yet", floor=0, ceiling=1)
    qtbot.addWidget(plot)
    plot.resize(300, 120)
    plot.show()
    blank = plot.grab().toImage()
    plot.set_curves({"flat": Series([0.0, 1.0], [0.5, 0.5]), "broken": Series([0.0, 9.0], [math.nan, math.inf])})
    drawn = plot.grab().toImage()
    assert drawn != blank
    assert "flat now 0.5" in plot.accessibleDescription()
    plot.set_curves({"one": Series([3.0], [2.0])})
    plot.grab()


def test_the_value_under_the_pointer_is_shown(qtbot):
    plot = CurvePlot()
    qtbot.addWidget(plot)
    plot.resize(300, 120)
    plot.set_curves({"loss": Series([0.0, 50.0, 100.0], [3.0, 2.0, 1.0])})
    assert plot._legend_entries() == ["loss 1"]
    plot._pointer = 50.0
    assert plot._legend_entries() == ["loss 3"]


def test_a_progress_bar_is_drawn_later_and_not_within_setting_a_value(qtbot):
    class Counting(Bar):
        drawn = 0

        def paintEvent(self, event):
            super().paintEvent(event)
            self.drawn += 1

    bar = Counting()
    qtbot.addWidget(bar)
    bar.setRange(0, 100)
    with qtbot.waitExposed(bar):
        bar.show()
    qtbot.waitUntil(lambda: bar.drawn > 0)
    before = bar.drawn
    for value in (10, 50, 90):
        bar.setValue(value)
    assert bar.drawn == before
    qtbot.waitUntil(lambda: bar.drawn > before)
    assert bar.value() == 90
    assert bar.updatesEnabled()


def test_labels_are_prepared_once_a_process(monkeypatch):
    monkeypatch.setattr(labels_ahead, "_once", threading.Lock())
    made = []
    monkeypatch.setattr("napari.layers.Labels", lambda data: made.append((data.dtype, threading.current_thread().name)))
    monkeypatch.setattr(pint, "get_application_registry", lambda: Registry())

    class Registry:
        @property
        def pixel(self):
            made.append(("units", threading.current_thread().name))

    thread = labels_ahead.prepare_labels()
    thread.join(30)
    assert labels_ahead.prepare_labels() is None
    # An image the user opens meanwhile would find pint's table of units half made by another thread.
    assert made == [("units", "MainThread"), (np.dtype(np.uint32), "nuclei-labels")]


def test_a_folder_to_predict_holds_what_images_opens(tmp_path):
    from napari_nucleidomain.data.readers import IMAGE_SUFFIXES
    from napari_nucleidomain.widgets.images_open import files_in
    from napari_nucleidomain.widgets.predict_where import images_in

    for number, suffix in enumerate(one for one in IMAGE_SUFFIXES if one != ".zarr"):
        (tmp_path / f"{number}{suffix.upper()}").touch()
    (tmp_path / "slide.ome.zarr").mkdir()
    for name in ("0_seg.npy", ".hidden.tif", "notes.txt", "0_cp_masks.png"):
        (tmp_path / name).touch()
    found = images_in(tmp_path)
    assert len(found) == len(IMAGE_SUFFIXES)
    assert set(found) == set(files_in([tmp_path]))
