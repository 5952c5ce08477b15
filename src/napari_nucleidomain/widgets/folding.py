"""A section that folds, and remembers whether it was open."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QSettings, Qt, Signal
from qtpy.QtWidgets import QScrollArea, QToolButton, QVBoxLayout, QWidget


def _memory() -> QSettings:
    from platformdirs import user_config_dir

    path = Path(user_config_dir("napari-nucleidomain", appauthor=False)) / "docks.ini"
    return QSettings(str(path), QSettings.Format.IniFormat)


class Fold(QWidget):
    """A title that opens and closes what is below it.

    Parameters
    ----------
    title : str
    remember : str
        Key under which open or closed is kept between sessions; empty: always closed at first.

    Signals
    -------
    opened()
        It was opened; content that is dear to make can be made now.
    """

    opened = Signal()

    def __init__(self, title: str, remember: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._key = remember
        self._title = QToolButton()
        self._title.setText(title)
        self._title.setCheckable(True)
        self._title.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._title.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._title.setStyleSheet(
            "QToolButton { border: none; background: transparent; font-weight: bold; padding: 3px; }"
        )
        self._body = QWidget()
        self.content = QVBoxLayout(self._body)
        self.content.setContentsMargins(8, 0, 0, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self._title)
        layout.addWidget(self._body)
        opened = bool(remember) and _memory().value(remember, False, type=bool)
        self._title.setChecked(opened)
        self._title.toggled.connect(self._toggle)
        self._show(opened)

    def set_title(self, title: str) -> None:
        """Change the title's text."""
        self._title.setText(title)

    def is_open(self) -> bool:
        """Whether the content is shown."""
        return self._title.isChecked()

    def open(self, opened: bool = True) -> None:
        """Open or close."""
        self._title.setChecked(opened)

    def add(self, widget: QWidget) -> QWidget:
        """Put a widget into the section."""
        self.content.addWidget(widget)
        return widget

    def _show(self, opened: bool) -> None:
        self._title.setArrowType(Qt.ArrowType.DownArrow if opened else Qt.ArrowType.RightArrow)
        self._body.setVisible(opened)

    def _toggle(self, opened: bool) -> None:
        self._show(opened)
        if opened:
            self.opened.emit()
        if self._key:
            _memory().setValue(self._key, opened)


def scrolled(content: QWidget) -> QScrollArea:
    """Put a dock's content into an area that scrolls up and down, never sideways."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(content)
    content.setMinimumWidth(0)
    area.setMinimumWidth(260)
    return area
