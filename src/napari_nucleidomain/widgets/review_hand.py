"""What a person does nucleus by nucleus in Review: the walk, the corrections, the check by eye."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from .review_check import CheckByEye
from .review_edit import EditBar
from .review_notes import NotesKeeper
from .review_walk import Walk

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .review_subject import Subject
    from .session import Session


class Hand(QWidget):
    """The check by eye, and the walk with the corrections under it.

    Attributes
    ----------
    checked : str
        What the check by eye says; "" where there is none.

    Signals
    -------
    went(int, bool)
        Choose this nucleus; with True the camera goes there.
    changed()
        The result was changed by hand.
    """

    went = Signal(int, bool)
    changed = Signal()

    def __init__(self, session: Session, walk: Walk) -> None:
        super().__init__()
        self._subject: Subject | None = None
        self.walk = walk
        self.notes = NotesKeeper(session)
        self.edit = EditBar(session)
        self.check = CheckByEye(session, self.notes)
        self.checked = ""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.check, self.walk, self.edit):
            layout.addWidget(widget)
        self.walk.went.connect(lambda number: self.went.emit(number, True))
        self.check.asked.connect(lambda number: self.went.emit(number, True))
        self.check.told.connect(self._told)
        self.edit.chosen.connect(self._choose)
        self.edit.changed.connect(self.changed)
        self.edit.looked.connect(self._look)
        self.edit.kept.connect(self._kept)
        self.edit.deleted.connect(self._go_on)
        self.notes.changed.connect(self._show_looked)

    def serve(self, entry: ImageEntry | None, subject: Subject | None) -> None:
        """Take up another result."""
        if subject is None or self._subject is None or subject.layer is not self._subject.layer:
            self.walk.forget()
        self._subject = subject
        self.edit.serve(entry, subject)
        self.check.serve(entry, subject)
        self._show_looked()

    def set_table(self, table: dict[str, np.ndarray], errors: dict[int, int], *, compared: bool) -> None:
        """The nuclei as measured; compared with something, no check by eye is offered."""
        self.walk.set_table(table, errors)
        self.check.set_table(table)
        self.check.setVisible(not compared or self.check.running or bool(self.checked))

    def _told(self, words: str) -> None:
        self.checked = words

    def stand_on(self, number: int) -> None:
        """A nucleus was chosen, here or elsewhere; one that a tool was used on takes the walk nowhere."""
        if not (self._choosing or self.edit.tool.kind):
            self.walk.stand_on(number)
        self.edit.stand_on(number)

    _choosing = False

    def _choose(self, number: int) -> None:
        """Choose what was split or joined: it may be a neighbour of the one that the walk stands on."""
        self._choosing = True
        try:
            self.went.emit(number, False)
        finally:
            self._choosing = False

    def _look(self, numbers: tuple[int, ...]) -> None:
        if self._subject is not None:
            self.notes.look(self._subject, numbers)

    def _kept(self, number: int) -> None:
        self._look((number,))
        self._go_on(number)

    def _go_on(self, number: int) -> None:
        """The walk goes on by itself only from where it stands: who clicked elsewhere stays there."""
        if self.walk.here == number:
            self.walk.go_on()

    def _show_looked(self, *_: object) -> None:
        self.walk.set_looked(self.notes.of(self._subject).looked if self._subject is not None else ())
