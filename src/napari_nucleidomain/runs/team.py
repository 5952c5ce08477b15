"""The other processes of a training on several devices: started, told, met with and ended by the one that owns the run.

They are told through their standard input and answer through their standard output, a line of JSON each. So nothing
times out however long a pause is, the end of the owner, whatever ends it, is the end of their input, and their own end
is noticed wherever the owner waits for them.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO, Any

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import disk_error

from .folder import RunFolder

_LOOK_SECONDS = 0.2
_END_SECONDS = 5.0


class _Other:
    """One process."""

    def __init__(self, run: RunFolder, rank: int, said: queue.Queue[tuple[int, dict[str, Any] | None]]) -> None:
        command = [sys.executable, "-m", "napari_nucleidomain.runs.follower", str(run.path.absolute()), str(rank)]
        options: dict[str, Any] = {}
        # In a group of its own: Ctrl+C in the terminal is for the owner, which saves first.
        if sys.platform == "win32":
            options["creationflags"] = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        else:
            options["start_new_session"] = True
        try:
            with open(run.log, "ab") as log:
                self.process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"},
                    **options,
                )
        except OSError as error:
            raise disk_error(error, run.log) from error
        assert self.process.stdin is not None and self.process.stdout is not None
        self._input: IO[bytes] = self.process.stdin
        self._thread = threading.Thread(
            target=_listen, args=(rank, self.process.stdout, said), name=f"team {rank}", daemon=True
        )
        self._thread.start()

    def tell(self, line: bytes) -> None:
        """One that has ended hears nothing; that is noticed at the next meeting."""
        with contextlib.suppress(OSError):
            self._input.write(line)
            self._input.flush()

    def end(self) -> None:
        """Wait a moment for its end, then end it."""
        try:
            self.process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        with contextlib.suppress(OSError):
            self._input.close()
        self._thread.join()


def _listen(rank: int, output: IO[bytes], said: queue.Queue[tuple[int, dict[str, Any] | None]]) -> None:
    """Put what a process says into the queue; None when it has ended."""
    with output:
        for line in output:
            # Another package may print while Python starts.
            if line.startswith(b"{"):
                said.put((rank, json.loads(line)))
    said.put((rank, None))


class Leader:
    """See `contracts.TeamLink`; the side of the process that owns the run.

    Parameters
    ----------
    run : RunFolder
        Of a training.
    devices : tuple of str
        Its own first, then one for each process that is started.

    Raises
    ------
    NucleiError
        A process cannot be started.
    """

    rank = 0

    def __init__(self, run: RunFolder, devices: tuple[str, ...]) -> None:
        self.devices = devices
        self._run = run
        self._said: queue.Queue[tuple[int, dict[str, Any] | None]] = queue.Queue()
        self._others: dict[int, _Other] = {}
        self._actions: list[Callable[[bool], None]] = []
        try:
            for rank in range(1, len(devices)):
                self._others[rank] = _Other(run, rank, self._said)
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
        missing = set(self._others)
        while missing:
            if meanwhile is not None:
                meanwhile()
            try:
                rank, message = self._said.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue
            if message is None or "failed" in message:
                raise self._failure(rank, message)
            if message["met"] != said:
                raise NucleiError(
                    f"The process for {self._place(rank)} found other data than the training itself.",
                    f"An image was changed just now, or the program. {_GO_ON}",
                )
            missing.discard(rank)

    def at_end(self, action: Callable[[bool], None]) -> None:
        """See `TeamLink`."""
        self._actions.append(action)

    def close(self, *, clean: bool) -> None:
        """End all of them.

        Parameters
        ----------
        clean : bool
            Whether they wait for the next step; else they may wait for one another, and are ended at once.
        """
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

    def _failure(self, rank: int, message: dict[str, Any] | None) -> NucleiError:
        where, without = self._place(rank), self.devices[0]
        hint = (
            f"{_GO_ON} To have it go on on {without} alone: choose that in Train (Runs on) and press Resume, or "
            f'nucleidomain run "{self._run.path}" --device {without}'
        )
        if message is not None:
            return NucleiError(
                f"The training cannot go on on {where}: {message['failed']}", f"{message['hint']} {hint}"
            )
        status = self._others[rank].process.wait()
        return NucleiError(
            f"The training's process on {where} was ended from outside or crashed (exit status {status}).", hint
        )


_GO_ON = "What was saved last is kept, and the training goes on from it."
