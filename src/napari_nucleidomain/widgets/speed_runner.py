"""The speed test beside the event loop: a child process, followed by a thread, told in the main thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_nucleidomain.contracts import NucleiError

if TYPE_CHECKING:
    from napari_nucleidomain.runs.speed import SpeedTest


class SpeedRunner(QObject):
    """Runs one test at a time.

    Signals
    -------
    progressed(float)
        Share that is done, in [0, 1].
    ended(object)
        A `runs.speed.Speed`; None where it was cancelled.
    failed(object)
        The exception.
    """

    progressed = Signal(float)
    ended = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._test: SpeedTest | None = None
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether a test is under way."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, device: str = "auto") -> None:
        """Begin; nothing happens while one is under way."""
        if self.running:
            return
        from napari_nucleidomain.runs.speed import SpeedTest

        try:
            self._test = SpeedTest(device)
        except NucleiError as error:
            self.failed.emit(error)
            return
        self._thread = threading.Thread(target=self._follow, args=(self._test,), name="nuclei-speed", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """End the test under way; `ended(None)` follows."""
        if self._test is not None and self.running:
            self._test.cancel()

    def close(self) -> None:
        """End the test under way and wait for it: its owner goes away."""
        self.cancel()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _follow(self, test: SpeedTest) -> None:
        try:
            try:
                speed = test.follow(self.progressed.emit)
            except Exception as error:  # noqa: BLE001 - a thread has nobody above it; the widget says it
                self.failed.emit(error)
            else:
                self.ended.emit(speed)
        except RuntimeError:
            # The widget was destroyed meanwhile.
            test.cancel()
