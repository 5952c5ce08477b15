"""Correcting a result nucleus by nucleus: keep, delete, split, join, redraw, add, undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.edits import Edit, delete, free_id, join, split

from .borrowed_keys import BorrowedKeys
from .inline import Inline, WhyButton
from .review_redraw import Redraw
from .review_show import unmark
from .review_tools import CanvasTool
from .review_volumes import is_volume, outline_on, shown_plane
from .theme import text_colour

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .review_subject import Subject
    from .session import Session

_BUTTONS = {
    "keep": ("Keep K", "It is right: note it as looked at and go on (key K)"),
    "delete": ("Delete D", "Take this nucleus away and go on (key D)"),
    "split": ("Split T", "Draw one line across a nucleus: it is cut along it (key T, Esc leaves)"),
    "join": ("Join J", "Click two nuclei that are one (key J, Esc leaves)"),
    "redraw": ("Redraw", "Take its outline away and draw it anew with napari's polygon tool"),
    "add": ("Add A", "Outline a nucleus that was missed, with napari's polygon tool (key A)"),
    "undo": ("↶ Undo", "Take the last change back (Ctrl+Z)"),
    "redo": ("↷ Redo", "Make it again (Ctrl+Shift+Z)"),
}
_PLACES = {"keep": (0, 0), "delete": (0, 1), "redraw": (0, 2), "split": (1, 0), "join": (1, 1), "add": (1, 2)}
_NONE = "Choose a nucleus first: ▶, a row of the table, or a click on it."
_SLIP_PX = 4.0


class EditBar(QWidget):
    """Buttons and keys that change the result, one step of napari's own undo each.

    Signals
    -------
    kept(int), deleted(int)
        The person said so of this nucleus; the walk may go on.
    chosen(int)
        This nucleus is the one that was changed.
    changed()
        The result is not as it was.
    looked(object)
        Ids of nuclei that were looked at by changing them.
    """

    kept = Signal(int)
    deleted = Signal(int)
    chosen = Signal(int)
    changed = Signal()
    looked = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._entry: ImageEntry | None = None
        self._subject: Subject | None = None
        self.number = 0
        self._steps = (0, 0)
        self._first = 0
        self._keys = BorrowedKeys()
        self.tool = CanvasTool(session)
        self.tool.left.connect(self._tool_left)
        self._polygon = Redraw(session)
        self._polygon.done.connect(self._redrawn)
        self.buttons: dict[str, WhyButton] = {}
        self.keys_note = QLabel()
        self.keys_note.setWordWrap(True)
        self.keys_note.setTextInteractionFlags(Qt.TextInteractionFlag.LinksAccessibleByMouse)
        self.keys_note.linkActivated.connect(self._select)
        self.message = Inline()
        self._build()
        active = session.viewer.layers.selection.events.active
        active.connect(self._say_keys)
        ndisplay = session.viewer.dims.events.ndisplay
        ndisplay.connect(self.refresh)
        session.read_only_changed.connect(self._take_keys)
        session.closing.connect(lambda: active.disconnect(self._say_keys))
        session.closing.connect(lambda: ndisplay.disconnect(self.refresh))
        session.closing.connect(lambda: self.serve(None, None))

    def _build(self) -> None:
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        acts = {name: getattr(self, name) for name in _BUTTONS}
        for name, (text, tip) in _BUTTONS.items():
            button = self.buttons[name] = WhyButton(text, tip)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setStyleSheet("QPushButton { padding: 4px 2px; } QPushButton:checked { font-weight: bold; }")
            button.clicked.connect(lambda _=False, act=acts[name]: act())
        for name, place in _PLACES.items():
            grid.addWidget(self.buttons[name], *place)
        steps = QGridLayout()
        steps.setSpacing(4)
        steps.addWidget(self.buttons["undo"], 0, 0)
        steps.addWidget(self.buttons["redo"], 0, 1)
        grid.addLayout(steps, 2, 0, 1, 3)
        for column in range(3):
            grid.setColumnStretch(column, 1)
        for name in ("split", "join"):
            self.buttons[name].setCheckable(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(grid)
        layout.addWidget(self.keys_note)
        layout.addWidget(self.message)

    # ---- which result, which nucleus

    def serve(self, entry: ImageEntry | None, subject: Subject | None) -> None:
        """Correct another result, or none."""
        if subject is not None and self._subject is not None and subject.layer is self._subject.layer:
            self._entry, self._subject = entry, subject
            self.refresh()
            return
        self.tool.leave()
        self._polygon.end()
        if self._subject is not None:
            self._subject.layer.events.set_data.disconnect(self._drawn)
            self._subject.layer.events.paint.disconnect(self._painted)
        self._entry, self._subject, self.number = entry, subject, 0
        self.message.clear()
        if subject is not None:
            subject.layer.events.set_data.connect(self._drawn)
            subject.layer.events.paint.connect(self._painted)
            self._steps = steps_of(subject.layer)
        self._take_keys()

    def stand_on(self, number: int) -> None:
        """The nucleus chosen: what Keep, Delete and Redraw are about."""
        self.number = number
        self.refresh()

    def showEvent(self, event: Any) -> None:
        """Qt's hook: the keys work while the dock is seen."""
        super().showEvent(event)
        self._take_keys()

    def hideEvent(self, event: Any) -> None:
        """Qt's hook: behind other docks nothing is in the hand and no key is taken."""
        super().hideEvent(event)
        self.tool.leave()
        self._keys.release()

    def _take_keys(self, *_: Any) -> None:
        self.refresh()
        self._keys.release()
        if self._subject is not None and self.isVisible() and not self.why_not():
            acts = {"K": self.keep, "D": self.delete, "T": self.split, "J": self.join, "A": self.add}
            self._keys.take([self._subject.layer], acts)
        self._say_keys()

    def _say_keys(self, *_: Any) -> None:
        subject = self._subject
        if subject is None or self.why_not():
            self.keys_note.hide()
            return
        active = self._session.viewer.layers.selection.active is subject.layer
        colour = text_colour("link").name()
        link = f'once the result is the selected layer: <a href="select" style="color: {colour}">select it</a>'
        self.keys_note.setText(f"<small>Keys K, D, T, J, A {'work on the picture.' if active else link}</small>")
        self.keys_note.show()

    def _select(self, *_: Any) -> None:
        if self._subject is not None and self._subject.layer in self._session.viewer.layers:
            self._session.viewer.layers.selection.active = self._subject.layer

    def why_not(self) -> str:
        """Why the result cannot be changed here; "" where it can."""
        if self._subject is None:
            return "There is no result."
        layer = self._subject.layer
        if layer.multiscale or not isinstance(layer.data, np.ndarray):
            return "Results this large cannot be changed here; find the nuclei of a part of the image and correct that."
        locked = self._session.read_only if self._subject.shown is not None else None
        if locked is not None:
            return locked.message
        return "" if layer.editable else "The layer is locked in napari: unlock it in the layer list."

    def refresh(self, *_: Any) -> None:
        """Enable what can be done; what cannot says why."""
        why = self.why_not()
        for name in ("keep", "delete"):
            self.buttons[name].allow(why or ("" if self.number else _NONE))
        for name in ("split", "join", "add"):
            self.buttons[name].allow(why or self._why_not_flat())
        self.buttons["redraw"].allow(why or ("" if self.number else _NONE) or self._why_not_flat())
        self.buttons["undo"].allow(why or ("" if self._steps[0] else "Nothing to undo."))
        self.buttons["redo"].allow(why or ("" if self._steps[1] else "Nothing to redo."))

    def _why_not_flat(self) -> str:
        return "" if self._session.viewer.dims.ndisplay == 2 else "Switch napari back to 2D first."

    # ---- what the person does

    def keep(self) -> None:
        """This nucleus is right."""
        if self._may(needs_nucleus=True):
            self.kept.emit(self.number)

    def delete(self) -> None:
        """Take this nucleus away."""
        if self._may(needs_nucleus=True):
            number = self.number
            if self._do(lambda labels: delete(labels, number)):
                self._forget()
                self.deleted.emit(number)

    def split(self) -> None:
        """Take up the line, or put it down."""
        if self.tool.kind == "line":
            self.tool.leave()
        elif self._may(flat=True) and self._subject is not None:
            deep = " It is cut straight through all its planes." if is_volume(self._subject.layer) else ""
            self.message.say("info", f"Draw one line across the nucleus.{deep}", "Press, drag, let go. Esc leaves.")
            self.tool.draw_line(self._subject.layer, self._cut)
            self._show_tool()

    def join(self) -> None:
        """Take up the two clicks, or put them down."""
        if self.tool.kind == "click":
            self.tool.leave()
        elif self._may(flat=True) and self._subject is not None:
            self._first = 0
            self.message.say("info", "Click the first of the two nuclei.", "Esc leaves.")
            self.tool.click(self._subject.layer, self._clicked)
            self._show_tool()

    def redraw(self) -> None:
        """Take its outline away; napari's polygon tool is in hand, with the same id."""
        if not self._may(needs_nucleus=True, flat=True) or self._subject is None:
            return
        number, layer = self.number, self._subject.layer
        plane = shown_plane(self._session.viewer, layer) if is_volume(layer) else None
        # Where the nucleus is not on this plane there is nothing to take away: it is drawn here, too.
        if not self._do(lambda labels: delete(labels, number) if plane is None else outline_on(labels, number, plane)):
            return
        if self._entry is not None:
            unmark(self._session, self._entry)
        self._polygon.begin(layer, number)
        only = "" if plane is None else f" On plane {plane} only; the others stay as they are."
        what = f"Click round the nucleus; a double click closes it.{only}"
        self.message.say("info", what, "Undo brings the old one back.")

    def add(self) -> None:
        """A new id, and napari's polygon tool in hand."""
        if not self._may(flat=True) or self._subject is None:
            return
        layer = self._subject.layer
        try:
            number = free_id(layer.data)
        except NucleiError as error:
            self.message.say("warning", error.message, error.hint)
            return
        if self._entry is not None:
            unmark(self._session, self._entry)
        self._polygon.begin(layer, number)
        deep = " On this plane; then go to its other planes and press Redraw there." if is_volume(layer) else ""
        what = f"Click round the missed nucleus; a double click closes it.{deep}"
        self.message.say("info", what, "Undo takes it away.")

    def undo(self) -> None:
        """Take the last change back, by napari's own history."""
        if self._may() and self._subject is not None:
            self._subject.layer.undo()
            self._drawn()

    def redo(self) -> None:
        """Make it again."""
        if self._may() and self._subject is not None:
            self._subject.layer.redo()
            self._drawn()

    # ---- how it is done

    def _may(self, *, needs_nucleus: bool = False, flat: bool = False) -> bool:
        why = self.why_not() or (_NONE if needs_nucleus and not self.number else "")
        why = why or (self._why_not_flat() if flat else "")
        if why:
            self.message.say("info", why)
        return not why

    def _do(self, make: Any) -> Edit | None:
        """Change the labels as one step of napari's history, which saves them too; what is wrong is said."""
        assert self._subject is not None
        layer = self._subject.layer
        try:
            edit: Edit = make(layer.data)
        except NucleiError as error:
            self.message.say("warning", error.message, error.hint)
            return None
        if len(edit.values):
            layer.data_setitem(edit.places, edit.values)
        if not self.tool.kind:
            self.message.clear()
        return edit

    def _cut(self, start: np.ndarray, stop: np.ndarray) -> None:
        if self._subject is None:
            return
        pixel = float(self._session.viewer.scene.camera.zoom) * float(np.abs(self._subject.layer.scale[-1]))
        slip = _SLIP_PX / max(pixel, 1e-6)
        edit = self._do(lambda labels: split(labels, start, stop, slip=float(np.clip(slip, 1, 8))))
        if edit is not None:
            self.tool.leave()
            self._changed_to(edit)

    def _clicked(self, place: np.ndarray) -> None:
        assert self._subject is not None
        data = self._subject.layer.data
        pixel = np.floor(place + 0.5).astype(int)
        inside = bool(((pixel >= 0) & (pixel < data.shape)).all())
        number = int(data[tuple(pixel)]) if inside else 0
        if not number:
            self.message.say("warning", "There is no nucleus here.", "Click on a nucleus. Esc leaves.")
        elif not self._first:
            self._first = number
            self.chosen.emit(number)
            self.message.say("info", "Now click the other one.", "Esc leaves.")
        else:
            first, self._first = self._first, 0
            edit = self._do(lambda labels: join(labels, first, number))
            if edit is not None:
                self.tool.leave()
                self._changed_to(edit)

    def _changed_to(self, edit: Edit) -> None:
        self.message.clear()
        self.looked.emit(edit.touched)
        self.chosen.emit(edit.touched[0])

    def _forget(self) -> None:
        self.number = 0
        if self._entry is not None:
            unmark(self._session, self._entry)
        self.refresh()

    def _painted(self, *_: Any) -> None:
        if self._subject is not None:
            self._steps = steps_of(self._subject.layer)
            self.refresh()
            self.changed.emit()

    def _drawn(self, *_: Any) -> None:
        """The canvas was drawn anew: after a step back or forth, of which napari tells nobody, measurements are old."""
        if self._subject is None:
            return
        steps = steps_of(self._subject.layer)
        if steps != self._steps:
            self._steps = steps
            self.refresh()
            self.changed.emit()

    def _show_tool(self) -> None:
        self.buttons["split"].setChecked(self.tool.kind == "line")
        self.buttons["join"].setChecked(self.tool.kind == "click")

    def _tool_left(self) -> None:
        self._show_tool()
        if self.message.level == "info":
            self.message.clear()

    def _redrawn(self, number: int) -> None:
        self.message.clear()
        self.looked.emit((number,))
        self.chosen.emit(number)


def steps_of(layer: Any) -> tuple[int, int]:
    """Steps that napari could take back and make again: the one place that looks into its history."""
    return len(getattr(layer, "_undo_history", ())), len(getattr(layer, "_redo_history", ()))
