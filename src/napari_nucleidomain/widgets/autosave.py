"""Clicks and regions go to disk within seconds, off the event loop."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Qt, QTimer, Signal

from napari_nucleidomain.contracts import NucleiError

from .kept_aside import KeptAside

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .session import Session

# Much below the promised three seconds, so that a slow disk still keeps the promise.
_WAIT_MS = 800
_RETRY_MS = 5000


class Autosave(QObject):
    """Saves what changed, at most once in `_WAIT_MS`, in one background thread.

    The timer is started by the first change and not pushed on by later ones: a person who clicks without a
    pause is saved just as often. What is written is a copy made on the event loop, so a click that arrives
    during the writing is in the next save, never half in this one.

    Signals
    -------
    saved(float)
        Everything is on disk; seconds since 1970.
    failed(object)
        A `NucleiError`; the changes stay in memory and are tried again.
    """

    saved = Signal(float)
    failed = Signal(object)
    _written = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._entries: set[str] = set()
        self._writing: set[str] = set()
        self._index = False
        self._pool: ThreadPoolExecutor | None = None
        self._future: Future[None] | None = None
        self.error: NucleiError | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._start)
        self._written.connect(self._done, Qt.ConnectionType.QueuedConnection)

    @property
    def pending(self) -> bool:
        """Whether something is not on disk yet."""
        return bool(self._entries) or self._index or self._future is not None

    def changed(self, entry: ImageEntry | None) -> None:
        """Note that an entry (or, with None, only the list of images) has to be saved."""
        if self._session.read_only is not None:
            # Told in every header; images that are merely opened come here, too.
            return
        if entry is not None:
            self._entries.add(entry.id)
        self._index = True
        if not self._timer.isActive():
            self._timer.start(_WAIT_MS)

    def _start(self) -> None:
        if self._future is not None:
            # The disk is slower than the clicks: `_done` starts the next save.
            return
        if not (self._entries or self._index):
            return
        from .kept_aside import save
        from .storage import snapshot

        try:
            session = self._session
            content = snapshot(session.project, session.images, self._entries, session.removed, session.training)
        except NucleiError as error:
            self._fail(error)
            return
        self._writing, self._entries, self._index = self._entries, set(), False
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="nuclei-autosave")
        self._future = self._pool.submit(save, content, self._session.hold.held)
        self._future.add_done_callback(self._tell)

    def _tell(self, future: Future[None]) -> None:
        try:
            self._written.emit(future)
        except RuntimeError:
            # The session was deleted with its window while the thread wrote; the file is there all the same.
            return

    def _done(self, future: Future[None]) -> None:
        if future is not self._future:
            return
        self._future = None
        error = future.exception()
        self._session.hold.look_if_lost()
        self._session.hold.heard(error)
        if isinstance(error, KeptAside):
            # It is on disk under another name, and nothing more can be saved here.
            self._entries, self._index, self.error = set(), False, None
            self.failed.emit(error)
            return
        if error is not None:
            self._entries |= self._writing
            self._index = True
            self._fail(as_nuclei_error(error))
            return
        self.error = None
        if self._entries or self._index:
            self._timer.start(_WAIT_MS)
        self.saved.emit(time.time())

    def _fail(self, error: NucleiError) -> None:
        self.error = error
        self._timer.start(_RETRY_MS)
        self.failed.emit(error)

    def flush(self) -> None:
        """Write everything now and wait for it. A failure is told by `failed` and kept in `error`."""
        self._timer.stop()
        for _ in range(2):
            # The first turn may only wait for a save that was under way.
            if self._future is None:
                self._start()
            future = self._future
            if future is None:
                return
            # The outcome, error included, is read from the future by `_done`.
            future.exception()
            self._done(future)
            self._timer.stop()
            if self.error is not None or not self.pending:
                break
        if self.error is not None:
            self._timer.start(_RETRY_MS)

    def close(self) -> None:
        """Flush and end the thread.

        Raises
        ------
        NucleiError
            The last changes could not be written.
        """
        self.flush()
        self._timer.stop()
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None
        if self.error is not None:
            raise self.error


def as_nuclei_error(error: BaseException) -> NucleiError:
    """Any failure as words for the person, with where the trouble is."""
    if isinstance(error, NucleiError):
        return error
    return NucleiError(
        f"Your clicks could not be saved ({type(error).__name__}: {error}).",
        "They are still in the viewer: export them with Points > Export before closing.",
    )
