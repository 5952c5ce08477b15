"""Follows a run's events file from the event loop and tells it as Qt signals."""

from __future__ import annotations

import time
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.events import (
    Acknowledged,
    Answered,
    Metric,
    ModelReady,
    Preview,
    Progress,
    Question,
    StageEvent,
    Warned,
    whole_percent,
)
from napari_nucleidomain.contracts.events import is_last as ends

from .run_story import RunStory
from .wording import duration

if TYPE_CHECKING:
    from napari_nucleidomain.runs.folder import RunFolder

_POLL_MS = 100
# Whatever is told is drawn, and drawing one label draws the whole window beside an OpenGL canvas. A training goes on
# for minutes while a person clicks: three times a second is often enough.
_TRAINING_POLL_MS = 300
_STATE_EVERY = 1.0
_OVER = {"finished", "failed", "stopped"}


class RunFollower(QObject):
    """Polls one `RunFolder` some times a second, reading only what is new.

    Whatever arrived in one poll is told once: a burst of a thousand progress events makes one signal, and the
    event loop stays free. Following costs a file-size question per poll while nothing happens.

    Signals
    -------
    begun()
        Another run is followed, or the same one again; nothing of it has been told yet.
    progressed()
        A stage or progress event; see `story`.
    measured()
        New numbers in `story.series`.
    previewed(list)
        Every `Preview` of this poll, oldest first.
    told(object)
        A `Warned`, `Acknowledged`, `ModelReady`, `Question` or `Answered`.
    ended(object)
        `Finished`, `Failed` or `Stopped`.
    state_changed(str)
        The folder's state, e.g. "running", "paused", "interrupted".
    """

    begun = Signal()
    progressed = Signal()
    measured = Signal()
    previewed = Signal(list)
    told = Signal(object)
    ended = Signal(object)
    state_changed = Signal(str)

    def __init__(self, parent: QObject | None = None, every_ms: int = _POLL_MS) -> None:
        super().__init__(parent)
        self.run: RunFolder | None = None
        self.story = RunStory()
        self.state = ""
        self._offset = 0
        self._asked_state = 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(every_ms)
        self._timer.timeout.connect(self.poll)

    def follow(self, run: RunFolder, *, quietly: bool = False, again: bool = False) -> None:
        """Begin to follow a run, from its first event.

        Parameters
        ----------
        run : RunFolder
        quietly : bool
            What happened before now (a training found again after napari was closed) makes one `progressed` and
            one `measured`, and no old previews, warnings or endings are told again.
        again : bool
            It was just handed in again: how it ended before is no end, though nobody works on it yet.
        """
        self.unfollow()
        self.run, self.story, self.state = run, RunStory(), ""
        self._offset = 0
        self.begun.emit()
        if quietly or again:
            self._catch_up()
        if again:
            self.story.end = None
        self._timer.start()
        self.poll()

    def change_to(self, run: RunFolder | None) -> None:
        """Follow this run instead, quietly as to its past; None: follow nothing."""
        if run is None:
            self.unfollow()
            self.story, self.state = RunStory(), ""
            self.state_changed.emit("")
        else:
            self.follow(run, quietly=True)

    def unfollow(self) -> None:
        """Stop following. The run itself goes on."""
        self._timer.stop()
        self.run = None

    def _catch_up(self) -> None:
        if self.run is None:
            return
        events, self._offset = self.run.read_events(0)
        self.story.feed(events)
        self.progressed.emit()
        self.measured.emit()
        if self.story.preview is not None and self.story.end is None:
            self.previewed.emit([self.story.preview])

    def poll(self) -> None:
        """Read what is new and tell it. Called by the timer; tests may call it."""
        run = self.run
        if run is None:
            return
        try:
            events, self._offset = run.read_events(self._offset)
        except (OSError, NucleiError):
            # The folder may sit on a network drive that is away for a moment; the next poll tries again.
            return
        if events:
            self.story.feed(events)
            self._tell(events)
        self._ask_state(at_once=any(ends(event) for event in events))

    def _tell(self, events: list[Any]) -> None:
        if any(isinstance(event, Progress | StageEvent) for event in events):
            self.progressed.emit()
        if any(isinstance(event, Metric) for event in events):
            self.measured.emit()
        previews = [event for event in events if isinstance(event, Preview)]
        if previews:
            self.previewed.emit(previews)
        for event in events:
            if isinstance(event, Warned | Acknowledged | ModelReady | Question | Answered):
                self.told.emit(event)
            elif ends(event):
                self.ended.emit(event)

    def _ask_state(self, *, at_once: bool) -> None:
        now = time.monotonic()
        if self.run is None or not (at_once or now - self._asked_state >= _STATE_EVERY):
            return
        self._asked_state = now
        state = self.run.state
        if state != self.state:
            self.state = state
            self.state_changed.emit(state)
        if state in _OVER and self.story.end is not None:
            # A resumed run is followed again by whoever resumed it.
            self._timer.stop()


_followers: weakref.WeakKeyDictionary[Any, RunFollower] = weakref.WeakKeyDictionary()


def training_follower(session: Any) -> RunFollower:
    """The one follower of a viewer's training (`session.run`), shared by the header, the Train dock and the preview."""
    follower = _followers.get(session)
    if follower is None:
        follower = _followers[session] = RunFollower(session, _TRAINING_POLL_MS)
        session.run_changed.connect(follower.change_to)
        session.closing.connect(follower.unfollow)
        tell = partial(_tell_header, session, follower)
        follower.progressed.connect(tell)
        follower.told.connect(tell)
        follower.state_changed.connect(tell)
        if session.run is not None:
            follower.change_to(session.run)
    return follower


def _tell_header(session: Any, follower: RunFollower, *_: Any) -> None:
    """Keep the line in every dock's header: "training 62 %, 3 min", or that it asks something."""
    share = f"{whole_percent(follower.story.overall)} %"
    progress = follower.story.progress
    words = {
        "waiting": "training starts",
        "paused": f"training paused at {share}",
        "interrupted": "training interrupted",
        "running": f"training {share}"
        + (f", {duration(progress.eta)}" if progress and progress.eta is not None else ""),
    }
    asks = follower.story.question is not None and follower.state in ("running", "paused", "waiting")
    session.tell_training("a question in Train" if asks else words.get(follower.state, ""))
