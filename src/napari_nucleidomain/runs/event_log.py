"""`events.jsonl`: written by one process, read by any number, never locked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.events import Event, Warned, parse_event
from napari_nucleidomain.contracts.files import disk_error, open_plain, refuse_special

EVENTS_FILE = "events.jsonl"
# The last event of a prediction names every image.
_LONGEST_LINE = 64 << 20
_MOST_BYTES = 96 << 20


class EventWriter:
    """Appends events. Safe to call from the watcher thread and the main thread."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / EVENTS_FILE
        self._lock = threading.Lock()
        self._warned: set[str] = set()
        self._mend_last_line()

    def _mend_last_line(self) -> None:
        """End a line that a killed process left half-written, so that the next one starts clean."""
        refuse_special(self._path)
        try:
            if not self._path.exists() or self._path.stat().st_size == 0:
                return
            with open(self._path, "rb+") as handle:
                handle.seek(-1, 2)
                if handle.read(1) != b"\n":
                    handle.write(b"\n")
        except OSError as error:
            raise disk_error(error, self._path) from error

    def write(self, event: Event) -> None:
        """Append one event.

        Raises
        ------
        WriteError
            The disk is full or the folder cannot be written; no part of the line stays.
        """
        line = event.model_dump_json().encode() + b"\n"
        with self._lock:
            try:
                with open(self._path, "ab", buffering=0) as handle:
                    _append(handle, line)
            except OSError as error:
                raise disk_error(error, self._path) from error

    def warn_once(self, subject: str, message: str, hint: str = "") -> None:
        """Tell the user something that may happen often; of each subject only the first."""
        if subject not in self._warned:
            self._warned.add(subject)
            self.write(Warned(message=message, hint=hint))


def _append(handle: FileIO, line: bytes) -> None:
    """Write a line; what a full disk took of it is taken back, for it would spoil the next line too."""
    before, rest = handle.seek(0, 2), line
    try:
        while rest:
            rest = rest[handle.write(rest) :]
    except OSError:
        handle.truncate(before)
        raise


def lines_of(handle: BinaryIO) -> Iterator[bytes]:
    """Whole lines; those that no event has, for their length, are empty."""
    begun = False
    while line := handle.readline(_LONGEST_LINE):
        ended = line.endswith(b"\n")
        if ended:
            yield b"\n" if begun else line
        begun = not ended


def read_events(folder: Path, offset: int = 0) -> tuple[list[Event], int]:
    """Events from byte `offset` on; of a file that holds more than a month of them, the last ones.

    Returns
    -------
    events : list of Event
        Whole lines only; unknown kinds and damaged lines are left out.
    offset : int
        Where to go on next time. A half-written last line is read then.
    """
    path = folder / EVENTS_FILE
    found: list[Event] = []
    try:
        with open_plain(path) as handle:
            begin = max(offset, handle.seek(0, 2) - _MOST_BYTES)
            handle.seek(begin)
            if begin > offset:
                # In the midst of a line, of which the rest is none.
                begin += len(handle.readline(_LONGEST_LINE))
            end = begin
            for line in lines_of(handle):
                event = parse_event(line) if line.strip() else None
                if event is not None:
                    found.append(event)
                end = handle.tell()
    except (OSError, NucleiError):
        # None yet, or nothing that could be read.
        return [], offset
    return found, end


def last_event(folder: Path, tail: int = 16_384) -> Event | None:
    """The last whole event, reading the end of the file, and more of it only where that holds no whole event.

    Parameters
    ----------
    folder : Path
    tail : int
        Bytes read at first. The last event of a prediction lists every image, so it may be far longer.
    """
    path = folder / EVENTS_FILE
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    while True:
        begin = max(0, size - tail)
        events, _ = read_events(folder, begin)
        # What begins in the middle of a line is no event, so the last one found is whole.
        if events or begin == 0 or tail >= _MOST_BYTES:
            return events[-1] if events else None
        tail *= 4
