"""Labelled images from a model that can make them: how many, how large, where; then into the list of images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFormLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_nucleidomain.contracts import MethodSpec, ModelCard, NucleiError, SynthesisWish, methods

from .bars import Bar
from .folding import Fold
from .images_open import Opened, Opener
from .inline import Inline, WhyButton, row
from .newest import Newest
from .number_boxes import FloatBox, IntBox
from .predict_turn import Turn
from .synthesis_run import SynthesisRun
from .wording import count, duration

if TYPE_CHECKING:
    from napari_nucleidomain.runs.job import SynthesizeJob
    from napari_nucleidomain.runs.store import Project

    from .run_follow import RunFollower
    from .session import Session

_USUAL = 50
_FOLDER = "synthetic"


class SynthesisPanel(Fold):
    """Folded away below the prediction; there only while a model is chosen that makes images.

    Parameters
    ----------
    session : Session
    training : RunFollower
        Which may have the device.
    device : callable
        The device chosen.
    """

    def __init__(self, session: Session, training: RunFollower, device: Callable[[], str]) -> None:
        super().__init__("Make labelled images", remember="predict/synthesis")
        self._session, self._device = session, device
        self._background = Newest(self)
        self._methods: dict[str, MethodSpec] = methods()
        self._model, self._usual = "", SynthesisWish()
        self._filling, self._why = False, ""
        # The number of nuclei follows the size of image and nuclei until somebody says it.
        self._number_said = False
        self.made: Path | None = None
        self.synthesis, self.opener = SynthesisRun(session), Opener(session)
        self._build()
        self.turn = Turn(training, self.message, self, "make images")
        self._connect()
        self.serve("", None)

    def _build(self) -> None:
        self.number = IntBox({"ge": 1, "le": 99_999})
        self.number.setValue(_USUAL)
        self.sides = [IntBox({"ge": 1, "le": 100_000}) for _ in range(3)]
        for box in self.sides:
            # napari's style wants 90 and room for arrows: three beside each other are then wider than the dock.
            box.setButtonSymbols(IntBox.ButtonSymbols.NoButtons)
            box.setStyleSheet("QSpinBox { min-width: 44px; padding: 1px 4px; }")
        self.least, self.most = (FloatBox({"ge": 1, "le": 1e4}) for _ in range(2))
        self.few, self.many = (IntBox({"ge": 1, "le": 1_000_000}) for _ in range(2))
        # Planes first, as in the viewer.
        by = [QLabel("×") for _ in range(2)]
        self._deep = [self.sides[0], by[0]]
        sides = _narrow(self.sides[0], by[0], self.sides[1], by[1], self.sides[2])
        self.note = QLabel("Masks are drawn and painted over as images like those the model has learned from.")
        self.note.setWordWrap(True)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        # Three sides find no room beside their name.
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.addRow("Images", self.number)
        form.addRow("Size (px)", sides)
        form.addRow("Diameter (px)", _narrow(self.least, QLabel("to"), self.most))
        form.addRow("Nuclei in each", _narrow(self.few, QLabel("to"), self.many))
        boxes = QWidget()
        layout = QVBoxLayout(boxes)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.note)
        layout.addLayout(form)
        self.make = WhyButton("", "In the background, into the project's folder; you can stop and go on.")
        self.wrong = QLabel()
        self.wrong.setWordWrap(True)
        self.bar, self.words = Bar(), QLabel()
        self.stop = WhyButton("Stop and keep what is done", "Make the same again, and it goes on from there.")
        self.open_made = WhyButton("Open as dataset", "Into the list of images, for training, with their outlines.")
        self.message = Inline()
        for widget in (boxes, self.make, self.wrong, self.bar, self.words, self.stop, self.open_made, self.message):
            self.add(widget)

    def _connect(self) -> None:
        for box in (self.number, *self.sides, self.least, self.most, self.few, self.many):
            box.setKeyboardTracking(False)
            if box in (self.few, self.many):
                box.valueChanged.connect(self._say_number)
            box.valueChanged.connect(self._changed)
        self.make.clicked.connect(self.start)
        self.stop.clicked.connect(self._stop)
        self.open_made.clicked.connect(self.open_as_dataset)
        self.synthesis.progressed.connect(self._progressed)
        self.synthesis.warned.connect(lambda message, hint: self.message.say("warning", message, hint))
        self.synthesis.ended.connect(self._ended)
        self.synthesis.failed.connect(self._failed)
        self.opener.finished.connect(self._opened)
        self._session.read_only_changed.connect(self.refresh)
        self._session.closing.connect(self._background.close)
        self._session.closing.connect(self.turn.close)

    # ---- choosing

    def serve(self, model: str, card: ModelCard | None) -> None:
        """Speak of this model from now on; go away where it makes no images."""
        spec = self._methods.get(card.method) if card is not None else None
        able = spec is not None and bool(spec.synthesis)
        self.setVisible(able or self.synthesis.busy)
        if able and model != self._model and not self.synthesis.busy:
            self._model, self._why, self.made = model, "It reads the model.", None
            self._background.run("usual", _plan, model, SynthesisWish(), done=self._fill, failed=self._cannot)
        self.refresh()

    def _fill(self, usual: SynthesisWish) -> None:
        """What the model would make of its own accord."""
        assert usual.shape and usual.diameter and usual.nuclei
        self._usual, self._filling = usual, True
        volume = len(usual.shape) == 3
        for one in self._deep:
            one.setVisible(volume)
        for box, side in zip(self.sides[3 - len(usual.shape) :], usual.shape, strict=True):
            box.setValue(side)
        for box, size in zip((self.least, self.most), usual.diameter, strict=True):
            box.setValue(float(f"{size:.3g}"))
        self._filling, self._number_said = False, False
        self._can(usual)

    def wish(self) -> SynthesisWish:
        """What is asked for now."""
        ndim = len(self._usual.shape or (0, 0))
        return SynthesisWish(
            shape=tuple(box.value() for box in self.sides[3 - ndim :]),
            diameter=(self.least.value(), self.most.value()),
            nuclei=(self.few.value(), self.many.value()) if self._number_said else None,
        )

    def _say_number(self) -> None:
        self._number_said = self._number_said or not self._filling

    def _changed(self) -> None:
        if self._filling or not self._usual.shape:
            return
        self._background.run("plan", _plan, self._model, self.wish(), done=self._can, failed=self._cannot)
        self.refresh()

    def _can(self, planned: SynthesisWish) -> None:
        """What is asked for can be made; show the number of nuclei that goes with it."""
        if planned.nuclei and not self._number_said:
            self._filling = True
            for box, number in zip((self.few, self.many), planned.nuclei, strict=True):
                box.setValue(number)
            self._filling = False
        self._why = ""
        self.refresh()

    def _cannot(self, error: BaseException) -> None:
        if not isinstance(error, NucleiError):
            self.message.say_error(error)
        self._why = str(error)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Allow the buttons, or say why not."""
        busy, locked = self.synthesis.busy, self._session.read_only
        why = "It is at work." if busy else locked.message if locked else self._why
        self.make.setText(f"Make {count(self.number.value(), 'image')}")
        self.make.setVisible(not busy)
        self.make.allow(why)
        self.wrong.setVisible(bool(self._why) and not busy)
        self.wrong.setText(f"⚠ {self._why}")
        for widget in (self.bar, self.words, self.stop):
            widget.setVisible(busy)
        self.open_made.allow("It is at work." if busy else "" if self.made is not None else "Make images first.")

    # ---- making

    def start(self) -> None:
        """Make them; a training that holds the device is asked about first."""
        if self.synthesis.busy or not self.make.isEnabled():
            return
        try:
            project = self._session.project
        except NucleiError as error:
            self.message.say_error(error)
            return
        self.message.clear()
        wanted = (project, self._model, self.number.value(), self.wish(), self._device())
        self._background.run("job", new_job, *wanted, done=self._take_turn, failed=self.message.say_error)

    def _take_turn(self, job: SynthesizeJob) -> None:
        self.turn.take(lambda: self._hand_over(job), "Images are made", on_processor=self._device() == "cpu")

    def _hand_over(self, job: SynthesizeJob) -> None:
        try:
            self.synthesis.start(job)
        except NucleiError as error:
            self.message.say_error(error)
            self.turn.done()
            return
        self.message.clear()
        self.made = Path(job.out)
        self.bar.setRange(0, 0)
        self.words.setText("Getting ready …")
        self.refresh()

    def _progressed(self) -> None:
        progress = self.synthesis.follower.story.progress
        if progress is None:
            return
        self.bar.setRange(0, 1000)
        self.bar.setValue(round(1000 * progress.overall))
        left = f" · {duration(progress.eta)} left" if progress.eta is not None and progress.eta >= 2 else ""
        self.words.setText(f"{progress.step:,} of {count(progress.total or 0, 'image')}{left}")

    def _stop(self) -> None:
        try:
            self.synthesis.stop()
        except NucleiError as error:
            self.message.say_error(error)
            return
        self.words.setText("Stopping …")

    def _ended(self, number: int) -> None:
        self._over(number)
        if number:
            self.message.say("ok", f"{count(number, 'image')} with labels.", f"Written to {self.made}")
        else:
            self.message.say("info", "Stopped before the first image.")

    def _failed(self, error: NucleiError, log: str) -> None:
        there = sum(1 for _ in (self.made / "train" / "images").glob("*.tif")) if self.made is not None else 0
        self._over(there)
        self.message.say_error(error, details=log)

    def _over(self, number: int) -> None:
        self.made = self.made if number else None
        self.refresh()
        self.turn.done()

    # ---- using

    def open_as_dataset(self) -> None:
        """Put what was made into the list of images, for training."""
        if self.made is None:
            return
        try:
            self._session.refuse_if_read_only()
            self.opener.open_paths(sorted((self.made / "train" / "images").glob("*.tif")), select=False)
        except (NucleiError, OSError) as error:
            self.message.say_error(error)

    def _opened(self, opened: Opened) -> None:
        for entry in opened.entries:
            labels = entry.path.parent.parent / "labels" / entry.path.name if entry.path is not None else None
            if labels is not None and labels.exists() and not entry.problem:
                self._session.touch(entry, "labels", labels=labels)
        said = opened.sentence() + (" Train on outlines (panoptic) in Train." if opened.good else "")
        self.message.say("warning" if opened.bad else "ok", said, Close=self.message.clear)


