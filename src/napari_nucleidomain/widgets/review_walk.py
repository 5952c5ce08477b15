"""Walking through the nuclei one by one, those that need a look first."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from .combos import Combo
from .inline import WhyButton, row
from .wording import duration

# Order -> (words, column, highest first). Words of a combo box beside three buttons: short.
_ORDERS: dict[str, tuple[str, str, bool]] = {
    "unsure": ("least sure", "uncertainty", True),
    "largest": ("largest", "size", True),
    "smallest": ("smallest", "size", False),
    "errors": ("errors only", "error", True),
}

# Nuclei that corrections can have added since the order was made.
_MOST_NEW = 8
# Seconds a nucleus takes: at first, at least, and at most (then the person was away).
_PACE_S, _QUICKEST_S, _SLOWEST_S = 4.0, 0.5, 60.0


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


def kept_order(before: np.ndarray, now: np.ndarray, at: int) -> np.ndarray:
    """The order of a walk under way after a correction: as it was begun, without those gone; new ones come next.

    In the new order a corrected nucleus, of which the model says nothing, would be the last, and the walk over.

    Parameters
    ----------
    before, now : ndarray of int
        Ids in the order before, and as it would be begun now.
    at : int
        Place in `before`.
    """
    new = now[~np.isin(now, before)]
    if len(new) > _MOST_NEW:
        # No correction by hand: something else is compared with, or a filter was opened.
        return now
    first, rest = before[: at + 1], before[at + 1 :]
    return np.concatenate([first[np.isin(first, now)], new, rest[np.isin(rest, now)]])


class Pace:
    """How long a person looks at a nucleus: the median of the last twenty."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._last: float | None = None
        self._seconds: deque[float] = deque(maxlen=20)

    def step(self) -> None:
        """The next nucleus begins."""
        now = self._now()
        if self._last is not None and now - self._last <= _SLOWEST_S:
            self._seconds.append(max(now - self._last, _QUICKEST_S))
        self._last = now

    def left(self, nuclei: int) -> float:
        """Seconds that so many more will take."""
        return nuclei * (float(np.median(self._seconds)) if self._seconds else _PACE_S)


class Walk(QWidget):
    """◀ 12 of 40 ▶ by least sure / largest / smallest / errors; below, how many were looked at, and the time left.

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
        self._looked: Collection[int] = ()
        self.pace = Pace()
        self.told = QLabel()
        self.back = WhyButton("◀", "The one before")
        self.on = WhyButton("▶", "The next one")
        self.place = QLabel()
        self.place.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.by = Combo()
        for button in (self.back, self.on):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setFixedWidth(36)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row(self.back, self.place, self.on, self.by, stretch=3))
        layout.addWidget(self.told)
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
        here, at, before = self.here, self.at, self.ids
        self._begin()
        if here and self.by.currentData() == chosen:
            self.ids = kept_order(before, self.ids, at)
            # Where it was deleted, or is no error any more, ▶ goes on to the one that took its place.
            self.at = int(np.isin(before[:at], self.ids).sum()) - 1
        if here and not self.stand_on(here):
            self._say()

    def forget(self) -> None:
        """Begin anew: another result is looked at."""
        self.at = -1

    def set_looked(self, looked: Collection[int]) -> None:
        """Tell which nuclei were looked at."""
        self._looked = looked
        self._say()

    @property
    def here(self) -> int:
        """Id of the nucleus that the walk stands on; 0 before its begin."""
        return int(self.ids[self.at]) if 0 <= self.at < len(self.ids) else 0

    def go_on(self) -> bool:
        """To the next nucleus that was not looked at; False where there is none."""
        for at in range(self.at + 1, len(self.ids)):
            if int(self.ids[at]) not in self._looked:
                self.step(at - self.at)
                return True
        return False

    def stand_on(self, number: int) -> bool:
        """Go on from a nucleus that was chosen elsewhere, if the walk comes by it; whether it does."""
        found = np.flatnonzero(self.ids == number)
        if len(found):
            self.at = int(found[0])
            self._say()
        return bool(len(found))

    def step(self, by: int) -> None:
        """Go on or back."""
        if len(self.ids):
            self.pace.step()
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
        looked = sum(int(one) in self._looked for one in self.ids) if self._looked else 0
        rest = len(self.ids) - looked
        told = f"{looked:,} of {len(self.ids):,} looked at"
        self.told.setText(told + (f", about {duration(self.pace.left(rest))} left" if rest else " ✓"))
        self.told.setVisible(bool(len(self.ids)))
        nothing = "" if len(self.ids) else "There is nothing to walk through."
        self.back.allow(nothing or ("" if self.at > 0 else "This is the first."))
        self.on.allow(nothing or ("" if self.at < len(self.ids) - 1 else "This is the last."))
