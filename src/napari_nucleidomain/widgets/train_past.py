"""The list of past trainings: state, score, and what can be done with each."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget
from superqt import QFlowLayout

from napari_nucleidomain.contracts import NucleiError, load_card

from .folding import Fold
from .inline import Inline, WhyButton
from .newest import Newest
from .told import mark_told
from .train_compare import Comparison, Course, course_of
from .wording import day_and_clock

if TYPE_CHECKING:
    from napari_nucleidomain.runs.folder import RunFolder
    from napari_nucleidomain.runs.store import Project

_SIGNS = {
    "running": "● running",
    "paused": "‖ paused",
    "waiting": "… starting",
    "finished": "✓ done",
    "stopped": "■ stopped",
    "failed": "✗ failed",
    "interrupted": "⚠ interrupted",
}
_MOST = 50


@dataclass(frozen=True)
class Past:
    """One row."""

    run: RunFolder
    name: str
    state: str
    began: float
    score: str
    model: Path | None
    method: str = ""


def past_trainings(project: Project) -> list[Past]:
    """Trainings of a project, newest first. Reads files; not for the event loop."""
    from napari_nucleidomain.runs.job import TrainJob

    found = []
    for run in project.runs()[: 4 * _MOST]:
        try:
            job = run.job
            if isinstance(job, TrainJob):
                found.append(_past(run, job))
        except NucleiError:
            # A half-written run folder is nobody's training; the command line lists it with its fault.
            continue
        if len(found) == _MOST:
            break
    return found


def _past(run: RunFolder, job: Any) -> Past:
    from napari_nucleidomain.runs.publishing import published_at

    published = published_at(run.path, Path(job.publish)) if job.publish else None
    model = published if published is not None and (published / "card.json").exists() else run.model_folder
    score = ""
    if model is not None:
        try:
            card = load_card(model)
            score = f"{card.scores[0].value:.2f}" if card.scores else ""
        except NucleiError:
            model = None
    began = (run.path / "run.json").stat().st_mtime
    return Past(run, job.name or run.name, run.state, began, score, model, job.method)


def _courses(two: tuple[Past, Past]) -> tuple[Course, Course]:
    # The older one first: that is how one reads what has become better.
    one, other = sorted(two, key=lambda past: past.began)
    return course_of(one), course_of(other)


class PastTrainings(QWidget):
    """Folded list under the Train dock.

    Signals
    -------
    watch(object), resume(object), repeat(object)
        A RunFolder to show; to go on with; whose choices to take over.
    continue_from(object), predict(str)
        A model's folder to start from; to predict with.
    """

    watch = Signal(object)
    resume = Signal(object)
    repeat = Signal(object)
    continue_from = Signal(object)
    predict = Signal(str)
    listed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._background = Newest(self)
        self._rows: list[Past] = []
        self._project: Project | None = None
        self.fold = Fold("Past trainings", remember="train/past")
        self.list = QTreeWidget()
        self.list.setColumnCount(3)
        self.list.setHeaderLabels(["Name", "State", "Score"])
        self.list.setRootIsDecorated(False)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setFixedHeight(120)
        header = self.list.header()
        if header is not None:
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
            header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
            header.setSectionResizeMode(2, QHeaderView.ResizeMode.ResizeToContents)
            header.setStretchLastSection(False)
        self.show_button = WhyButton("Show", "Show its bars, curves and how it ended.")
        self.resume_button = WhyButton("Resume", "Go on where it was.")
        self.use_button = WhyButton("Predict with it", "Choose its model in Predict.")
        self.continue_button = WhyButton("Continue", "Start a new training from its model.")
        self.repeat_button = WhyButton("Same settings", "Choose above what this one was told.")
        self.delete_button = WhyButton("Delete …", "Remove the training's folder; the model stays.")
        self.compare_button = WhyButton("Compare", "Both curves on one plot, and what each learned from.")
        self.comparison = Comparison()
        self.message = Inline()
        buttons = QWidget()
        flow = QFlowLayout(buttons)
        flow.setContentsMargins(0, 0, 0, 0)
        for button in self._buttons():
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            flow.addWidget(button)
        for widget in (self.list, buttons, self.message, self.comparison):
            self.fold.add(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.fold)
        self._connect()
        self._allow()

    def _buttons(self) -> list[WhyButton]:
        return [
            self.show_button,
            self.resume_button,
            self.use_button,
            self.continue_button,
            self.repeat_button,
            self.compare_button,
            self.delete_button,
        ]

    def _connect(self) -> None:
        self.list.itemSelectionChanged.connect(self._allow)
        self.list.itemDoubleClicked.connect(lambda *_: self._with(lambda past: self.watch.emit(past.run)))
        self.show_button.clicked.connect(lambda: self._with(lambda past: self.watch.emit(past.run)))
        self.resume_button.clicked.connect(lambda: self._with(lambda past: self.resume.emit(past.run)))
        self.use_button.clicked.connect(lambda: self._with(lambda past: self.predict.emit(str(past.model))))
        self.continue_button.clicked.connect(lambda: self._with(lambda past: self.continue_from.emit(past.model)))
        self.repeat_button.clicked.connect(lambda: self._with(lambda past: self.repeat.emit(past.run)))
        self.delete_button.clicked.connect(lambda: self._with(self._ask_delete))
        self.compare_button.clicked.connect(self._compare)

    @property
    def chosen(self) -> Past | None:
        """The row that is selected, where it is one."""
        rows = self.selected
        return rows[0] if len(rows) == 1 else None

    @property
    def selected(self) -> list[Past]:
        """The rows that are selected, from the top."""
        numbers = sorted(self.list.indexOfTopLevelItem(item) for item in self.list.selectedItems())
        return [self._rows[number] for number in numbers if 0 <= number < len(self._rows)]

    def _with(self, action: Any) -> None:
        past = self.chosen
        if past is not None:
            action(past)

    def refresh(self, project: Project) -> None:
        """Read the list anew, in the background; nothing of another project is left meanwhile."""
        if self._project is not None and self._project.path != project.path:
            self._background.forget("past")
            self.message.clear()
            self.comparison.hide()
            self._show([])
        self._project = project
        self._background.run("past", past_trainings, project, done=self._show, failed=self.message.say_error)

    def _show(self, rows: list[Past]) -> None:
        chosen = {past.run.path for past in self.selected}
        self._rows = rows
        self.list.clear()
        for past in rows:
            item = QTreeWidgetItem([past.name, _SIGNS.get(past.state, past.state), past.score])
            item.setToolTip(0, f"{past.name}\nbegun {day_and_clock(past.began)}\n{past.run.path}")
            self.list.addTopLevelItem(item)
            item.setSelected(past.run.path in chosen)
        self.fold.set_title(f"Past trainings ({len(rows)})" if rows else "Past trainings")
        self._allow()
        self.listed.emit()

    @property
    def method(self) -> str:
        """Of the newest training; "" where there is none."""
        return self._rows[0].method if self._rows else ""

    def newly_ended(self) -> Past | None:
        """The newest training, if it ended while no viewer followed it; told once."""
        newest = self._rows[0] if self._rows else None
        if newest is None or newest.state not in ("finished", "stopped", "failed"):
            return None
        return newest if mark_told(newest.run) else None

    def _allow(self) -> None:
        past = self.chosen
        chosen = len(self.selected)
        none = "" if past is not None else "Select a single training." if chosen else "Select a training first."
        no_model = none or ("" if past is not None and past.model else "It left no model.")
        alive = past is not None and past.state in ("running", "paused", "waiting")
        ended = ""
        if past is not None and past.state == "finished":
            ended = "It is complete."
        elif past is not None and past.state == "failed" and not past.run.has_checkpoint:
            ended = "It left nothing to go on from."
        self.compare_button.allow("" if chosen == 2 else "Select two: click the second one with Ctrl held down.")
        self.show_button.allow(none)
        self.repeat_button.allow(none)
        self.use_button.allow(no_model)
        self.continue_button.allow(no_model)
        self.resume_button.allow(none or self._locked or ("It is running." if alive else ended))
        self.delete_button.allow(none or self._locked or ("Stop it first." if alive else ""))

    def lock(self, why: str) -> None:
        """Say why nothing may be changed; "" where it may."""
        if why != self._locked:
            self._locked = why
            self._allow()

    _locked = ""

    def _compare(self) -> None:
        one, other = self.selected
        self._background.run("compare", _courses, (one, other), done=self._show_two, failed=self.message.say_error)

    def _show_two(self, courses: tuple[Course, Course]) -> None:
        self.comparison.show_two(*courses)

    def _ask_delete(self, past: Past) -> None:
        self.message.say(
            "warning",
            f"Delete the training {past.name} with its checkpoint and curves?",
            "A model it published stays."
            if past.model and past.run.path not in past.model.parents
            else "Its model goes too.",
            Delete=lambda: self._delete(past),
            Keep_it=self.message.clear,
        )

    def _delete(self, past: Past) -> None:
        aside = past.run.path.with_name(f".deleted-{time.time_ns()}")
        try:
            past.run.path.rename(aside)
        except OSError as error:
            self.message.say_error(
                f"{past.name} could not be deleted: {error.strerror or error}.", "Is a file of it open?"
            )
            return
        self.message.clear()
        self._background.run(
            "delete", shutil.rmtree, aside, True, done=lambda _: self._again(), failed=self.message.say_error
        )

    def _again(self) -> None:
        if self._project is not None:
            self.refresh(self._project)

    def close_down(self) -> None:
        """Take no more work: the viewer goes away."""
        self._background.close()
