"""A disk that becomes full: everything written under a folder fails from one write on, after half of that write."""

from __future__ import annotations

import builtins
import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest

_REAL_OPEN, _REAL_MKDIR = io.open, os.mkdir


class FullDisk:
    """Stands between the program and the files of one folder.

    Parameters
    ----------
    monkeypatch : MonkeyPatch
    folder : Path
        The disk.
    spare : Path, optional
        A file whose removal makes place for small writes, as on a real disk.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, spare: Path | None = None) -> None:
        self._root = os.path.abspath(folder) + os.sep
        self._spare, self._kept = spare, False
        self._room: int | None = None
        self.refused = 0
        monkeypatch.setattr(builtins, "open", self._open)
        monkeypatch.setattr(io, "open", self._open)
        monkeypatch.setattr(os, "mkdir", self._mkdir)

    def fill_after(self, writes: int) -> None:
        """So many more writes find place."""
        self._room, self.refused, self._kept = writes, 0, False

    def free(self) -> None:
        """Somebody has made space."""
        self._room = None

    def has_place(self, size: int) -> bool:
        """Whether one more write does; counts it."""
        if self._spare is not None and self._spare.exists():
            self._kept = True
        if self._room is None or self._room > 0:
            self._room = None if self._room is None else self._room - 1
            return True
        if self._kept and self._spare is not None and not self._spare.exists() and size <= 4096:
            return True
        self.refused += 1
        return False

    def _under(self, path: Any) -> bool:
        return not isinstance(path, int) and os.path.abspath(os.fsdecode(path)).startswith(self._root)

    def _mkdir(self, path: Any, *rest: Any, **named: Any) -> None:
        if self._under(path) and not os.path.exists(path) and not self.has_place(0):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        _REAL_MKDIR(path, *rest, **named)

    def _open(self, file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **named: Any) -> Any:
        if not set(mode) & set("wax+") or not self._under(file):
            return _REAL_OPEN(file, mode, buffering, *rest, **named)
        raw = _File(os.fsdecode(file), mode.replace("b", "").replace("t", ""), self)
        if "b" in mode and buffering == 0:
            return raw
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *rest, **named)


class _File(io.FileIO):
    """As the system does it: a write that does not fit is shortened, and the next one refused."""

    def __init__(self, path: str, mode: str, disk: FullDisk) -> None:
        super().__init__(path, mode)
        self._disk, self._short = disk, False

    def write(self, content: Any) -> int:
        """Some of it, all of it, or an error."""
        size = memoryview(content).nbytes
        if self._disk.has_place(size):
            return super().write(content)
        if size > 1 and not self._short:
            self._short = True
            return super().write(memoryview(content).cast("B")[: size // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
