"""Long input and output beside the event loop: done in a thread, told in the main thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Qt, Signal

_pool: ThreadPoolExecutor | None = None


class _Messenger(QObject):
    finished = Signal(object)


def in_background(
    owner: QObject,
    work: Callable[[], Any],
    then: Callable[[Any], object],
    failed: Callable[[BaseException], object],
) -> Future[Any]:
    """Run `work` in a thread; `then` gets its result, or `failed` its exception, in the main thread.

    Nothing is told once `owner` is destroyed (its dock or window was closed).
    """
    global _pool
    if _pool is None:
        # Two: a slow network file must not hold up the thumbnails, and more would only fight for the disk.
        _pool = ThreadPoolExecutor(2, thread_name_prefix="nuclei-read")
    messenger = _Messenger(owner)

    def tell(future: Future[Any]) -> None:
        if not isalive(messenger):
            # Queued before the owner went, delivered after.
            return
        error = future.exception()
        if error is None:
            then(future.result())
        else:
            failed(error)
        if isalive(messenger):
            messenger.deleteLater()

    def post(future: Future[Any]) -> None:
        try:
            messenger.finished.emit(future)
        except RuntimeError:
            # The owner, and the messenger with it, is gone.
            return

    messenger.finished.connect(tell, Qt.ConnectionType.QueuedConnection)
    future = _pool.submit(work)
    future.add_done_callback(post)
    return future
