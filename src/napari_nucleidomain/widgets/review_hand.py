"""What a person does nucleus by nucleus in Review: the walk, the corrections, the check by eye."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from .review_edit import EditBar
from .review_notes import NotesKeeper
from .review_walk import Walk

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .review_subject import Subject
    from .session import Session


class Hand(QWidget):
    """The walk with the corrections under it.

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
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.walk, self.edit):
            layout.addWidget(widget)
        self.walk.went.connect(lambda number: self.went.emit(number, True))
        self.edit.chosen.connect(lambda number: self.went.emit(number, False))
        self.edit.changed.connect(self.changed)
        self.edit.looked.connect(self._look)
        self.edit.kept.connect(self._kept)
        self.edit.deleted.connect(self._go_on)
        self.notes.changed.connect(self._show_looked)

    def serve(self, entry: ImageEntry | None, subject: Subject | None) -> None:
        """Take up another result."""
        self._subject = subject
        self.edit.serve(entry, subject)
        self._show_looked()

    def stand_on(self, number: int) -> None:
        """A nucleus was chosen, here or elsewhere."""
        self.walk.stand_on(number)
        self.edit.stand_on(number)

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
