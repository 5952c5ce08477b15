"""The slider *fainter ↔ brighter* of the classical method: one value for the project, shown wherever it is needed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtGui import QPainter, QPen
from qtpy.QtWidgets import QHBoxLayout, QLabel, QToolButton, QWidget

from .combos import Slider

if TYPE_CHECKING:
    from .session import Session

KEY = "threshold_shift"
_STEPS = 100
_TIP = (
    "Where the classical method draws the line between nuclei and background. To the left fainter (paler) nuclei are\n"
    "found too, to the right only the brighter ones; in stained tissue, the darker ones. What you see follows.\n"
    "Arrow keys move it in small steps. Double-click: back to the middle, the line that it finds by itself."
)


def shift_of(session: Session) -> float:
    """What the project has, -1 to 1; 0 where it has nothing that a slider can show."""
    stored = session.training.get(KEY)
    known = isinstance(stored, int | float) and not isinstance(stored, bool) and math.isfinite(stored)
    return float(min(1.0, max(-1.0, stored))) if known else 0.0  # type: ignore[arg-type]


def shift_words(shift: float) -> str:
    """What a place of the slider means: "fainter nuclei too (−40)"; "" in the middle."""
    number = round(_STEPS * shift)
    if not number:
        return ""
    return f"fainter nuclei too (−{-number})" if number < 0 else f"only brighter nuclei (+{number})"


class _Middle(Slider):
    """A slider that goes back to the middle by a double click, and that no wheel moves."""

    def mouseDoubleClickEvent(self, event: Any) -> None:
        """Qt's hook."""
        self.setValue(0)
        event.accept()

    def paintEvent(self, event: Any) -> None:
        """Qt's hook: a mark where the method would be by itself."""
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setPen(QPen(self.palette().windowText().color(), 1))
        middle, foot = self.width() // 2, self.height() - 1
        painter.drawLine(middle, foot - 3, middle, foot)
        painter.end()

    def wheelEvent(self, event: Any) -> None:
        """Scroll the dock: it keeps the focus after it was dragged, and would then turn with the wheel."""
        event.ignore()


class FaintSlider(QWidget):
    """fainter ── brighter ↺

    Every one of a session shows the same value, and keeps it with the project.

    Signals
    -------
    moved(float)
        The person moved this one; -1 to 1.
    near()
        The pointer came: what the first move needs can be made ready.
    """

    moved = Signal(float)
    near = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._filling = False
        self.slider = _Middle(Qt.Orientation.Horizontal)
        self.slider.setRange(-_STEPS, _STEPS)
        self.slider.setSingleStep(2)
        self.slider.setPageStep(10)
        self.slider.setAccessibleName("fainter or brighter nuclei")
        self.slider.setToolTip(_TIP)
        self.reset = QToolButton()
        self.reset.setText("↺")
        self.reset.setToolTip("Back to the middle: the line that the method finds by itself")
        self.reset.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.reset.clicked.connect(lambda: self.slider.setValue(0))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for words in ("fainter", "brighter"):
            end = QLabel(words)
            end.setToolTip(_TIP)
            layout.addWidget(end)
        layout.insertWidget(1, self.slider, 1)
        layout.addWidget(self.reset)
        self.slider.valueChanged.connect(self._changed)
        session.said_changed.connect(self.show_kept)
        session.project_changed.connect(self.show_kept)
        self.show_kept()

    @property
    def shift(self) -> float:
        """Where it stands, -1 to 1."""
        return self.slider.value() / _STEPS

    def show_kept(self, *_: Any) -> None:
        """Show what the project has."""
        self._filling = True
        self.slider.setValue(round(_STEPS * shift_of(self._session)))
        self.reset.setEnabled(bool(self.slider.value()))
        self._filling = False

    def enterEvent(self, event: QEvent | None) -> None:
        """Qt's hook."""
        self.near.emit()
        super().enterEvent(event)  # type: ignore[arg-type]

    def _changed(self) -> None:
        self.reset.setEnabled(bool(self.slider.value()))
        if not self._filling:
            self._session.say_training(**{KEY: self.shift})
            self.moved.emit(self.shift)
