"""One job at a time on a device: what a prediction does while a training is at work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_nucleidomain.contracts import NucleiError

from .wording import duration

if TYPE_CHECKING:
    from .inline import Inline
    from .run_follow import RunFollower

ALIVE = ("running", "waiting")


class Turn(QObject):
    """Asks whether to wait for the training or to pause it, and lets it go on afterwards.

    Parameters
    ----------
    training : RunFollower
    message : Inline
        Where to ask.
    go : callable
        Starts the prediction.
    """

    def __init__(self, training: RunFollower, message: Inline, go: Callable[[], object], parent: QObject) -> None:
        super().__init__(parent)
        self._training, self._message, self._go = training, message, go
        self._waiting = False
        self._paused: Any = None
        training.ended.connect(self._training_ended)

    @property
    def training_alive(self) -> bool:
        """Whether a training holds the device."""
        return self._training.run is not None and self._training.state in ALIVE

    def take(self) -> None:
        """Start now, or ask first."""
        if not self.training_alive:
            self._go()
            return
        progress = self._training.story.progress
        left = f", about {duration(progress.eta)} more" if progress is not None and progress.eta else ""
        self._message.say(
            "info",
            f"A training is at work{left}.",
            "Both at once would be slow.",
            Wait=self._wait,
            Pause_training_predict_go_on=self._pause,
        )

    def done(self) -> None:
        """The prediction is over: a training that was paused for it goes on."""
        run, self._paused = self._paused, None
        if run is not None:
            self._ask(run, "resume")

    def _wait(self) -> None:
        self._waiting = True
        self._message.say("info", "Nuclei are found as soon as the training ends.", Do_not_wait=self._do_not_wait)

    def _do_not_wait(self) -> None:
        self._waiting = False
        self._message.clear()

    def _pause(self) -> None:
        run = self._training.run
        if run is not None and self._ask(run, "pause"):
            self._paused = run
        self._go()

    def _ask(self, run: Any, what: str) -> bool:
        try:
            run.request(what)
        except NucleiError as error:
            self._message.say_error(error)
            return False
        return True

    def _training_ended(self, *_: Any) -> None:
        if self._waiting:
            self._waiting = False
            self._go()
