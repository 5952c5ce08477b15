"""A row of buttons of which one is down. They take no keyboard focus, so that the canvas keeps its keys."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QButtonGroup, QWidget
from superqt import QFlowLayout

from .inline import WhyButton


class ModeButtons(QWidget):
    """One of several.

    Parameters
    ----------
    modes : mapping of str to (text, help)

    Signals
    -------
    chosen(str)
    """

    chosen = Signal(str)

    def __init__(self, modes: Mapping[str, tuple[str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._group = QButtonGroup(self)
        self._buttons: dict[str, WhyButton] = {}
        layout = QFlowLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for mode, (text, help_text) in modes.items():
            button = WhyButton(text, help_text)
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.clicked.connect(lambda _, mode=mode: self.chosen.emit(mode))
            self._buttons[mode] = button
            self._group.addButton(button)
            layout.addWidget(button)
        next(iter(self._buttons.values())).setChecked(True)

    @property
    def mode(self) -> str:
        """The one that is down."""
        return next(mode for mode, button in self._buttons.items() if button.isChecked())

    def choose(self, mode: str) -> None:
        """Press one."""
        self._buttons[mode].click()

    def allow(self, mode: str, why_not: str) -> None:
        """Enable one, or say why not; if it was down, the first takes its place."""
        button = self._buttons[mode]
        button.allow(why_not)
        if why_not and button.isChecked():
            next(iter(self._buttons.values())).setChecked(True)
