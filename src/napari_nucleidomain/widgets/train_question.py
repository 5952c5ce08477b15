"""What a training asks early on: its text, what it makes of an image so far, and three answers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QFrame, QGridLayout, QLabel, QVBoxLayout, QWidget
from superqt import QFlowLayout

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.runs.question_picture import LARGE, PICTURES, read_pictures

from .inline import Inline, WhyButton
from .newest import Newest

if TYPE_CHECKING:
    from napari_nucleidomain.contracts.events import Preview

    from .run_follow import RunFollower
    from .session import Session

_SIDE = LARGE // 2
_OPEN_IN = ("running", "paused", "waiting", "interrupted")


class QuestionPicture(QLabel):
    """A small picture. A click shows it twice as large, another click brings the others back.

    Signals
    -------
    clicked()
    """

    clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._pixels = QPixmap()
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.enlarge(False)

    def show_grey(self, grey: np.ndarray) -> None:
        """Show (H, W) uint8."""
        height, width = grey.shape
        self._pixels = QPixmap.fromImage(QImage(grey.data, width, height, width, QImage.Format.Format_Grayscale8))
        self._draw()

    def forget(self) -> None:
        """Show nothing."""
        self._pixels = QPixmap()
        self.clear()

    def enlarge(self, on: bool) -> None:
        """Large, or small again."""
        self.setFixedSize(*(2 * (LARGE if on else _SIDE,)))
        self.setToolTip("Click: small again, with the others" if on else "Click: larger")
        self._draw()

    def _draw(self) -> None:
        if not self._pixels.isNull():
            keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
            self.setPixmap(self._pixels.scaled(self.size(), keep, smooth))

    def mousePressEvent(self, event: Any) -> None:
        """Qt's hook."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit()


class QuestionPanel(QFrame):
    """Shown as long as the training that is followed asks something; the training goes on meanwhile.

    Signals
    -------
    adjust_wanted(object)
        [Adjust] of a run, which was asked to stop: its settings are to be shown for a new one.
    asked(str)
        The question that was shown just now.
    """

    adjust_wanted = Signal(object)
    asked = Signal(str)

    def __init__(self, session: Session, follower: RunFollower) -> None:
        super().__init__()
        self._follower = follower
        self._background = Newest(self)
        # Answered here; the run reads it within a second.
        self._answered: tuple[Path, float] | None = None
        # Not answered but stopped, and how often the run had been begun by then: gone on with, it is open again.
        self._left: tuple[tuple[Path, float] | None, int] | None = None
        self._shown: tuple[Path, float] | None = None
        self._build()
        for signal in (follower.told, follower.progressed, follower.state_changed):
            signal.connect(self.refresh)
        follower.previewed.connect(self._look)
        session.closing.connect(self._background.close)
        self.refresh()

    def _build(self) -> None:
        self.text, self.hint = QLabel(), QLabel()
        self.pictures: dict[str, QuestionPicture] = {}
        self._captions: dict[str, QLabel] = {}
        self._large = ""
        self._grid = QWidget()
        grid = QGridLayout(self._grid)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(1)
        for number, (name, words) in enumerate(PICTURES.items()):
            picture, caption = QuestionPicture(), QLabel(words)
            picture.clicked.connect(partial(self._enlarge, name))
            caption.setFixedWidth(_SIDE)
            caption.setWordWrap(True)
            grid.addWidget(picture, 2 * (number // 2), number % 2)
            grid.addWidget(caption, 2 * (number // 2) + 1, number % 2, Qt.AlignmentFlag.AlignTop)
            self.pictures[name], self._captions[name] = picture, caption
        grid.setColumnStretch(2, 1)
        self._grid.setVisible(False)
        self.go_on = WhyButton("Looks right, go on", "The training goes on, and its model is marked as looked at.")
        self.adjust = WhyButton("Adjust", "Stop it, change the size of nuclei or other settings, and begin anew.")
        self.stop = WhyButton("Stop", "End this training.")
        self.go_on.clicked.connect(self._go_on)
        self.adjust.clicked.connect(lambda: self._stop(adjust=True))
        self.stop.clicked.connect(lambda: self._stop())
        buttons = QWidget()
        flow = QFlowLayout(buttons)
        flow.setContentsMargins(0, 0, 0, 0)
        for button in (self.go_on, self.adjust, self.stop):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            flow.addWidget(button)
        self.trouble = Inline()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 4, 4)
        for label in (self.text, self.hint):
            label.setWordWrap(True)
        for widget in (self.text, self._grid, self.hint, buttons, self.trouble):
            layout.addWidget(widget)
        self.setStyleSheet("QuestionPanel { border: none; border-left: 3px solid #E69F00; }")

    # ---- showing

    def refresh(self, *_: Any) -> None:
        """Show what is asked, if anything is and it can still be answered."""
        key = self._key()
        question = self._follower.story.question
        dealt_with = key == self._answered or (key, self._follower.story.starts) == self._left
        if key is None or question is None or dealt_with:
            self.setVisible(False)
            self._shown = None
            return
        if key == self._shown:
            return
        self._shown = key
        self.trouble.clear()
        self.text.setText(f"<b>{_escaped(question.text)}</b>")
        waits = "It goes on meanwhile, and waits for no answer."
        self.hint.setText(f"{question.hint} {waits}".strip())
        for button in (self.go_on, self.adjust, self.stop):
            button.allow()
        self._clear_pictures()
        self.setVisible(True)
        if self._follower.story.preview is not None:
            self._look([self._follower.story.preview])
        self.asked.emit(question.text)

    def _key(self) -> tuple[Path, float] | None:
        """Which question of which run is open."""
        run, story = self._follower.run, self._follower.story
        if run is None or story.question is None or story.end is not None or self._follower.state not in _OPEN_IN:
            return None
        return run.path, story.question.time

    def _enlarge(self, name: str) -> None:
        """One picture alone, large; or all of them again."""
        self._large = "" if self._large == name else name
        for one, picture in self.pictures.items():
            shown = self._large in ("", one)
            picture.setVisible(shown)
            picture.enlarge(self._large == one)
            self._captions[one].setVisible(shown)
            self._captions[one].setFixedWidth(LARGE if self._large == one else _SIDE)

    def _clear_pictures(self) -> None:
        if self._large:
            self._enlarge(self._large)
        for picture in self.pictures.values():
            picture.forget()
        self._grid.setVisible(False)

    def _look(self, previews: list[Preview]) -> None:
        run = self._follower.run
        if run is None or self._shown is None:
            return
        self._background.run(
            "pictures",
            read_pictures,
            run.path / previews[-1].file,
            done=self._show_pictures,
            # Overtaken and removed, or still being copied by a sync client: the next one comes soon.
            failed=lambda error: None,
        )

    def _show_pictures(self, found: dict[str, np.ndarray]) -> None:
        for name, grey in found.items():
            self.pictures[name].show_grey(grey)
        self._grid.setVisible(bool(found))

    # ---- answering

    def _go_on(self) -> None:
        run = self._follower.run
        if run is None:
            return
        try:
            run.answer()
        except NucleiError as error:
            self.trouble.say_error(error)
            return
        self._answered = self._key()
        self.refresh()

    def _stop(self, *, adjust: bool = False) -> None:
        run = self._follower.run
        if run is None:
            return
        try:
            if self._follower.state != "interrupted":
                run.request("stop")
        except NucleiError as error:
            self.trouble.say_error(error)
            return
        self._left = self._key(), self._follower.story.starts
        self.refresh()
        if adjust:
            self.adjust_wanted.emit(run)


def _escaped(text: str) -> str:
    from html import escape

    return escape(text)
