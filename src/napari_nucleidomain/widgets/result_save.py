"""Results changed by hand go back to disk: some seconds after a stroke, and at once when the viewer closes."""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Qt, QTimer, Signal

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import LISTS, read_json, write_atomic, write_json

from .kept_aside import KeptAside, free_name
from .results import Stored

if TYPE_CHECKING:
    from napari_nucleidomain.runs.presence import ProjectHold

    from .result_layers import Shown
    from .session import Session

_WAIT_MS = 3000
_RETRY_MS = 5000


def save_edited(
    stored: Stored,
    labels: np.ndarray,
    pixel_size_um: tuple[float, ...] | None,
    known: int | None,
    hold: ProjectHold | None,
    hidden: np.ndarray,
) -> int:
    """`keep_edited`, while the project is still ours. For a thread.

    Raises
    ------
    KeptAside
        It is not: the labels were written beside the others', whose result stays.
    NucleiError
        The disk is full, away or read-only; the old labels stay.
    """
    from napari_nucleidomain.data.labels_io import read_labels
    from napari_nucleidomain.data.labels_out import write_labels

    if hold is not None:
        with hold.writing() as ours:
            if ours:
                return keep_edited(stored, labels, pixel_size_um, known, hidden)
    check = zlib.crc32(np.ascontiguousarray(labels))
    if check != known and not np.array_equal(read_labels(stored.labels_file).labels, labels):
        file = write_labels(labels, free_name(stored.labels_file), format="tif", pixel_size_um=pixel_size_um)
        raise KeptAside([file])
    return check


def keep_edited(
    stored: Stored,
    labels: np.ndarray,
    pixel_size_um: tuple[float, ...] | None,
    known: int | None,
    hidden: Sequence[int] | np.ndarray = (),
) -> int:
    """Write labels changed by hand in the place of a stored result. For a thread.

    What the program found is kept beside it once (`Stored.found_file`), so that nothing is lost.

    Parameters
    ----------
    labels : ndarray (*stored.shape) uint32
    known : int or None
        What this gave when they were written last: the same labels are not written again.
    hidden : sequence of int
        Ids that a filter hid when the first change was made: noted once, so that nobody takes them for deleted by hand.

    Returns
    -------
    int
        Checksum of the labels.

    Raises
    ------
    NucleiError
        The disk is full, away or read-only; the old labels stay.
    """
    from napari_nucleidomain.data.labels_out import write_labels

    check = zlib.crc32(np.ascontiguousarray(labels))
    if check == known:
        return check
    file, record = stored.labels_file, stored.run.result_folder / f"{stored.name}.json"
    if not stored.found_file.exists():
        _update(record, hidden=[int(one) for one in hidden])
        write_atomic(stored.found_file, lambda aside: shutil.copyfile(file, aside))
    write_labels(labels, file, format="tif", pixel_size_um=pixel_size_um)
    _update(record, nuclei=int(np.count_nonzero(np.unique(labels))))
    return check


def _update(record: Path, **values: Any) -> None:
    content = read_json(record, LISTS)
    if any(content.get(name) != value for name, value in values.items()):
        # The file's time says when the result was made; lists are ordered by it.
        times = record.stat()
        write_json(record, {**content, **values})
        os.utime(record, ns=(times.st_atime_ns, times.st_mtime_ns))


class ResultAutosave(QObject):
    """Saves results that a person painted in, in one background thread, from copies made on the event loop.

    Signals
    -------
    saved()
        Everything painted is on disk.
    """

    saved = Signal()
    _written = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._due: list[Shown] = []
        self._writing: list[tuple[Shown, Future[int]]] = []
        self._checks: dict[str, int] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.start)
        self._written.connect(self._done, Qt.ConnectionType.QueuedConnection)
        session.hold.about_to_release.connect(self.flush)

    def changed(self, result: Shown) -> None:
        """Note that a result was painted in. The timer is not pushed on by further strokes."""
        if self._session.read_only is not None:
            self._session.save_failed.emit(self._session.read_only)
            return
        if result not in self._due:
            self._due.append(result)
        if not self._timer.isActive():
            self._timer.start(_WAIT_MS)

    def start(self, *_: Any) -> None:
        """Begin to write what is due."""
        self._timer.stop()
        due, self._due = self._due, []
        if due and self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="nuclei-results")
        for result in due:
            assert self._pool is not None
            stored = result.stored
            labels = np.array(result.labels(), dtype=np.uint32)
            known = self._checks.get(stored.role)
            future = self._pool.submit(
                save_edited, stored, labels, result.pixel_sizes(), known, self._session.hold.held, result.hidden()
            )
            self._writing.append((result, future))
            future.add_done_callback(self._tell)

    def _tell(self, future: Future[int]) -> None:
        try:
            self._written.emit(future)
        except RuntimeError:
            # The session was deleted with its window while the thread wrote; the file is there all the same.
            return

    def _done(self, future: Future[int]) -> None:
        result = next((one for one, writing in self._writing if writing is future), None)
        if result is None:
            return
        self._writing = [(one, writing) for one, writing in self._writing if writing is not future]
        error = future.exception()
        self._session.hold.look_if_lost()
        if isinstance(error, KeptAside):
            self._session.save_failed.emit(error)
            return
        if error is not None:
            if result not in self._due:
                self._due.append(result)
            self._timer.start(_RETRY_MS)
            self._session.save_failed.emit(_in_words(error, result.entry.name))
            return
        self._checks[result.stored.role] = future.result()
        if not self._due and not self._writing:
            self.saved.emit()

    def flush(self) -> None:
        """Write everything now and wait for it. A failure comes through `Session.save_failed`."""
        self.start()
        for _, future in list(self._writing):
            # The outcome, error included, is read from the future by `_done`.
            future.exception()
            self._done(future)

    def close(self) -> None:
        """Flush and end the thread."""
        self.flush()
        self._timer.stop()
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None


def _in_words(error: BaseException, name: str) -> NucleiError:
    if isinstance(error, NucleiError):
        return error
    return NucleiError(
        f"The nuclei you painted in {name} could not be saved ({type(error).__name__}: {error}).",
        "They are still in the viewer: export them in Review before closing.",
    )
