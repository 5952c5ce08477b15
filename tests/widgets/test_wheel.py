"""A dock is scrolled with the wheel: what lies under the pointer must not change by it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QScrollArea, QVBoxLayout, QWidget

from napari_nucleidomain import widgets
from napari_nucleidomain.widgets.combos import Combo, Slider


def turn_wheel(widget):
    """One notch towards the person, in the middle of a widget, as the window system tells it."""
    middle = widget.rect().center()
    event = QWheelEvent(
        QPointF(middle),
        QPointF(widget.mapToGlobal(middle)),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    # Qt hands what was not taken to the parent by itself only where the event came from the window system.
    while widget is not None:
        event.accept()
        QApplication.sendEvent(widget, event)
        widget = None if event.isAccepted() else widget.parentWidget()


def a_combo():
    combo = Combo()
    combo.addItems(["train and check", "train", "predict only"])
    return combo, combo.currentIndex


def a_slider():
    slider = Slider(Qt.Orientation.Horizontal)
    slider.setValue(50)
    return slider, slider.value


@pytest.fixture(params=[a_combo, a_slider])
def scrolled(request, qtbot):
    """A box in a column that is longer than its scroll area, and what it says."""
    area, column = QScrollArea(), QWidget()
    box, value = request.param()
    layout = QVBoxLayout(column)
    layout.addWidget(box)
    layout.addSpacing(2000)
    area.setWidget(column)
    area.resize(300, 200)
    qtbot.addWidget(area)
    area.show()
    qtbot.waitExposed(area)
    return area, box, value


def test_the_wheel_scrolls_the_dock_and_leaves_the_choice(scrolled):
    area, box, value = scrolled
    box.clearFocus()
    assert not box.focusPolicy().value & Qt.FocusPolicy.WheelFocus.value & ~Qt.FocusPolicy.StrongFocus.value
    before = value()
    turn_wheel(box)
    assert value() == before
    assert area.verticalScrollBar().value() > 0


def test_with_the_focus_the_wheel_chooses(scrolled, monkeypatch):
    area, box, value = scrolled
    monkeypatch.setattr(box, "hasFocus", lambda: True)
    before = value()
    turn_wheel(box)
    assert value() != before
    assert area.verticalScrollBar().value() == 0


def test_no_box_of_ours_is_without_the_guard():
    bare = {"QComboBox", "QSlider", "QSpinBox", "QDoubleSpinBox"}
    made = [
        f"{file.name}:{node.lineno}"
        for file in Path(widgets.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in bare
    ]
    assert made == []
