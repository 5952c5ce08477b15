"""One job at a time on a device: what a prediction does while a training is at work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from napari_nucleidomain.contracts import NucleiError

from .wording import duration

if TYPE_CHECKING:
    from napari_nucleidomain.runs.folder import RunFolder

    from .inline import Inline
    from .run_follow import RunFollower

ALIVE = ("running", "waiting")
_LOOK_MS = 1000


class Turn(QObject):
    """Asks whether to wait for the training, to pause it, or to share the device; lets it go on afterwards.

    Parameters
    ----------
    training : RunFollower
        Of this project's training; one of another project is found among the jobs of this computer.
    message : Inline
        Where to ask.
    verb : str
        What is to be done, for the buttons.
    """

    def __init__(self, training: RunFollower, message: Inline, parent: QObject, verb: str = "predict") -> None:
        super().__init__(parent)
        self._training, self._message, self._verb = training, message, verb
        self._go: Callable[[], object] = lambda: None
        self._on_processor, self._what = False, ""
        self._waits_for: RunFolder | None = None
        self._paused: RunFolder | None = None
        self._look = QTimer(self)
        self._look.setInterval(_LOOK_MS)
        self._look.timeout.connect(self._look_again)
        training.ended.connect(self._look_again)

    @property
    def training_alive(self) -> bool:
        """Whether a training of this project is at work."""
        return self._training.run is not None and self._training.state in ALIVE

    def _in_the_way(self, *, on_processor: bool) -> tuple[RunFolder, str] | None:
        """The training that has the device, and the sentence that says so."""
        from napari_nucleidomain.runs.devices import holder_of, training_now
        from napari_nucleidomain.runs.folder import RunFolder

        own = self._training.run if self.training_alive else None
        if own is not None and own.state not in ALIVE:
            # It has just ended: the follower says so after this.
            own = None
        holder = holder_of(own.path) if own is not None else training_now()
        if holder is not None and on_processor and holder.device != "cpu":
            return None
        if own is not None:
            progress = self._training.story.progress
            left = f", about {duration(progress.eta)} more" if progress is not None and progress.eta else ""
            return own, f"A training is at work{left}."
        return (RunFolder(Path(holder.run)), f"{holder.sentence()}.") if holder is not None else None

    def take(self, go: Callable[[], object], what: str, *, on_processor: bool = False) -> None:
        """Start now, or ask first.

        Parameters
        ----------
        go : callable
            Starts the prediction as it was asked for: what is chosen meanwhile is none of its concern.
        what : str
            What is begun after waiting: "Nuclei are found with liver".
        on_processor : bool
            The prediction leaves a graphics card alone: a training there is not in its way.
        """
        self._wait_no_more()
        self._go, self._what, self._on_processor = go, what, on_processor
        found = self._in_the_way(on_processor=on_processor)
        if found is None:
            self._go()
            return
        run, sentence = found
        self._message.say(
            "info",
            sentence,
            "Both at once are slower, and on a graphics card the memory may not do for both.",
            Wait=lambda: self._wait(run),
            **{
                f"Pause the training, {self._verb}, go on": lambda: self._pause(run),
                f"{self._verb.capitalize()} beside it": self._go,
            },
        )

    def done(self) -> None:
        """The prediction is over: a training that was paused for it goes on."""
        run, self._paused = self._paused, None
        if run is not None:
            self._ask(run, "resume")

    def close(self) -> None:
        """The viewer goes away: nothing is started any more, and nothing stays paused for it."""
        self._wait_no_more()
        self.done()

    def _wait(self, run: RunFolder) -> None:
        self._waits_for = run
        self._look.start()
        self._message.say("info", f"{self._what} as soon as the training ends.", Do_not_wait=self._do_not_wait)

    def _do_not_wait(self) -> None:
        self._wait_no_more()
        self._message.clear()

    def _wait_no_more(self) -> None:
        self._waits_for = None
        self._look.stop()

    def _look_again(self, *_: Any) -> None:
        # Also one that is paused, that broke off, or whose folder is gone: it computes no longer.
        if self._waits_for is None or self._waits_for.state in ALIVE:
            return
        self._wait_no_more()
        found = self._in_the_way(on_processor=self._on_processor)
        if found is not None and found[0].state in ALIVE:
            # The next training has begun meanwhile, here or in another project.
            self._wait(found[0])
        else:
            self._go()

    def _pause(self, run: RunFolder) -> None:
        if self._ask(run, "pause"):
            self._paused = run
            self._go()

    def _ask(self, run: RunFolder, what: Any) -> bool:
        try:
            run.request(what)
        except NucleiError as error:
            self._message.say_error(error)
            return False
        return True
