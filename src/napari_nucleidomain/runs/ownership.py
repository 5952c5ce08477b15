"""Who executes a run: taken atomically, kept alive by a heartbeat, given up at the end."""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import remove_with_retry, write_json

from .lock import exclusive

OWNER_FILE = "owner.json"
LOCK_FILE = "owner.lock"
HEARTBEAT_SECONDS = 2.0
# Another machine's clock may differ from ours, and network folders show new times late.
STALE_ELSEWHERE_SECONDS = 120.0
_SETTLE_SECONDS = 0.5


@dataclass(frozen=True)
class Owner:
    """The process that executes a run."""

    host: str
    process: int
    process_started: float
    token: str
    taken: float

    @property
    def here(self) -> bool:
        """Whether it runs on this machine."""
        return self.host == socket.gethostname()


def read_owner(folder: Path) -> Owner | None:
    """The owner written in the folder; None where there is none or the file is half-written."""
    try:
        content = json.loads((folder / OWNER_FILE).read_text(encoding="utf-8"))
        return Owner(**content)
    except (OSError, ValueError, TypeError):
        return None


def is_alive(folder: Path) -> bool:
    """Whether the run's owner still works on it."""
    owner = read_owner(folder)
    if owner is None:
        return _just_written(folder)
    if owner.here:
        return process_alive(owner.process, owner.process_started)
    try:
        return time.time() - (folder / OWNER_FILE).stat().st_mtime < STALE_ELSEWHERE_SECONDS
    except FileNotFoundError:
        return False


def _just_written(folder: Path) -> bool:
    """A file that cannot be read yet but is seconds old: its owner is about to finish writing it."""
    try:
        return time.time() - (folder / OWNER_FILE).stat().st_mtime < HEARTBEAT_SECONDS
    except FileNotFoundError:
        return False


def process_alive(number: int, started: float) -> bool:
    """Whether the process of this number that began then (seconds since 1970) still runs on this machine."""
    import psutil

    try:
        process = psutil.Process(number)
        # A process number is used again after a restart; the start time tells the two apart.
        return abs(process.create_time() - started) < 2.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


class Ownership:
    """The right to write to a run folder.

    Raises
    ------
    NucleiError
        A live process has it, or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        import psutil

        self._path = folder / OWNER_FILE
        self.owner = Owner(
            socket.gethostname(), os.getpid(), psutil.Process().create_time(), uuid.uuid4().hex, time.time()
        )
        # To look and then to write is two moments: of two processes that both find nobody, one must wait.
        with exclusive(folder / LOCK_FILE) as held:
            if is_alive(folder):
                raise _taken(folder)
            write_json(self._path, self.owner.__dict__)
            if not held:
                # A folder without locks: the last one to write has it, and the others see that after a moment.
                time.sleep(_SETTLE_SECONDS)
                if not self.held:
                    raise _taken(folder)

    @property
    def held(self) -> bool:
        """Whether the folder is still ours."""
        owner = read_owner(self._path.parent)
        return owner is not None and owner.token == self.owner.token

    @property
    def lost(self) -> bool:
        """Whether somebody else has it: another machine took this one for dead while it slept."""
        owner = read_owner(self._path.parent)
        return owner is not None and owner.token != self.owner.token

    @contextmanager
    def writing(self) -> Iterator[bool]:
        """Hold the folder for the moment of a save: nobody can take it meanwhile.

        Yields
        ------
        bool
            False where somebody else has it, or had it and has given it up.

        Raises
        ------
        NucleiError, OSError
            It cannot be known now: the disk is away, or a new owner is just signing.
        """
        if not self._path.parent.exists():
            # With the folder went everything of anybody's that could be written over.
            yield True
            return
        with exclusive(self._path.parent / LOCK_FILE):
            yield self._still_ours()

    def _still_ours(self) -> bool:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            return bool(content["token"] == self.owner.token)
        except FileNotFoundError:
            return False
        except (ValueError, TypeError, KeyError) as error:
            raise NucleiError(
                f"It cannot be told who has {self._path.parent} now.", "It is tried again in some seconds."
            ) from error

    def beat(self) -> None:
        """Say that we are alive. A folder that was removed or is away meanwhile is noticed elsewhere."""
        try:
            os.utime(self._path)
        except OSError:
            return

    def release(self) -> None:
        """Give the folder up."""
        if self.held:
            remove_with_retry(self._path)


def _taken(folder: Path) -> NucleiError:
    owner = read_owner(folder)
    where = f"process {owner.process} on {owner.host}" if owner else "another process"
    return NucleiError(f"{folder.name} is being worked on by {where}.", "Wait for it, or stop it first.")
