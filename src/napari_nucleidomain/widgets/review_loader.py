"""Results of earlier days: listed when asked, shown when chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from .combos import Combo, narrow
from .inline import Inline, WhyButton, row
from .newest import Newest
from .predict_run import read_for_show
from .result_layers import result_layers
from .results import Stored, find_results
from .wording import count, day_and_clock

if TYPE_CHECKING:
    from .session import Session


class ResultLoader(QWidget):
    """Stored results of the current image that are not in the viewer, with [Show]. Hidden when there are none.

    Signals
    -------
    listed()
        There are more or fewer of them.
    """

    listed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._background = Newest(self)
        self._layers = result_layers(session)
        self._stored: list[Stored] = []
        self.number = 0
        self.list = Combo()
        narrow(self.list)
        self.button = WhyButton("Show", "Put this result over the image.")
        self.message = Inline()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row(self.list, self.button, stretch=0))
        layout.addWidget(self.message)
        self.button.clicked.connect(self.show_chosen)
        session.current_changed.connect(self.look)
        self._layers.shown.connect(self.look)
        self._layers.gone.connect(self.look)
        session.closing.connect(self._background.close)
        self.setVisible(False)
        self.look()

    def look(self, *_: Any) -> None:
        """Look for stored results of the current image, in the background."""
        entry = self._session.current
        if entry is None or entry.path is None:
            self._list([])
            return
        self._background.run(
            "find",
            find_results,
            self._session.project,
            entry.path,
            done=self._list,
            failed=self.message.say_error,
        )

    def _list(self, found: list[Stored]) -> None:
        present = {one.stored.role for one in self._layers.of(self._session.current)}
        self._stored = [one for one in found if one.role not in present]
        self.list.clear()
        for one in self._stored:
            words = f"{one.model} · {day_and_clock(one.when)} · {count(one.nuclei, 'nucleus', 'nuclei')}"
            words += " · edited" if one.edited else ""
            self.list.addItem(f"Earlier: {words}")
        self.setVisible(bool(self._stored))
        if len(self._stored) != self.number:
            self.number = len(self._stored)
            self.listed.emit()

    def show_chosen(self) -> None:
        """Put the chosen result over its image."""
        index = self.list.currentIndex()
        entry = self._session.current
        if entry is None or not 0 <= index < len(self._stored):
            return

        def put(read: tuple[Any, Any, Any]) -> None:
            if entry is self._session.current:
                self._layers.show(entry, *read)

        # It may be one that was painted in a moment ago.
        self._layers.autosave.flush()
        self._background.run("show", read_for_show, self._stored[index], done=put, failed=self.message.say_error)
