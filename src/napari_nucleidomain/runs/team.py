"""The other processes of a training on several devices: started, told, met with and ended by the one that owns the run.

They are told through their standard input and answer through their standard output, a line of JSON each. So nothing
times out however long a pause is, the end of the owner, whatever ends it, is the end of their input, and their own end
is noticed wherever the owner waits for them. Where one of them hangs, the owner still stops when it is asked to.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from napari_nucleidomain.contracts import Interrupted, NucleiError, StopRun

from .folder import RunFolder
from .requests import Requests
from .team_devices import several_words
from .team_process import END_SECONDS, OtherProcess, Said

_LOOK_SECONDS = 0.2
# A step that others do not end for so long after a stop was asked for is dropped: it will be done again.
_PATIENCE_SECONDS = 5.0
# Where an exchange broke off, the end of the process that caused it is known this soon.
_NOTICE_SECONDS = 2.0


def _is_end(message: dict[str, Any] | None) -> bool:
    return message is None or "failed" in message


class Leader:
    """See `contracts.TeamLink`; the side of the process that owns the run.

    Parameters
    ----------
    run : RunFolder
        Of a training.
    devices : tuple of str
        Its own first, then one for each process that is started.
    requests : Requests
        Obeyed where another process keeps this one waiting in the middle of a step.

    Attributes
    ----------
    half_step : bool
        Whether such a step was dropped. Nothing of it was applied, so the state may be saved as it is.

    Raises
    ------
    NucleiError
        A process cannot be started.
    """

    rank = 0

    def __init__(self, run: RunFolder, devices: tuple[str, ...], requests: Requests) -> None:
        self.devices = devices
        self.half_step = False
        self._run, self._requests = run, requests
        self._said: Said = queue.Queue()
        self._others: dict[int, OtherProcess] = {}
        self._actions: list[Callable[[bool], None]] = []
        self._early: deque[tuple[int, dict[str, Any] | None]] = deque()
        self._together = True
        self._asked: float | None = None
        try:
            for rank in range(1, len(devices)):
                self._others[rank] = OtherProcess(run, rank, self._said)
        except NucleiError:
            self.close(clean=False)
            raise

    def send(self, **values: Any) -> None:
        """See `TeamLink`."""
        line = json.dumps(values).encode() + b"\n"
        for other in self._others.values():
            other.tell(line)

    def receive(self) -> dict[str, Any]:
        """See `TeamLink`."""
        raise RuntimeError("rank 0 tells, it is not told")

    def meet(self, said: str = "", meanwhile: Callable[[], None] | None = None) -> None:
        """See `TeamLink`."""
        with self._or_apart():
            missing = set(self._others)
            while missing:
                self._look(meanwhile)
                try:
                    rank, message = self._early.popleft() if self._early else self._said.get(timeout=_LOOK_SECONDS)
                except queue.Empty:
                    continue
                if _is_end(message):
                    raise self._failure(rank, message)
                if message is not None and message["met"] != said:
                    raise NucleiError(
                        f"The process for {self._place(rank)} found other data than the training itself.",
                        f"An image was changed just now, or the program. {_GO_ON}",
                    )
                missing.discard(rank)
        # Only now does anybody begin: what all do at once waits for none that is not there.
        self.send(go=True)

    def until(self, done: Callable[[], bool], meanwhile: Callable[[], None] | None = None) -> None:
        """See `TeamLink`."""
        with self._or_apart():
            began = looked = time.monotonic()
            while not done():
                now = time.monotonic()
                if now - looked > _LOOK_SECONDS:
                    looked = now
                    self._hear_of_ends()
                    self._look(meanwhile)
                # Often at first: it is a matter of milliseconds.
                time.sleep(min(0.005, 0.05 * (now - began)))

    def lost(self, why: str) -> NucleiError:
        """See `TeamLink`."""
        self._together = False
        ended: dict[int, dict[str, Any] | None] = {}
        end = time.monotonic() + _NOTICE_SECONDS
        while len(ended) < len(self._others) and (left := end - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                rank, message = self._said.get(timeout=left)
                if _is_end(message):
                    ended.setdefault(rank, message)
        # One that says nothing any more is the cause; others speak of what its end did to them.
        for rank, message in sorted(ended.items(), key=lambda one: one[1] is not None):
            return self._failure(rank, message)
        return NucleiError(
            f"The processes of this training on {several_words([*self.devices])} lost one another: {why}", self._hint()
        )

    def _hear_of_ends(self) -> None:
        """Raise where somebody has ended; one that waits at the next meeting already is heard there."""
        while True:
            try:
                rank, message = self._said.get_nowait()
            except queue.Empty:
                return
            if _is_end(message):
                raise self._failure(rank, message)
            self._early.append((rank, message))

    @contextlib.contextmanager
    def _or_apart(self) -> Iterator[None]:
        """Whoever is left in the middle of a wait is where this process does not know."""
        try:
            yield
        except BaseException:
            self._together = False
            raise

    def _look(self, meanwhile: Callable[[], None] | None) -> None:
        """Answer requests while others keep this process waiting."""
        if meanwhile is not None:
            meanwhile()
            return
        self._requests.refuse_if_lost()
        if not (self._requests.stopped or self._requests.interrupted):
            return
        now = time.monotonic()
        self._asked = self._asked or now
        if now - self._asked > _PATIENCE_SECONDS:
            self.half_step = True
            raise StopRun if self._requests.stopped else Interrupted

    def at_end(self, action: Callable[[bool], None]) -> None:
        """See `TeamLink`."""
        self._actions.append(action)

    def close(self, *, clean: bool) -> None:
        """End all of them.

        Parameters
        ----------
        clean : bool
            Whether this process did all it was to do; where they wait for the next step, they end by themselves.
        """
        clean = clean and self._together
        if clean:
            self.send(end=True)
        else:
            for other in self._others.values():
                other.process.kill()
        for action in self._actions:
            action(clean)
        for other in self._others.values():
            other.end()
        self._others, self._actions = {}, []

    def _place(self, rank: int) -> str:
        device = self.devices[rank]
        return device if self.devices.count(device) == 1 else f"{device} ({rank + 1} of {len(self.devices)})"

    def _hint(self) -> str:
        without = self.devices[0]
        return (
            f"{_GO_ON} To have it go on on {without} alone: choose that in Train (Runs on) and press Resume, or "
            f'nucleidomain run "{self._run.path}" --device {without}'
        )

    def _failure(self, rank: int, message: dict[str, Any] | None) -> NucleiError:
        where = self._place(rank)
        if message is not None:
            return NucleiError(
                f"The training cannot go on on {where}: {message['failed']}", f"{message['hint']} {self._hint()}"
            )
        process = self._others[rank].process
        try:
            status = process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            # It can be heard no more, so nothing is left of it that were of use.
            process.kill()
            status = process.wait()
        return NucleiError(
            f"The training's process on {where} was ended from outside or crashed (exit status {status}).",
            self._hint(),
        )


_GO_ON = "What was saved last is kept, and the training goes on from it."
