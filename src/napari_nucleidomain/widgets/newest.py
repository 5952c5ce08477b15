"""Background work of which only the newest answer counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject

from .background import in_background


class Newest(QObject):
    """Runs functions in the background; of several under one key only the newest one's answer is handed back.

    A person who clicks quickly through images never sees an older answer after a newer one, and what was overtaken
    before it began is not computed at all.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._numbers: dict[str, int] = {}
        self._closed = False
        self._busy = 0

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return self._busy > 0

    def run(
        self,
        key: str,
        function: Callable[..., Any],
        *args: Any,
        done: Callable[[Any], object],
        failed: Callable[[BaseException], object],
    ) -> None:
        """Call `function(*args)` in a thread.

        Parameters
        ----------
        key : str
            Jobs of one key replace one another.
        function, *args
            Must touch no Qt object and no napari layer.
        done, failed : callable
            Called on the event loop with the result or the exception.
        """
        if self._closed:
            return
        number = self._numbers[key] = self._numbers.get(key, 0) + 1
        self._busy += 1

        def work() -> Any:
            return function(*args) if self._numbers.get(key) == number and not self._closed else None

        def tell(to: Callable[[Any], object], what: Any) -> None:
            self._busy -= 1
            if self._numbers.get(key) == number and not self._closed:
                to(what)

        in_background(self, work, lambda result: tell(done, result), lambda error: tell(failed, error))

    def forget(self, key: str) -> None:
        """Hand back nothing of what is under way under this key."""
        self._numbers[key] = self._numbers.get(key, 0) + 1

    def close(self) -> None:
        """Take no more work and hand back nothing."""
        self._closed = True
