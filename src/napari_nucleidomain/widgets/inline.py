"""Messages shown under the control they concern: what is wrong, what to do, a button for it, and a report to copy."""

from __future__ import annotations

import platform
import sys
import traceback
from collections.abc import Callable
from typing import Literal

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QApplication, QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget
from superqt import QFlowLayout

from napari_nucleidomain.contracts import NucleiError

Level = Literal["ok", "info", "warning", "error"]
_SIGNS = {"ok": "✓", "info": "ℹ", "warning": "⚠", "error": "✗"}
_EDGES = {"ok": "#009E73", "info": "#56B4E9", "warning": "#E69F00", "error": "#D55E00"}


def report(message: str, hint: str = "", details: str = "") -> str:
    """What [Copy report] puts on the clipboard: the fault, the versions, and the log's end or traceback."""
    from importlib.metadata import PackageNotFoundError, version

    lines = ["napari-nucleidomain report", message, hint, ""]
    lines.append(f"Python {sys.version.split()[0]} on {platform.platform()}")
    for package in ("napari-nucleidomain", "napari", "torch", "numpy", "qtpy", "PyQt6", "PySide6"):
        try:
            lines.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return "\n".join([*lines, "", details]).strip() + "\n"


class Inline(QFrame):
    """One message in a dock. Hidden while there is nothing to say.

    Signals
    -------
    said(object)
        This, with something new to say: a dock may scroll to it.
    """

    said = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.level: Level = "info"
        self._report = ""
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self._buttons = QWidget()
        self._row = QFlowLayout(self._buttons)
        self._row.setContentsMargins(0, 0, 0, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 4, 4)
        layout.addWidget(self._text)
        layout.addWidget(self._buttons)
        self.setVisible(False)

    def text(self) -> str:
        """The message as shown, sign included."""
        return self._text.text()

    def clear(self) -> None:
        """Say nothing."""
        self._text.setText("")
        self.setVisible(False)

    def say(self, level: Level, message: str, hint: str = "", **actions: Callable[[], object]) -> None:
        """Show a message.

        Parameters
        ----------
        level : {"ok", "info", "warning", "error"}
        message, hint : str
            What is so, and what to do about it.
        **actions
            Button text (underscores become spaces) -> what it does.
        """
        self.level, self._report = level, ""
        self._text.setText(f"{_SIGNS[level]} {message}" + (f"\n{hint}" if hint else ""))
        self.setStyleSheet(f"Inline {{ border: none; border-left: 3px solid {_EDGES[level]}; }}")
        while self._row.count():
            item = self._row.takeAt(0)
            if item is not None and item.widget() is not None:
                item.widget().deleteLater()
        for name, action in actions.items():
            self._add_button(name.replace("_", " "), action)
        self._buttons.setVisible(bool(actions))
        self.setVisible(True)
        self.said.emit(self)

    def say_error(
        self, error: BaseException | str, hint: str = "", details: str = "", **actions: Callable[[], object]
    ) -> None:
        """Show a fault. One that is not the user's is said so, with its kind and [Copy report].

        What a person can mend is no report to send, unless `details` (a run's log) come with it.
        """
        if isinstance(error, NucleiError):
            message, hint = error.message, hint or error.hint
        elif isinstance(error, BaseException):
            message = f"Something went wrong that should not: {type(error).__name__}: {error}"
            hint = hint or "Nothing was lost. Copy the report and send it to us."
            details = details or "".join(traceback.format_exception(error))
        else:
            message = error
        self.say("error", message, hint, **actions)
        if isinstance(error, NucleiError) and not details:
            return
        self._report = report(message, hint, details)
        self._add_button("Copy report", self.copy_report)
        self._buttons.setVisible(True)

    def copy_report(self) -> None:
        """Put the report on the clipboard."""
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self._report)

    def _add_button(self, text: str, action: Callable[[], object]) -> None:
        button = QPushButton(text)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.clicked.connect(lambda: action())
        self._row.addWidget(button)


class WhyButton(QPushButton):
    """A button that, when disabled, says why."""

    def __init__(self, text: str, help: str = "", parent: QWidget | None = None) -> None:  # noqa: A002
        super().__init__(text, parent)
        self._help = help
        self.setToolTip(help)

    def allow(self, why_not: str = "") -> None:
        """Enable, or disable with the reason as the tooltip."""
        self.setEnabled(not why_not)
        self.setToolTip(why_not or self._help)


def row(*widgets: QWidget, stretch: int = -1) -> QHBoxLayout:
    """Widgets side by side without margins; the one at `stretch` takes what is left."""
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    for number, widget in enumerate(widgets):
        layout.addWidget(widget, 1 if number == stretch else 0)
    return layout
