"""The tool buttons of the Points dock, and undo and redo."""

from __future__ import annotations

from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QMenu, QPushButton, QWidget

from .menus import tool_button
from .session import Session

_TOOLS = (
    ("click", "● Click", "Click once inside every nucleus (key 2 in napari)"),
    ("move", "✥ Move", "Drag a click to its place; Delete removes those selected (key 3)"),
    ("erase", "✕ Erase", "A click removes the nearest click; dragging still moves the picture"),
)
_AREA_TIPS = ("Draw the area in which you click every nucleus", "Rectangle or polygon")
_KEYS = (
    ("Ctrl+Z · Ctrl+Shift+Z", "undo, redo: clicks and regions"),
    ("H", "hide or show the clicks (or regions)"),
    ("Q · W · N", "suggestions: accept, reject, next"),
    ("2 · 3 · 4", "add, select, move the picture (napari's own)"),
    ("Delete", "remove the selected clicks (napari's own)"),
    ("Space", "hold to move the picture (napari's own)"),
    ("Page Up · Page Down", "previous, next image"),
)


def keys_text() -> str:
    """The keys as a small table (rich text)."""
    rows = "".join(f"<tr><td><b>{key}</b>&nbsp;&nbsp;</td><td>{what}</td></tr>" for key, what in _KEYS)
    return f"<table>{rows}</table>"


class ToolRow(QWidget):
    """Click, Move, Erase; below, Region, Undo and Redo. No button takes the keyboard from the canvas."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.buttons: dict[str, QPushButton] = {}
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for column, (mode, text, tip) in enumerate(_TOOLS):
            button = tool_button(text, tip, checkable=True)
            # `clicked` and not `toggled`, so that showing the tool in use never takes one up.
            button.clicked.connect(lambda _=False, mode=mode: self._take(mode))
            self.buttons[mode] = button
            layout.addWidget(button, 0, column)
        self.region = tool_button("▭ Region", _AREA_TIPS[0], checkable=True)
        self._shape = tool_button("▾", _AREA_TIPS[1])
        self._shape.setFixedWidth(18)
        self._shape.setStyleSheet(
            "QPushButton { padding: 4px 0px; } QPushButton::menu-indicator { image: none; width: 0px; }"
        )
        menu = QMenu(self._shape)
        menu.addAction("Rectangle: drag", lambda: self._region("rectangle"))
        menu.addAction("Polygon: click corners, double click ends", lambda: self._region("polygon"))
        self._shape.setMenu(menu)
        self.region.clicked.connect(lambda: self._region(self._kind))
        self._kind = "rectangle"
        area = QHBoxLayout()
        area.setSpacing(0)
        area.addWidget(self.region, 1)
        area.addWidget(self._shape)
        # Four in a row are wider than a narrow dock with a scroll bar.
        layout.addLayout(area, 1, 0)
        self.undo = tool_button("↶ Undo", "Take the last step back (Ctrl+Z)")
        self.redo = tool_button("↷ Redo", "Take it again (Ctrl+Shift+Z)")
        self.undo.clicked.connect(lambda: session.annotations.undo())
        self.redo.clicked.connect(lambda: session.annotations.redo())
        layout.addWidget(self.undo, 1, 1)
        layout.addWidget(self.redo, 1, 2)
        for column in range(3):
            layout.setColumnStretch(column, 1)
        session.annotations.mode_changed.connect(self._show_mode)
        session.annotations.history_changed.connect(self.refresh)
        session.current_changed.connect(self.refresh)
        session.entry_changed.connect(self.refresh)
        session.read_only_changed.connect(self.refresh)
        self.refresh()

    def _region(self, kind: str) -> None:
        self._kind = kind
        self.region.setText("▭ Region" if kind == "rectangle" else "⬠ Region")
        self._take(kind)

    def _take(self, mode: str) -> None:
        entry = self._session.current
        if entry is None:
            return
        # A second press on the tool in use puts it down.
        wanted = "look" if self._session.annotations.mode == mode else mode
        self._session.stage.when_ready(entry, lambda: self._session.annotations.use(wanted))
        self._show_mode(self._session.annotations.mode)

    def _show_mode(self, mode: str) -> None:
        for name, button in self.buttons.items():
            button.setChecked(name == mode)
        self.region.setChecked(mode in ("rectangle", "polygon"))

    def refresh(self, *_: object) -> None:
        """Enable what can be done; what cannot says why."""
        entry = self._session.current
        why = "Choose an image in Images first." if entry is None else entry.problem or self._session.locked
        tips = {mode: tip for mode, _, tip in _TOOLS}
        for mode, button in self.buttons.items():
            button.setEnabled(not why)
            button.setToolTip(why or tips[mode])
        for area in (self.region, self._shape):
            area.setEnabled(not why)
            area.setToolTip(why or _AREA_TIPS[area is self._shape])
        history = self._session.annotations.history(entry) if entry is not None else None
        locked = self._session.locked
        self.undo.setEnabled(bool(history and history.can_undo and not locked))
        self.redo.setEnabled(bool(history and history.can_redo and not locked))
        undo, redo = "Take the last step back (Ctrl+Z)", "Take it again (Ctrl+Shift+Z)"
        self.undo.setToolTip(undo if self.undo.isEnabled() else locked or "Nothing to undo")
        self.redo.setToolTip(redo if self.redo.isEnabled() else locked or "Nothing to redo")
