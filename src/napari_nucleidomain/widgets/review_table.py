"""The table of nuclei: a row each, sorted by a click on the head, linked to the canvas both ways."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QVBoxLayout, QWidget

# What a biologist looks at first; the rest follows in the order of `instances.measure`.
_FIRST = ("id", "error", "area_um2", "area_px", "volume_um3", "volume_px", "score", "uncertainty")


class NucleiModel(QAbstractTableModel):
    """Columns of numbers as Qt wants them: nothing is copied into items, so ten thousand rows open at once."""

    def __init__(self) -> None:
        super().__init__()
        self.columns: dict[str, np.ndarray] = {}
        self.names: list[str] = []
        self.order = np.zeros(0, int)
        self._sorted: tuple[str, bool] = ("id", True)

    def set_columns(self, columns: dict[str, np.ndarray]) -> None:
        """Show another table, sorted as the last one was."""
        self.beginResetModel()
        self.columns = columns
        first = [name for name in _FIRST if name in columns]
        self.names = first + [name for name in columns if name not in first]
        self._sort()
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Nuclei."""
        return len(self.order)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Measurements."""
        return len(self.names)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """A cell as text."""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role != Qt.ItemDataRole.DisplayRole or not index.isValid():
            return None
        return _text(self.columns[self.names[index.column()]][self.order[index.row()]])

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Names of the columns."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return head_words(self.names[section])
        if role == Qt.ItemDataRole.ToolTipRole and orientation == Qt.Orientation.Horizontal:
            return self.names[section]
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column."""
        if not 0 <= column < len(self.names):
            return
        self.layoutAboutToBeChanged.emit()
        self._sorted = (self.names[column], order == Qt.SortOrder.AscendingOrder)
        self._sort()
        self.layoutChanged.emit()

    def _sort(self) -> None:
        name, ascending = self._sorted
        values = self.columns.get(name, self.columns.get("id", np.zeros(0)))
        order = np.argsort(values, kind="stable")
        self.order = order if ascending else order[::-1]

    def id_at(self, row: int) -> int:
        """Id of the nucleus in a row."""
        return int(self.columns["id"][self.order[row]])

    def row_of(self, number: int) -> int:
        """Row of a nucleus; -1 when it is not in the table."""
        if "id" not in self.columns:
            return -1
        found = np.flatnonzero(self.columns["id"][self.order] == number)
        return int(found[0]) if len(found) else -1


def head_words(name: str) -> str:
    """A column's name for people: "area µm²"."""
    for ending, unit in (("_um2", " µm²"), ("_um3", " µm³"), ("_um", " µm"), ("_px", " px")):
        if name.endswith(ending):
            return name.removesuffix(ending).replace("_", " ") + unit
    return name.replace("_", " ")


def _text(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else ""
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else f"{value:.4g}"
    return str(value)


class NucleiTable(QWidget):
    """The table.

    Signals
    -------
    picked(int)
        The person chose a row; the nucleus's id.
    """

    picked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = NucleiModel()
        self.view = QTableView()
        self.view.setModel(self.model)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setSortingEnabled(True)
        self.view.setAlternatingRowColors(False)
        self.view.setMinimumHeight(180)
        rows = self.view.verticalHeader()
        if rows is not None:
            rows.setVisible(False)
            rows.setDefaultSectionSize(20)
        heads = self.view.horizontalHeader()
        if heads is not None:
            heads.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
            # Widths from the first rows are good enough, and at once there.
            heads.setResizeContentsPrecision(50)
            heads.setSortIndicator(0, Qt.SortOrder.AscendingOrder)
        self._following = False
        selection = self.view.selectionModel()
        if selection is not None:
            selection.currentRowChanged.connect(self._row_changed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.view)

    def set_columns(self, columns: dict[str, np.ndarray]) -> None:
        """Show another table; the nucleus chosen stays chosen."""
        chosen, before = self.chosen, list(self.model.columns)
        self.model.set_columns(columns)
        if list(columns) != before:
            # A person may have dragged them since; they stay until there are other ones.
            self.view.resizeColumnsToContents()
        if chosen is not None:
            self.choose(chosen)

    @property
    def chosen(self) -> int | None:
        """Id of the nucleus in the row chosen."""
        selection = self.view.selectionModel()
        index = selection.currentIndex() if selection is not None else QModelIndex()
        return self.model.id_at(index.row()) if index.isValid() and index.row() < self.model.rowCount() else None

    def choose(self, number: int) -> None:
        """Show the row of a nucleus that was chosen elsewhere."""
        row = self.model.row_of(number)
        if row < 0:
            return
        self._following = True
        self.view.selectRow(row)
        self.view.scrollTo(self.model.index(row, 0))
        self._following = False

    def _row_changed(self, now: QModelIndex, before: QModelIndex) -> None:
        if now.isValid() and not self._following:
            self.picked.emit(self.model.id_at(now.row()))
