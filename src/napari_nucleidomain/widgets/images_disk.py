"""*Disk use* in the Images dock: what the project takes, and what of it can go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QHeaderView, QLabel, QTreeWidget, QTreeWidgetItem

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.runs.cleanup import KINDS, USUAL, DiskUse, Removable, clean, disk_use, removable
from napari_nucleidomain.runs.computer import free_bytes

from .folding import Fold
from .inline import Inline, WhyButton
from .newest import Newest
from .wording import file_size

if TYPE_CHECKING:
    from .session import Session

_LITTLE = 2_000_000_000


class DiskUseFold(Fold):
    """Folded; measured when it is opened."""

    def __init__(self, session: Session) -> None:
        super().__init__("Disk use and clean-up", "images/disk")
        self._session = session
        self._background = Newest(self)
        self._found: list[Removable] = []
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.add(self.words)
        self.kinds: dict[str, QCheckBox] = {}
        for kind in KINDS:
            box = QCheckBox()
            box.setChecked(kind in USUAL)
            box.setVisible(False)
            box.toggled.connect(self._choose)
            self.kinds[kind] = box
            self.add(box)
        self.kinds["copies"].setToolTip("They stay where you saved them; Review shows them no more.")
        self.list = QTreeWidget()
        self.list.setColumnCount(2)
        self.list.setHeaderLabels(["Would be removed", "Size"])
        self.list.setRootIsDecorated(False)
        self.list.setFixedHeight(110)
        header = self.list.header()
        if header is not None:
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
            header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
            header.setStretchLastSection(False)
        self.add(self.list)
        self.clean = WhyButton("Clean up", "Removes what is listed; models, clicks and corrections always stay.")
        self.clean.clicked.connect(self._clean)
        self.add(self.clean)
        self.told = Inline()
        self.add(self.told)
        self.opened.connect(self.look)
        session.project_changed.connect(self._project_changed)
        session.read_only_changed.connect(self._choose)
        session.closing.connect(self._background.close)
        if self.is_open():
            self.look()
        self._choose()

    def look(self) -> None:
        """Measure, in the background."""
        from napari_nucleidomain.runs.store import Project

        folder = self._session.project_folder
        self.words.setText("Measuring …")

        def read() -> tuple[DiskUse, list[Removable], int | None]:
            project = Project(folder)
            return disk_use(project), removable(project), free_bytes(folder)

        self._background.run("look", read, done=self._looked, failed=self.told.say_error)

    def _project_changed(self, *_: Any) -> None:
        self.told.clear()
        if self.is_open():
            self.look()

    def _looked(self, found: tuple[DiskUse, list[Removable], int | None]) -> None:
        use, self._found, free = found
        parts = (
            ("images and clicks", use.images),
            ("trainings", use.trainings),
            ("predictions", use.predictions),
            ("previews", use.previews),
            ("models", use.models),
        )
        told = ", ".join(f"{name} {file_size(size)}" for name, size in parts if size)
        left = f" {file_size(free)} are free on its disk." if free is not None else ""
        little = (
            " ⚠ That is little: trainings and predictions may find no place." if (free or _LITTLE) < _LITTLE else ""
        )
        self.words.setText(f"This project takes {file_size(use.total)}{f': {told}' if told else ''}.{left}{little}")
        for kind, box in self.kinds.items():
            size = sum(one.size for one in self._found if one.kind == kind)
            # A tick box does not wrap, and the words must not make the dock wider.
            box.setText(f"{_SHORT[kind]}, {file_size(size)}")
            box.setVisible(size > 0)
        self._choose()

    @property
    def chosen(self) -> list[Removable]:
        """What [Clean up] would remove."""
        return [one for one in self._found if self.kinds[one.kind].isChecked()]

    def _choose(self, *_: Any) -> None:
        self.list.clear()
        for one in self.chosen:
            item = QTreeWidgetItem([f"{one.name}: {', '.join(path.name for path in one.paths)}", file_size(one.size)])
            item.setToolTip(0, f"{KINDS[one.kind]}\n" + "\n".join(str(path) for path in one.paths))
            item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight)
            self.list.addTopLevelItem(item)
        self.list.setVisible(bool(self.chosen))
        size = sum(one.size for one in self.chosen)
        self.clean.setText(f"Clean up: frees {file_size(size)}" if size else "Clean up")
        locked = self._session.read_only
        self.clean.allow(locked.message if locked is not None else "" if size else "There is nothing to remove.")

    def _clean(self) -> None:
        try:
            self._session.refuse_if_read_only()
        except NucleiError as error:
            self.told.say_error(error)
            return
        chosen = self.chosen
        self.clean.allow("It is at work.")
        self._background.run("clean", clean, chosen, done=self._cleaned, failed=self.told.say_error)

    def _cleaned(self, done: tuple[int, list[str]]) -> None:
        freed, problems = done
        if problems:
            self.told.say("warning", f"Freed {file_size(freed)}. Some stayed: {problems[0]}", Close=self.told.clear)
        else:
            self.told.say("ok", f"Freed {file_size(freed)}.", Close=self.told.clear)
        self.look()


_SHORT = {
    "previews": "Previews of what has ended",
    "working files": "Working files of finished runs",
    "halves": "Left over from deleting",
    "copies": "Results also saved elsewhere",
}
