"""One synthesis from the button to the folder: job, warm worker, progress, the end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.events import Failed, Warned

from .predict_run import worker_of
from .run_follow import RunFollower
from .train_words import log_tail

if TYPE_CHECKING:
    from napari_nucleidomain.runs.job import SynthesizeJob

    from .session import Session

_WAIT_FOR_WORKER = 20.0


class SynthesisRun(QObject):
    """Makes the images of one job at a time for a viewer.

    Signals
    -------
    progressed()
        See `follower.story`.
    warned(str, str)
        Message and hint.
    ended(int)
        So many images are there.
    failed(object, str)
        A `NucleiError` and the end of the log.
    """

    progressed = Signal()
    warned = Signal(str, str)
    ended = Signal(int)
    failed = Signal(object, str)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.follower = RunFollower(self)
        self.follower.progressed.connect(self.progressed)
        self.follower.told.connect(self._told)
        self.follower.ended.connect(self._ended)
        self.follower.state_changed.connect(self._state_changed)
        self._submitted = 0.0
        self._watchdog = QTimer(self)
        self._watchdog.setInterval(1000)
        self._watchdog.timeout.connect(self._look_for_worker)
        session.closing.connect(self._leave)

    @property
    def busy(self) -> bool:
        """Whether images are being made."""
        return self.follower.run is not None

    def start(self, job: SynthesizeJob) -> None:
        """Hand it to the worker.

        Raises
        ------
        NucleiError
            It could not be written, or no worker be started.
        """
        project = self._session.project
        run = project.new_run(job)
        worker_of(project).submit(run)
        self._submitted = time.monotonic()
        self.follower.follow(run)
        self._watchdog.start()

    def stop(self) -> None:
        """Ask for an end; images that are made stay.

        Raises
        ------
        NucleiError
            The request cannot be written.
        """
        if self.follower.run is not None:
            self.follower.run.request("stop")

    def _told(self, event: Any) -> None:
        if isinstance(event, Warned):
            self.warned.emit(event.message, event.hint)

    def _ended(self, event: Any) -> None:
        run = self.follower.run
        if run is None:
            return
        self._leave()
        if isinstance(event, Failed):
            self.failed.emit(NucleiError(event.message, event.hint), log_tail(run.log))
        else:
            self.ended.emit(int(event.summary.get("made", 0)))

    def _look_for_worker(self) -> None:
        """A worker that died before it took the run says nothing: that too must end."""
        run, project = self.follower.run, self._session.project
        waited = time.monotonic() - self._submitted
        if run is None or self.follower.state != "waiting" or waited < _WAIT_FOR_WORKER or worker_of(project).alive:
            return
        self._give_up("The process that makes the images could not be started.", project.worker_folder / "log.txt")

    def _state_changed(self, state: str) -> None:
        if state == "interrupted" and self.follower.run is not None:
            self._give_up("The process that makes the images ended before it was done.", self.follower.run.log)

    def _give_up(self, message: str, log: Path) -> None:
        self._leave()
        self.failed.emit(NucleiError(message, "Try again: images that are there are not made again."), log_tail(log))

    def _leave(self) -> None:
        self._watchdog.stop()
        self.follower.unfollow()
