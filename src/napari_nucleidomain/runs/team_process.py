"""One of the other processes of a training on several devices, as the one that owns the run has it."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from typing import IO, Any

from napari_nucleidomain.contracts.files import JsonTextError, disk_error, parse_json

from .folder import RunFolder

END_SECONDS = 5.0

Said = queue.Queue[tuple[int, dict[str, Any] | None]]


class OtherProcess:
    """Started here; see `runs.follower`.

    Parameters
    ----------
    run : RunFolder
        Of the training.
    rank : int
    said : queue
        Gets (rank, message) for whatever it says, and (rank, None) when it has ended.

    Raises
    ------
    NucleiError
        It cannot be started.
    """

    def __init__(self, run: RunFolder, rank: int, said: Said) -> None:
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
            target=listen, args=(rank, self.process.stdout, said), name=f"team {rank}", daemon=True
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
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        with contextlib.suppress(OSError):
            self._input.close()
        self._thread.join()


def listen(rank: int, output: IO[bytes], said: Said) -> None:
    """Put what a process says into the queue; None when it has ended, whatever ends the listening."""
    try:
        with output:
            for line in output:
                message = _message(line)
                if message is not None:
                    said.put((rank, message))
    finally:
        said.put((rank, None))


def _message(line: bytes) -> dict[str, Any] | None:
    """What a line says; None where it is not ours: another package may print while Python starts."""
    try:
        message = parse_json(line)
    except JsonTextError:
        return None
    return message if isinstance(message, dict) and message.keys() & {"met", "failed"} else None
