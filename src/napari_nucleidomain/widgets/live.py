"""Background work that follows a hand: one answer at a time, each shown as it comes, the newest wish next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject

from .background import in_background


class Live(QObject):
    """Answers wishes in a thread, one at a time. What is wished meanwhile replaces what waits.

    Unlike `Newest`, which drops an answer that was overtaken: of a slider that is being dragged nothing would be seen
    before it rests. The last wish is always answered last.

    Parameters
    ----------
    work : callable
        Called with the wish in a thread; must touch no Qt object and no napari layer.
    done, failed : callable
        Called on the event loop with the answer or the exception.
    """

    def __init__(
        self,
        work: Callable[[Any], Any],
        done: Callable[[Any], object],
        failed: Callable[[BaseException], object],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._work, self._done, self._failed = work, done, failed
        self._next: Any = None
        self._turn = 0
        self._busy = self._closed = False

    @property
    def busy(self) -> bool:
        """Whether an answer is under way."""
        return self._busy

    def ask(self, wish: Any) -> None:
        """Wish for something; what was wished and not begun is forgotten."""
        self._next = wish
        self._go()

    def forget(self) -> None:
        """Hand back nothing of what is under way, and begin nothing of what waits."""
        self._turn += 1
        self._next = None

    def close(self) -> None:
        """Take no more wishes and hand back nothing."""
        self._closed = True
        self.forget()

    def _go(self) -> None:
        if self._busy or self._closed or self._next is None:
            return
        wish, self._next = self._next, None
        self._busy, turn = True, self._turn
        in_background(
            self,
            lambda: self._work(wish),
            lambda answer: self._end(turn, self._done, answer),
            lambda error: self._end(turn, self._failed, error),
        )

    def _end(self, turn: int, tell: Callable[[Any], object], what: Any) -> None:
        self._busy = False
        try:
            if turn == self._turn:
                tell(what)
        finally:
            self._go()
