"""A lock that the system takes back when its holder dies, for the moment in which a folder changes hands."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_nucleidomain.contracts.files import disk_error

_WAIT_SECONDS = 5.0
_AGAIN_SECONDS = 0.02


@contextmanager
def exclusive(path: Path) -> Iterator[bool]:
    """Hold the lock on a file, waiting for whoever has it.

    Parameters
    ----------
    path : Path
        The file; made if absent, never removed (a lock on a removed file guards nothing).

    Yields
    ------
    bool
        False where there is no lock to be had: some network folders know none, or somebody held it for too long.

    Raises
    ------
    WriteError
        The file cannot be made.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise disk_error(error, path) from error
    try:
        held = _wait(handle)
        yield held
        if held:
            _unlock(handle)
    finally:
        # Closing gives the lock up too, should anything have been raised.
        os.close(handle)


def _wait(handle: int) -> bool:
    end = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            _lock(handle)
        except (BlockingIOError, PermissionError):
            if time.monotonic() > end:
                return False
            time.sleep(_AGAIN_SECONDS)
        except OSError:
            return False
        else:
            return True


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

    def _unlock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)
