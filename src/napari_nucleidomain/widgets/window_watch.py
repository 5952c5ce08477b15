"""Saves when the viewer's window is asked to close, and ends the session when it is gone."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from .session import Session


class WindowWatch(QObject):
    """Watches every window that holds a dock of the session."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._windows: weakref.WeakSet[QObject] = weakref.WeakSet()

    def add(self, widget: QWidget) -> None:
        """Watch the window that holds a widget now."""
        window = widget.window()
        if window is None or window is widget or window in self._windows:
            return
        self._windows.add(window)
        window.installEventFilter(self)
        window.destroyed.connect(self._session.close)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Qt's hook: the window is asked to close. The person may still say no, so only save."""
        if event is not None and event.type() == QEvent.Type.Close:
            self._session.flush()
            self._session.about_to_close.emit()
        return False
