"""Requests from outside, read by a thread: stop, pause, resume, use what there is now, answers to questions.

Files, not signals: they work on every system, over a network folder, and after the viewer was closed and opened again.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from typing import Any

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.events import Acknowledged

from .event_log import EventWriter, last_event
from .folder import RunFolder
from .ownership import HEARTBEAT_SECONDS, Ownership
from .questions import Questions

_LOOK_SECONDS = 0.2
# Systems know the start of a process no better than this.
_BORN_SECONDS = 2.0


def _drop_old_request(run: RunFolder, born: float) -> None:
    """Remove a request meant for an earlier process of this run, which may have died before it read it.

    A request made while this process was starting is obeyed, and so is one made before the run's very first process:
    whoever takes back a prediction that waits in the queue means it.
    """
    last = last_event(run.path)
    if last is not None and _time_of(run.read_control()) <= max(last.time, born - _BORN_SECONDS):
        run.forget_request()


def _time_of(control: dict[str, Any] | None) -> float:
    """When a request was made; 0 where there is none."""
    return float((control or {}).get("time", 0.0))


class Requests:
    """Watches a run folder's `control.json` and keeps the heartbeat, until closed.

    Parameters
    ----------
    run : RunFolder
        The run.
    events : EventWriter
        Acknowledgements go there at once, even while the main thread is deep in a stage.
    ownership : Ownership
        Its heartbeat is kept here.
    """

    def __init__(self, run: RunFolder, events: EventWriter, ownership: Ownership) -> None:
        self._run, self._events, self._ownership = run, events, ownership
        self._stop = threading.Event()
        self._go_on = threading.Event()
        self._go_on.set()
        self._use_now = threading.Event()
        self._closed = threading.Event()
        self._lost = self._told = False
        self._beaten = 0.0
        self._interrupted = False
        self._seen = 0.0
        self.questions = Questions(run.path, events)
        _drop_old_request(run, ownership.owner.process_started)
        self._thread = threading.Thread(target=self._watch, name="requests", daemon=True)
        self._thread.start()

    @property
    def stopped(self) -> bool:
        """Whether a stop was asked for."""
        return self._stop.is_set()

    @property
    def paused(self) -> bool:
        """Whether a pause was asked for and not taken back."""
        return not self._go_on.is_set() and not self._stop.is_set() and not self._interrupted

    @property
    def interrupted(self) -> bool:
        """Whether the system wants this process to end; the run is to go on later."""
        return self._interrupted

    def refuse_if_lost(self) -> None:
        """End the work where the folder has another owner by now; two must not write to it.

        Raises
        ------
        NucleiError
            It has.
        """
        if self._lost:
            raise NucleiError(
                f"{self._run.name} was taken over by another process while this computer slept or was cut off.",
                "It goes on there; nothing is lost.",
            )

    def take_use_now(self) -> bool:
        """Whether a model of the present state was asked for; answers True once for each request."""
        asked = self._use_now.is_set()
        self._use_now.clear()
        return asked

    def wait_while_paused(self, *, or_use_now: bool = False) -> None:
        """Return when the pause ends or a stop comes, or also when a model of the present state is asked for."""
        while self.paused and not self._closed.is_set() and not (or_use_now and self._use_now.is_set()):
            self._go_on.wait(_LOOK_SECONDS)

    def stop(self) -> None:
        """Ask for a stop from within this process (Ctrl+C on the command line)."""
        self._stop.set()
        self._go_on.set()

    def interrupt(self) -> None:
        """Ask the run to save and end, to be gone on with later. May be called from a signal handler: no locks."""
        self._interrupted = True

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._thread.join(timeout=5.0)

    def _watch(self) -> None:
        while not self._closed.wait(_LOOK_SECONDS):
            try:
                self._look()
            except Exception:  # noqa: BLE001 - without this thread there is no heartbeat, no stop and no pause
                self._tell_fault()
            if self._lost:
                return

    def _look(self) -> None:
        """Beat, and obey what is asked for."""
        now = time.monotonic()
        if now - self._beaten > HEARTBEAT_SECONDS:
            self._lost = self._ownership.lost
            if self._lost:
                # The requests are for the other one now.
                self._go_on.set()
                return
            self._ownership.beat()
            self._beaten = now
        control = self._run.read_control()
        if control and _time_of(control) != self._seen:
            self._seen = _time_of(control)
            if control.get("paused"):
                # The pause it replaces may not have been read.
                self._go_on.clear()
            self._obey(control["request"])
        self._hear_answers()

    def _tell_fault(self) -> None:
        """A fault of this program, into the log, once: the next look most likely has it too."""
        if not self._told:
            self._told = True
            logging.getLogger("napari_nucleidomain").error("requests: %s", traceback.format_exc())

    def _hear_answers(self) -> None:
        try:
            self.questions.look()
        except NucleiError:
            # The disk is full: the main thread meets the same fault and reports it.
            return

    def _obey(self, what: str) -> None:
        if what == "stop":
            self.stop()
        elif what == "pause":
            self._go_on.clear()
        elif what == "resume":
            self._go_on.set()
        elif what == "use_now":
            self._use_now.set()
        else:
            return
        try:
            self._events.write(Acknowledged(request=what))
        except NucleiError:
            # The disk is full: the main thread meets the same fault and reports it.
            return
