"""What a person noted of a result: nuclei looked at, and a check by eye. Kept beside the result on disk."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import LISTS, check_version, read_json, write_json

if TYPE_CHECKING:
    from .results import Stored
    from .review_subject import Subject
    from .session import Session

_VERSION = 1
_WAIT_MS = 800


@dataclass
class Notes:
    """Of one result.

    Attributes
    ----------
    looked : set of int
        Ids of nuclei that were looked at.
    check : dict or None
        A check by eye, see `instances.spotcheck.SpotCheck.to_json`.
    """

    looked: set[int] = field(default_factory=set)
    check: dict[str, Any] | None = None


def notes_file(stored: Stored) -> Path:
    """Where a result's notes lie: in a folder of their own, so that nothing takes them for a result."""
    return Path(stored.run.result_folder) / "review" / f"{stored.name}.json"


def read_notes(stored: Stored) -> Notes:
    """Notes of a result; empty ones when there are none.

    Raises
    ------
    NucleiError
        The file is damaged or of a later version.
    """
    file = notes_file(stored)
    if not file.exists():
        return Notes()
    content = read_json(file, LISTS)
    check_version(
        content, _VERSION, "The notes of a review", f"Move {file} away; what was looked at is then forgotten."
    )
    return Notes({int(one) for one in content.get("looked", ())}, content.get("check"))


def write_notes(file: Path, content: dict[str, Any]) -> None:
    """Write notes (in a thread)."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, content)


class NotesKeeper(QObject):
    """Notes of the results that are looked at; on disk a second after a change, and at once when the window closes.

    Signals
    -------
    changed(str)
        Key of the subject.
    """

    changed = Signal(str)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._all: dict[str, Notes] = {}
        self._files: dict[str, Path] = {}
        self._due: set[str] = set()
        self._pool: ThreadPoolExecutor | None = None
        self._writing: list[Future[None]] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._start)
        session.about_to_close.connect(self.flush)
        session.closing.connect(self.close)

    def of(self, subject: Subject) -> Notes:
        """Notes of a result; those of layers of other programs last as long as the layer."""
        if subject.key not in self._all:
            self._all[subject.key] = self._read(subject)
        return self._all[subject.key]

    def _read(self, subject: Subject) -> Notes:
        if subject.shown is None:
            return Notes()
        try:
            found = read_notes(subject.shown.stored)
        except NucleiError as error:
            # Not written over: a later version of this program may read it.
            self._session.save_failed.emit(error)
            return Notes()
        self._files[subject.key] = notes_file(subject.shown.stored)
        return found

    def look(self, subject: Subject, numbers: Iterable[int]) -> None:
        """Note nuclei as looked at."""
        self.of(subject).looked.update(int(one) for one in numbers)
        self._touch(subject.key)

    def set_check(self, subject: Subject, check: dict[str, Any] | None) -> None:
        """Keep a check by eye, finished or not."""
        self.of(subject).check = check
        self._touch(subject.key)

    def _touch(self, key: str) -> None:
        if key in self._files:
            self._due.add(key)
            if not self._timer.isActive():
                self._timer.start(_WAIT_MS)
        self.changed.emit(key)

    def _start(self) -> None:
        self._timer.stop()
        due, self._due = self._due, set()
        if due and self._session.read_only is not None:
            self._session.save_failed.emit(self._session.read_only)
            return
        if due and self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="nuclei-notes")
        self._writing = [one for one in self._writing if not one.done()]
        for key in due:
            notes = self._all[key]
            content = {"schema_version": _VERSION, "looked": sorted(notes.looked), "check": notes.check}
            assert self._pool is not None
            self._writing.append(self._pool.submit(write_notes, self._files[key], content))

    def flush(self, *_: Any) -> None:
        """Write everything now and wait for it; a failure is told by `Session.save_failed`."""
        self._start()
        for future in self._writing:
            error = future.exception()
            if error is not None:
                self._session.save_failed.emit(_in_words(error))
        self._writing.clear()

    def close(self) -> None:
        """Flush and end the thread."""
        self.flush()
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None


def _in_words(error: BaseException) -> NucleiError:
    if isinstance(error, NucleiError):
        return error
    return NucleiError(
        f"What you looked at could not be noted ({type(error).__name__}: {error}).",
        "The nuclei themselves are saved apart from it.",
    )
