"""Walking through the nuclei one by one, those that need a look first."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QLabel, QVBoxLayout, QWidget

from .inline import WhyButton, row

# Order -> (words, column, highest first). Words of a combo box beside three buttons: short.
_ORDERS: dict[str, tuple[str, str, bool]] = {
    "unsure": ("least sure", "uncertainty", True),
    "largest": ("largest", "size", True),
    "smallest": ("smallest", "size", False),
    "errors": ("errors only", "error", True),
}


def order_ids(table: dict[str, np.ndarray], by: str, error_of: dict[int, int] | None = None) -> np.ndarray:
    """Ids in the order of a walk.

    Parameters
    ----------
    table : dict of str to ndarray
        With "id" and what the order needs.
    by : {"unsure", "largest", "smallest", "errors"}
    error_of : dict of int to int
        Id -> `ErrorClass`, for "errors": found ones are left out.
    """
    ids = np.asarray(table["id"])
    if by == "errors":
        kind = np.array([(error_of or {}).get(int(one), 0) for one in ids])
        chosen = np.flatnonzero(kind > 1)
        return ids[chosen[np.argsort(kind[chosen], kind="stable")]]
    column = _ORDERS[by][1]
    values = table.get("area_px", table.get("volume_px")) if column == "size" else table.get(column)
    score = table.get("score")
    if by == "unsure" and score is not None and np.isfinite(score).any():
        # The column a person sees first; the uncertainty need not rise where the score falls.
        return ids[np.argsort(score, kind="stable")]
    if values is None:
        return ids[:0]
    order = np.argsort(-values if _ORDERS[by][2] else values, kind="stable")
    return ids[order]


class Walk(QWidget):
    """◀ 12 of 40 ▶ by least sure / largest / smallest / errors.

    Signals
    -------
    went(int)
        To the nucleus of this id.
    """

    went = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._table: dict[str, np.ndarray] = {}
        self._errors: dict[int, int] = {}
        self.ids = np.zeros(0, int)
        self.at = -1
        self.back = WhyButton("◀", "The one before")
        self.on = WhyButton("▶", "The next one")
        self.place = QLabel()
        self.place.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.by = QComboBox()
        for button in (self.back, self.on):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setFixedWidth(36)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row(self.back, self.place, self.on, self.by, stretch=3))
        self.back.clicked.connect(lambda: self.step(-1))
        self.on.clicked.connect(lambda: self.step(1))
        self.by.currentIndexChanged.connect(self._begin)
        self.set_table({"id": np.zeros(0, int)}, {})

    def set_table(self, table: dict[str, np.ndarray], errors: dict[int, int]) -> None:
        """Walk through another table; only orders that it knows are offered."""
        self._table, self._errors = table, errors
        chosen = self.by.currentData()
        offered = [
            by
            for by, (_, column, _) in _ORDERS.items()
            if column in table or (column == "size" and len(table) > 1) or (by == "errors" and errors)
        ]
        self.by.blockSignals(True)
        self.by.clear()
        for by in offered:
            self.by.addItem(_ORDERS[by][0], by)
        self.by.setCurrentIndex(max(0, self.by.findData(chosen)))
        self.by.blockSignals(False)
        here = int(self.ids[self.at]) if 0 <= self.at < len(self.ids) else None
        self._begin()
        if here is not None:
            self.stand_on(here)

    def stand_on(self, number: int) -> None:
        """Go on from a nucleus that was chosen elsewhere, if the walk comes by it."""
        found = np.flatnonzero(self.ids == number)
        if len(found):
            self.at = int(found[0])
            self._say()

    def step(self, by: int) -> None:
        """Go on or back."""
        if len(self.ids):
            self.at = int(np.clip(self.at + by, 0, len(self.ids) - 1))
            self._say()
            self.went.emit(int(self.ids[self.at]))

    def _begin(self, *_: Any) -> None:
        by = self.by.currentData()
        self.ids = order_ids(self._table, by, self._errors) if by else np.zeros(0, int)
        self.at = -1
        self._say()

    def _say(self) -> None:
        here = f"{self.at + 1}" if self.at >= 0 else "–"
        self.place.setText(f"{here} of {len(self.ids):,}" if len(self.ids) else "none")
        nothing = "" if len(self.ids) else "There is nothing to walk through."
        self.back.allow(nothing or ("" if self.at > 0 else "This is the first."))
        self.on.allow(nothing or ("" if self.at < len(self.ids) - 1 else "This is the last."))