def _narrow(*widgets: QWidget) -> QWidget:
    """Boxes side by side, no wider than the dock."""
    made = QWidget()
    layout = row(*widgets)
    made.setLayout(layout)
    for number, widget in enumerate(widgets):
        if not isinstance(widget, QLabel):
            widget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            layout.setStretch(number, 1)
    return made


def _plan(model: str, wish: SynthesisWish) -> SynthesisWish:
    """What would be made. For a thread."""
    from napari_nucleidomain.runs.synthesize import plan

    return plan(model, wish)[0].wish


def new_job(project: Project, model: str, number: int, wish: SynthesisWish, device: str) -> SynthesizeJob:
    """A job whose folder is new, or holds images of the very same kind to which more are added. For a thread.

    Raises
    ------
    NucleiError
        What is asked for cannot be.
    """
    from napari_nucleidomain.runs.job import SynthesizeJob
    from napari_nucleidomain.runs.store import file_name
    from napari_nucleidomain.runs.synthesize import check_job

    base = project.path / _FOLDER / file_name(Path(model).name)
    tried = 1
    while True:
        out = base if tried == 1 else base.with_name(f"{base.name}-{tried}")
        job = SynthesizeJob(
            model=model, out=str(out), count=number, wish=wish, device=device, name=base.name, background=True
        )
        try:
            check_job(job)
            return job
        except NucleiError:
            if not out.exists():
                raise
        tried += 1
