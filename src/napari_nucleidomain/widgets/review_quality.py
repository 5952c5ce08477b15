"""How good a result is: the sentence first, every score folded, the error legend."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QLabel, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from .folding import Fold
from .review_compute import Assessment

# Shown in this order; the rest follows.
_FIRST = (
    *("aji", "pq", "f1@0.5", "f1@0.7", "pixel_dice", "op_csb", "seg", "det", "object_dice", "dq", "sq"),
    *("point_f1", "point_recall", "point_precision"),
)
_NAMES = {
    "aji": "AJI",
    "aji_plus": "AJI+",
    "pq": "PQ",
    "dq": "DQ",
    "sq": "SQ",
    "seg": "SEG",
    "det": "DET",
    "op_csb": "OP_CSB",
    "pixel_dice": "Dice of foreground",
    "object_dice": "object Dice",
    "object_hausdorff": "object Hausdorff (px)",
    "object_hausdorff_um": "object Hausdorff (µm)",
}


def score_words(name: str) -> str:
    """A score's name for people."""
    return _NAMES.get(name, name.replace("_", " ").replace("@", " @ "))


class Quality(QWidget):
    """The sentence, the scores and the legend of errors."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sentence = QLabel()
        self.sentence.setWordWrap(True)
        self.sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.on = QLabel()
        self.on.setWordWrap(True)
        self.fold = Fold("All scores", remember="review/scores")
        self.table = QTableWidget(0, 2)
        self.table.setHorizontalHeaderLabels(["Score", "Value"])
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setMinimumHeight(200)
        rows, heads = self.table.verticalHeader(), self.table.horizontalHeader()
        if rows is not None:
            rows.setVisible(False)
            rows.setDefaultSectionSize(20)
        if heads is not None:
            heads.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.fold.add(self.table)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.sentence, self.on, self.fold):
            layout.addWidget(widget)

    def show_assessment(self, found: Assessment | None, on: str) -> None:
        """Show how good a result is; None or nothing compared hides it all.

        Parameters
        ----------
        on : str
            What the scores were measured on, and whether the model had seen it.
        """
        compared = found is not None and bool(found.sentence)
        self.setVisible(compared)
        if found is None or not compared:
            return
        self.sentence.setText(f"<b>{found.sentence}</b>")
        self.on.setText(on)
        self._fill(found.scores)

    def _fill(self, scores: dict[str, float]) -> None:
        from napari_nucleidomain.instances.definitions import LOWER_IS_BETTER, definition

        names = [name for name in _FIRST if name in scores] + [name for name in scores if name not in _FIRST]
        self.table.setRowCount(len(names))
        for line, name in enumerate(names):
            value = scores[name]
            text = f"{value:,.0f}" if _is_count(name) else f"{value:.3f}"
            cells = (QTableWidgetItem(score_words(name)), QTableWidgetItem(text))
            try:
                help_text = f"{name}: {definition(name)}"
            except KeyError:
                help_text = name
            if name in LOWER_IS_BETTER:
                help_text += " Lower is better."
            cells[1].setTextAlignment(int(Qt.AlignmentFlag.AlignRight.value | Qt.AlignmentFlag.AlignVCenter.value))
            for column, cell in enumerate(cells):
                cell.setToolTip(help_text)
                self.table.setItem(line, column, cell)
        self.fold.set_title(f"All {len(names)} scores")

    def values(self) -> dict[str, Any]:
        """Scores as shown, by the words in the first column."""
        rows = range(self.table.rowCount())
        return {self.table.item(k, 0).text(): self.table.item(k, 1).text() for k in rows}  # type: ignore[union-attr]


class Legend(QLabel):
    """Colours of the error map with their meaning in words and how many there are."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setVisible(False)

    def show_errors(self, found: Assessment | None) -> None:
        """Name every class of error with its colour and number."""
        from napari_nucleidomain.instances.errormap import COLOURS, LEGEND

        if found is None or found.errors is None:
            self.setVisible(False)
            return
        lines = [
            f'<span style="color:{COLOURS[kind]}">■</span> {words} ({found.counts.get(int(kind), 0):,})'
            for kind, words in LEGEND.items()
        ]
        self.setText("<br>".join(lines))
        self.setVisible(True)


class UncertainLegend(QLabel):
    """The two ends of the uncertainty colours."""

    def __init__(self) -> None:
        super().__init__()
        ends = '<span style="color:#00224E">■</span> sure — <span style="color:#7D7C78">■</span> — '
        self.setText(f'{ends}<span style="color:#FEE838">■</span> unsure')
        self.setVisible(False)


def _is_count(name: str) -> bool:
    return name.startswith("n_") or name in ("found", "merged", "missed", "extra")
