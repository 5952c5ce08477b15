"""*Check 50 nuclei: right / wrong*, where there is nothing to compare with; then a second pass for what was missed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.spotcheck import NUCLEI, Answer, SpotCheck, judge, sentence

from .borrowed_keys import BorrowedKeys
from .inline import Inline, WhyButton, row
from .review_sample import LARGE, checksum, draw_for, from_kept, to_keep
from .review_square import hide_square, show_square
from .wording import count

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .review_notes import NotesKeeper
    from .review_subject import Subject
    from .session import Session

_ANSWERS: dict[str, tuple[str, Answer, str]] = {
    "R": ("Right R", "right", "One nucleus, and the outline covers it well: more than half of both overlap"),
    "W": ("Wrong W", "wrong", "No nucleus, several, only a part of one, or an outline far off"),
    "U": ("Unsure U", "unsure", "You cannot tell: it is left out"),
}
_MOST_COUNT = 9
_SHOWN_COUNT = 5
_HELP = (
    "Judge a random sample by eye: it says how good the result is, with its uncertainty, without outlines to compare."
)


class CheckByEye(QWidget):
    """One question after another, answered by keys or buttons; what came out, in a sentence.

    Signals
    -------
    asked(int)
        The camera should go to this nucleus.
    told(str)
        What the check says by now; "" while there is none.
    """

    asked = Signal(int)
    told = Signal(str)

    def __init__(self, session: Session, notes: NotesKeeper) -> None:
        super().__init__()
        self._session, self._notes = session, notes
        self._entry: ImageEntry | None = None
        self._subject: Subject | None = None
        self._centres: tuple[np.ndarray, np.ndarray] = (np.zeros(0, int), np.zeros((0, 2)))
        self._keys = BorrowedKeys()
        self.check: SpotCheck | None = None
        self._drawn_from = 0
        self._old = False
        self.running = False
        self.begin_button = WhyButton(f"Check {NUCLEI} nuclei: right / wrong", _HELP)
        self.begin_button.clicked.connect(self.begin)
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.said.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.question = QLabel()
        self.question.setWordWrap(True)
        self.message = Inline()
        self._asking = QWidget()
        self._build()
        session.read_only_changed.connect(self._show)
        session.closing.connect(self._keys.release)

    def _build(self) -> None:
        self.answers = [_button(text, tip, lambda a=answer: self.answer(a)) for text, answer, tip in _ANSWERS.values()]
        self.counts = [
            _button(str(k) if k < _SHOWN_COUNT else f"{k}+", "So many", lambda k=k: self.answer(k))
            for k in range(_SHOWN_COUNT + 1)
        ]
        self.counts[-1].setToolTip("So many or more: keys 5 to 9 say how many")
        self.back_button = _button("◀ Back", "Answer the last one again", self.back)
        self.stop_button = _button("Stop", "What was answered stays; go on later", self.stop)
        inner = QVBoxLayout(self._asking)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(4)
        inner.addWidget(self.question)
        inner.addLayout(row(*self.answers))
        inner.addLayout(row(*self.counts))
        inner.addLayout(row(self.back_button, self.stop_button))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self.said, self.begin_button, self._asking, self.message):
            layout.addWidget(widget)
        self._asking.hide()

    # ---- which result

    def serve(self, entry: ImageEntry | None, subject: Subject | None) -> None:
        """Check another result, or none; a check that was begun is taken up where it stopped."""
        same = subject is not None and self._subject is not None and subject.layer is self._subject.layer
        self._entry, self._subject = entry, subject
        if not same:
            self._leave()
            self.message.clear()
            self._take_up()
        self._show()

    def set_table(self, table: dict[str, np.ndarray]) -> None:
        """The nuclei of the result; centroids in pixels of the image."""
        axes = [name for name in ("centroid_z_px", "centroid_y_px", "centroid_x_px") if name in table]
        centres = np.stack([table[name] for name in axes], axis=1) if axes else np.zeros((len(table["id"]), 2))
        self._centres = np.asarray(table["id"]), centres
        self._old = self._is_old()
        self._show()

    def _take_up(self) -> None:
        self.check, self._drawn_from = None, 0
        if self._subject is None:
            return
        try:
            self.check, self._drawn_from = from_kept(self._notes.of(self._subject).check)
        except NucleiError as error:
            self.message.say("warning", error.message, error.hint)

    def hideEvent(self, event: Any) -> None:
        """Qt's hook: behind other docks no key is taken."""
        super().hideEvent(event)
        self._keys.release()

    def showEvent(self, event: Any) -> None:
        """Qt's hook."""
        super().showEvent(event)
        if self.running:
            self._take_keys()

    # ---- asking

    def begin(self) -> None:
        """Draw a new sample, or go on with the one begun."""
        subject = self._subject
        if subject is None:
            return
        self.message.clear()
        if self.check is None or self.check.done or self._is_old():
            try:
                if subject.shown is not None:
                    self._session.refuse_if_read_only()
                self.check = draw_for(subject, *self._centres)
            except NucleiError as error:
                self.message.say("warning", error.message, error.hint)
                return
            self._drawn_from, self._old = checksum(subject.layer.data), False
        self.running = True
        self._take_keys()
        self._ask()

    def _take_keys(self) -> None:
        if self._subject is None:
            return
        acts: dict[str, Any] = {"Backspace": self.back}
        for key, (_, answer, _tip) in _ANSWERS.items():
            acts[key] = lambda a=answer: self.answer(a)
        for k in range(_MOST_COUNT + 1):
            acts[str(k)] = lambda k=k: self.answer(k)
        self._keys.take([self._subject.layer], acts)

    @property
    def place(self) -> tuple[str, int]:
        """What is asked now: ("nucleus" or "square", its number) or ("", 0) at the end."""
        check = self.check
        if check is not None and None in check.answers:
            return "nucleus", check.answers.index(None)
        if check is not None and None in check.counts:
            return "square", check.counts.index(None)
        return "", 0

    def answer(self, what: Answer | int) -> None:
        """Answer the question on screen; an answer to another kind of question is not taken."""
        kind, number = self.place
        if self.check is None or not self.running:
            return
        if kind == "nucleus" and isinstance(what, str):
            self.check.answers[number] = what
        elif kind == "square" and isinstance(what, int):
            self.check.counts[number] = what
        else:
            return
        self._keep()
        self._ask()

    def back(self) -> None:
        """Take the last answer back."""
        check = self.check
        if check is None or not self.running:
            return
        for given in (check.counts, check.answers):
            known = [k for k, one in enumerate(given) if one is not None]
            if known:
                given[known[-1]] = None
                break
        self._keep()
        self._ask()

    def stop(self) -> None:
        """Leave off; what was answered stays."""
        self._leave()
        self._show()

    def _leave(self) -> None:
        self.running = False
        self._keys.release()
        if self._entry is not None:
            hide_square(self._session, self._entry)

    def _keep(self) -> None:
        if self._subject is not None and self.check is not None:
            self._notes.set_check(self._subject, to_keep(self.check, self._drawn_from))

    def _ask(self) -> None:
        kind, number = self.place
        check = self.check
        assert check is not None
        if kind == "nucleus":
            self.question.setText(f"<b>Nucleus {number + 1} of {len(check.ids)}</b>: is it right?")
            if self._entry is not None:
                hide_square(self._session, self._entry)
            self.asked.emit(check.ids[number])
        elif kind == "square" and self._entry is not None and self._subject is not None:
            self.question.setText(
                f"<b>Square {number + 1} of {len(check.fields)}</b>: how many nuclei with their middle in it have "
                "<b>no right outline</b> (missed, merged, far off)? Keys 0 to 9."
            )
            show_square(self._session, self._entry, self._subject, check.fields[number])
        else:
            self._leave()
        self._show()

    # ---- saying

    def _is_old(self) -> bool:
        """Whether the result was changed by hand since the check was drawn."""
        if self.check is None or self._subject is None or self._why_not():
            return False
        return checksum(self._subject.layer.data) != self._drawn_from

    def _why_not(self) -> str:
        if self._subject is None:
            return "There is no result."
        if self._subject.layer.multiscale or not isinstance(self._subject.layer.data, np.ndarray):
            return LARGE
        return "" if len(self._centres[0]) else "There is no nucleus to check."

    def _show(self) -> None:
        self._asking.setVisible(self.running)
        self.begin_button.setVisible(not self.running)
        kind, number = self.place
        for buttons, mine in ((self.answers, "nucleus"), (self.counts, "square")):
            for button in buttons:
                button.setVisible(kind == mine)
        self.back_button.allow("" if kind == "square" or number else "This is the first.")
        why = self._why_not()
        words = sentence(judge(self.check)) if self.check is not None and not why else ""
        if words and self._old:
            words += " The result was changed by hand since."
        # Answers are kept in the project with the result.
        kept = self._subject is not None and self._subject.shown is not None
        self.begin_button.allow(why or (self._session.locked if kept else ""))
        if self.check is not None and kind and any(self.check.answers) and not self._old:
            left = self.check.answers.count(None) + self.check.counts.count(None)
            self.begin_button.setText(f"Go on with the check: {count(left, 'question')} left")
        else:
            self.begin_button.setText(f"Check {NUCLEI} nuclei: right / wrong" + (" again" if words else ""))
        self.said.setText(f"By eye: {words}" if words else "")
        self.said.setVisible(bool(words))
        self.told.emit(words)


def _button(text: str, tip: str, act: Any) -> WhyButton:
    button = WhyButton(text, tip)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    button.setStyleSheet("QPushButton { padding: 4px 2px; }")
    button.clicked.connect(lambda _=False: act())
    return button
