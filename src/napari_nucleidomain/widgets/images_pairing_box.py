"""The table in which files of outlines and clicks are given to images: guessed by name, corrected by a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)  # fmt: skip

from napari_nucleidomain.contracts import NucleiError

from .background import in_background
from .combos import Combo, narrow
from .images_attach import LABELS_READABLE
from .images_open import words
from .images_pairing import Choice, Found, Row, What, add_clicks, candidates, check, guess_rows, sort_files
from .inline import Inline, WhyButton
from .wording import count

if TYPE_CHECKING:
    from .session import Session

_COLUMNS: dict[int, What] = {1: "labels", 2: "points"}
_HEADS = ("Image", "Outlines", "Clicks", "Found")
_NOTHING = "–"
_SIGNS = {"none": "", "checking": "…", "fits": "✓", "wrong": "⚠"}
_INTRO = (
    "Files are given to images by their names. Correct what was guessed wrongly; nothing is attached before you say so."
)


class PairingTable(QDialog):
    """Choose files, see which belongs to which image, correct it, attach.

    Signals
    -------
    attached(str)
        What was attached, in words.
    """

    attached = Signal(str)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Attach outlines and clicks to many images")
        self.resize(860, 460)
        self._session = session
        self.files: list[Path] = []
        self.rows: list[Row] = []
        self._found = Found()
        self._names: dict[Path, str] = {}
        self._reading = 0
        intro = QLabel(_INTRO)
        intro.setWordWrap(True)
        self.choose = QPushButton("Add files…")
        self.choose.clicked.connect(self._choose_files)
        self.choose_folder = QPushButton("Add folder…")
        self.choose_folder.clicked.connect(self._choose_folder)
        self.table = QTableWidget(0, len(_HEADS))
        self._build_table()
        self.left = QLabel()
        self.left.setWordWrap(True)
        self.left.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.told = Inline()
        self.attach = WhyButton("Attach", "Give each image the files of its row that fit")
        self.attach.clicked.connect(self.attach_all)
        close = QPushButton("Close")
        close.clicked.connect(self.close)
        top, bottom = QHBoxLayout(), QHBoxLayout()
        for widget in (self.choose, self.choose_folder):
            top.addWidget(widget)
        top.addStretch(1)
        bottom.addStretch(1)
        for widget in (self.attach, close):
            bottom.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.addWidget(intro)
        layout.addLayout(top)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.left)
        layout.addWidget(self.told)
        layout.addLayout(bottom)
        session.closing.connect(self.close)
        self._refresh()

    def _build_table(self) -> None:
        self.table.setHorizontalHeaderLabels(list(_HEADS))
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.table.setWordWrap(True)
        for head in (self.table.verticalHeader(), self.table.horizontalHeader()):
            if head is not None:
                head.setHighlightSections(False)
        side, top = self.table.verticalHeader(), self.table.horizontalHeader()
        if side is not None and top is not None:
            side.setVisible(False)
            side.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            for column, mode in enumerate(("Interactive", "Interactive", "Interactive", "Stretch")):
                top.setSectionResizeMode(column, getattr(QHeaderView.ResizeMode, mode))
            for column, width in enumerate((170, 200, 200)):
                self.table.setColumnWidth(column, width)

    # Files -----------------------------------------------------------------------------------------------------

    def _choose_files(self) -> None:
        kinds = LABELS_READABLE.replace("*.json ", "*.json *.csv ")
        paths, _ = QFileDialog.getOpenFileNames(self, "Outlines or clicks of several images", "", kinds)
        self.add([Path(one) for one in paths])

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "A folder with outlines or clicks")
        if folder:
            self.add([Path(folder)])

    def add(self, paths: Iterable[Path]) -> None:
        """Look into files and folders and guess anew; what was chosen by hand is guessed again, too."""
        paths = list(paths)
        if not paths:
            return
        images = [entry.path for entry in self._session.images]
        known = list(self.files)
        self._reading += 1
        self.told.say("info", "Looking into the files…")

        def work() -> tuple[list[Path], Found]:
            files = list(dict.fromkeys([*known, *candidates(paths, images)]))
            return files, sort_files(files)

        def done(found: tuple[list[Path], Found]) -> None:
            self._reading -= 1
            self.files, self._found = found
            self.told.clear()
            if not self.files:
                self.told.say("warning", "There are no outlines or clicks in it.")
            self._names = names_apart([*self._found.labels, *self._found.points])
            self.rows, _ = guess_rows(self._session.images, self._found)
            self._fill()

        def failed(error: BaseException) -> None:
            self._reading -= 1
            self.told.say_error(words(error))

        in_background(self, work, done, failed)

    # The table -------------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        self.table.setRowCount(len(self.rows))
        for at, row in enumerate(self.rows):
            self.table.setItem(at, 0, QTableWidgetItem(row.entry.name))
            for column, what in _COLUMNS.items():
                self.table.setCellWidget(at, column, self._combo(at, what))
            self.table.setItem(at, 3, QTableWidgetItem())
            for what in _COLUMNS.values():
                self._check(at, what)
        self._refresh()

    def _combo(self, at: int, what: What) -> QComboBox:
        combo = narrow(Combo(), 14)
        combo.addItem(_NOTHING, None)
        for file in self._found.labels if what == "labels" else self._found.points:
            combo.addItem(self._names[file], str(file))
            combo.setItemData(combo.count() - 1, str(file), Qt.ItemDataRole.ToolTipRole)
        chosen = self.rows[at].choices[what].file
        combo.setCurrentIndex(max(0, combo.findData(str(chosen))) if chosen else 0)
        combo.activated.connect(lambda _=0: self.choose_file(at, what, combo.currentData()))
        # The wheel scrolls the table and never changes what was chosen.
        combo.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        combo.wheelEvent = lambda event: event.ignore()
        return combo

    def choose_file(self, at: int, what: What, file: str | None) -> None:
        """Give the image of a row another file, or none."""
        self.rows[at].choices[what] = Choice(Path(file) if file else None, "", "checking" if file else "none")
        self._check(at, what)
        self._refresh()

    def _check(self, at: int, what: What) -> None:
        """Read the chosen file and see whether it fits; a bad one is said in its row."""
        row = self.rows[at]
        choice = row.choices[what]
        if choice.file is None:
            return
        entry, file = row.entry, choice.file

        def told(state: str, said: str) -> None:
            choice.state, choice.words = state, said
            if at < len(self.rows) and self.rows[at].choices[what] is choice:
                self._refresh()

        in_background(
            self,
            lambda: check(entry, what, file),
            lambda said: told("fits", said),
            lambda error: told("wrong", getattr(error, "message", "") or words(error)),
        )

    def _refresh(self) -> None:
        for at, row in enumerate(self.rows):
            item = self.table.item(at, 3)
            if item is not None:
                item.setText(row_words(row))
                item.setToolTip(row_words(row))
        used = {choice.file for row in self.rows for choice in row.choices.values()}
        left = [name for file, name in self._names.items() if file not in used]
        lines = [f"{count(len(left), 'file')} without an image: {_few(left)}."] if left else []
        lines += [f"⚠ {why}" for _, why in self._found.problems[:3]]
        if len(self._found.problems) > 3:
            lines.append(f"⚠ and {len(self._found.problems) - 3} more that hold neither outlines nor clicks.")
        self.left.setText("\n".join(lines))
        self.left.setVisible(bool(lines))
        choices = [choice for row in self.rows for choice in row.choices.values()]
        fits = sum(choice.state == "fits" for choice in choices)
        waiting = self._reading or any(choice.state == "checking" for choice in choices)
        self.attach.setText(f"Attach {fits}" if fits else "Attach")
        self.attach.allow(
            "The files are still being read." if waiting else "" if fits else
            "None of these files fits its image." if any(choice.file for choice in choices) else
            "Add files of outlines or clicks first."
        )  # fmt: skip

    # Attaching -------------------------------------------------------------------------------------------------

    def attach_all(self) -> None:
        """Attach what fits; the rest stays in the table with its reason."""
        try:
            self._session.refuse_if_read_only()
        except NucleiError as error:
            self.told.say_error(error)
            return
        outlines = clicks = 0
        for row in self.rows:
            labels, points = row.choices["labels"], row.choices["points"]
            if labels.state == "fits" and labels.file is not None:
                outlines += self._session.touch(row.entry, "labels", labels=labels.file)
            if points.state == "fits" and points.file is not None:
                try:
                    found = add_clicks(row.entry, points.file)
                except NucleiError as error:
                    # It was there a moment ago.
                    points.state, points.words = "wrong", error.message
                    continue
                self._session.annotations.change(row.entry, points=found.points, regions=found.regions)
                clicks += 1
        current = self._session.current
        if current is not None and current.has("points"):
            self._session.stage.when_ready(current, lambda: self._session.annotations.clicks(current))
        wrong = sum(choice.state == "wrong" for row in self.rows for choice in row.choices.values())
        parts = [
            count(n, f"file of {what}", f"files of {what}")
            for n, what in ((outlines, "outlines"), (clicks, "clicks"))
            if n
        ]
        said = f"{' and '.join(parts)} attached."
        self.attached.emit(said + (f" {count(wrong, 'file')} did not fit." if wrong else ""))
        self._refresh()
        if wrong:
            self.told.say("warning", f"{said} {count(wrong, 'file')} did not fit: see the rows marked ⚠.")
        else:
            self.close()


def row_words(row: Row) -> str:
    """What was found for an image, a line for each file: "✓ 36 outlines (same name)"."""
    lines = []
    for choice in row.choices.values():
        if choice.file is not None:
            why = f" ({choice.why})" if choice.why and choice.state == "fits" else ""
            lines.append(f"{_SIGNS[choice.state]} {choice.words}{why}".strip())
    return "\n".join(lines) or "no file found"


def names_apart(files: Sequence[Path]) -> dict[Path, str]:
    """Names of files, each with its folder where another one is called the same."""
    alike = Counter(file.name for file in files)
    return {file: f"{file.parent.name}/{file.name}" if alike[file.name] > 1 else file.name for file in files}


def _few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
