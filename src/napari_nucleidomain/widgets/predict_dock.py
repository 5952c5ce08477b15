"""The Predict dock: model, place, button, nuclei."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog, QFormLayout, QLabel, QWidget

from napari_nucleidomain.contracts import NucleiError, WritesOutside
from napari_nucleidomain.contracts.events import whole_percent

from .ask_outside import ask_outside
from .bars import Bar
from .combos import Combo
from .devices import devices
from .dock import Dock, open_dock
from .export import SAVE_FILTERS, save_labels
from .folding import Fold
from .images_correct import correct
from .inline import Inline, WhyButton, row
from .newest import Newest
from .predict_after import AfterPredict, default_name
from .predict_faint import FaintChoice
from .predict_job import make_job
from .predict_left import LeftOver
from .predict_models import CLASSICAL, ModelPicker
from .predict_run import Outcome, Prediction, warm_worker, worker_of
from .predict_scale import ScalePicker
from .predict_space import too_little
from .predict_turn import Turn
from .predict_where import WherePicker
from .run_follow import training_follower
from .synthesis_panel import SynthesisPanel
from .wording import count, duration

if TYPE_CHECKING:
    import napari

    from napari_nucleidomain.runs.folder import RunFolder
    from napari_nucleidomain.runs.job import PredictJob

_SHOWN_PROBLEMS = 4


class PredictDock(Dock):
    """Find nuclei with a model.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Given by napari.
    """

    which = "predict"

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(napari_viewer)
        self.prediction = Prediction(self.session)
        self.training = training_follower(self.session)
        self._background = Newest(self)
        self._warmed: tuple[str, str] | None = None
        self._build()
        self.turn = Turn(self.training, self.message, self)
        self.left = LeftOver(self.session, self.message, self._go_on)
        self._connect()
        self._model_chosen()
        self.models.refresh()
        self.refresh()

    def _build(self) -> None:
        self.models = ModelPicker(self.session)
        self.where = WherePicker(self.session)
        self.faint = FaintChoice(self.session, self.where, self.prediction)
        self.scale = ScalePicker(self.session)
        self.find = WhyButton("Find nuclei", "Segment; tiles appear as they are done.")
        self.find.setMinimumHeight(34)
        self.misfit = QLabel()
        self.misfit.setWordWrap(True)
        self.stop = WhyButton("Stop and keep what is done", "End now; what is on screen stays.")
        self.bar = Bar()
        self.bar.setRange(0, 1000)
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.working = QWidget()
        inner = QFormLayout(self.working)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addRow(self.bar)
        inner.addRow(self.words)
        inner.addRow(self.stop)
        self.working.setVisible(False)
        self.message = Inline()
        self.after = AfterPredict(self.session)
        self.device = Combo()
        for value, words in devices():
            self.device.addItem(words, value)
        self.advanced = Fold("Advanced", remember="predict/advanced")
        runs_on = QWidget()
        runs_on.setLayout(row(QLabel("Runs on"), self.device, stretch=1))
        self.advanced.add(runs_on)
        self.synthesis = SynthesisPanel(self.session, self.training, lambda: str(self.device.currentData()))
        for widget in (
            self.models,
            self.faint,
            self.where,
            self.scale,
            self.find,
            self.misfit,
            self.working,
            self.message,
            self.after,
            self.synthesis,
            self.advanced,
        ):
            self.body.addWidget(widget)
        self.body.addStretch(1)

    def _connect(self) -> None:
        session = self.session
        self.models.chosen.connect(self._model_chosen)
        session.model_changed.connect(self._model_chosen)
        session.current_changed.connect(self.refresh)
        session.entry_changed.connect(self.refresh)
        session.read_only_changed.connect(self.refresh)
        session.project_changed.connect(self.left.look)
        session.run_changed.connect(lambda *_: self.models.refresh())
        ndisplay = session.viewer.dims.events.ndisplay
        ndisplay.connect(self.refresh)
        session.closing.connect(lambda: ndisplay.disconnect(self.refresh))
        session.closing.connect(self._close_down)
        self.where.changed.connect(self.refresh)
        self.find.clicked.connect(self.start)
        self.stop.clicked.connect(self._stop)
        for message in (self.message, self.models.message, self.faint.message, self.synthesis.message):
            message.said.connect(self._reveal_message)
        self.prediction.began.connect(self._began)
        self.prediction.progressed.connect(self._progressed)
        self.prediction.warned.connect(self._warned)
        self.prediction.ended.connect(self._ended)
        self.prediction.failed.connect(self._failed)
        self.training.ended.connect(lambda *_: self.models.refresh())
        self.training.state_changed.connect(self.refresh)
        self.after.review_asked.connect(lambda: open_dock(session, "review"))
        self.after.save_asked.connect(self._ask_save)

    def showEvent(self, event: Any) -> None:
        """Qt's hook: the process that predicts is started ahead, so that the button answers at once."""
        super().showEvent(event)
        self.models.refresh()
        self._warm()
        self.left.look_once()

    # ---- choosing

    def refresh(self, *_: Any) -> None:
        """Allow the button, or say why not."""
        busy = self.prediction.busy
        locked = self.session.read_only
        misfit = "" if busy else self._misfit()
        why = "It is at work." if busy else locked.message if locked else misfit or self.where.why_not()
        self.after.serve(self.models.model, busy=busy)
        self.synthesis.serve(self.models.model, self.models.model_card)
        card = self.models.model_card
        self.where.tell_depth(card.ndim if card is not None else None)
        self.find.setVisible(not busy)
        self.find.allow(why)
        told = misfit or ("" if busy else self.models.unlike(card))
        self.misfit.setVisible(bool(told))
        self.misfit.setText(f"⚠ {told}")

    def _misfit(self) -> str:
        """Why this model will not do for the current image; asked before the run is, so that no time is lost."""
        card, entry = self.models.model_card, self.session.current
        if missing := self.models.why_not(card):
            return missing
        if card is None or entry is None or entry.image is None or self.where.where in ("ticked", "folder"):
            return ""
        if card.channels and entry.image.n_channels != card.channels:
            have = count(entry.image.n_channels, "channel")
            return (
                f"{entry.name} has {have}, the model was trained on {card.channels}. "
                "Choose the channel in Images, or another model."
            )
        if card.ndim > len(entry.image.spatial_shape):
            return "The model works on volumes and this is a flat image."
        return ""

    def _reveal_message(self, message: Inline) -> None:
        if self.isVisible():
            self.reveal(message)

    def _model_chosen(self, *_: Any) -> None:
        self.scale.show_card(self.models.model_card)
        self.faint.setVisible(self.models.model == CLASSICAL)
        self.refresh()
        if self.isVisible():
            self._warm()

    def _warm(self) -> None:
        wanted = (self.models.model, str(self.device.currentData()))
        if self._warmed == wanted or self.turn.training_alive:
            return
        self._warmed = wanted
        try:
            project = self.session.project
        except NucleiError as error:
            self.message.say_error(error)
            return
        # In a thread: what it imports would hold the viewer up for a moment.
        self._background.run("warm", warm_worker, project, *wanted, done=lambda _: None, failed=self.message.say_error)

    # ---- running

    def start(self) -> None:
        """Find nuclei where it was chosen; a training that holds the device is asked about first."""
        if not self.find.isEnabled() or self.prediction.busy:
            return
        card = self.models.model_card
        try:
            # Made now: a training that ends meanwhile makes its model the chosen one.
            job = self._job()
        except NucleiError as error:
            self.message.say_error(error)
            return
        if job is not None:
            self.turn.take(
                lambda: self._hand_over(job),
                f"Nuclei are found with {'the classical method' if card is None else Path(self.models.model).name}",
                on_processor=card is None or self.device.currentData() == "cpu",
            )

    def _job(self) -> PredictJob | None:
        """What is chosen now; None where the disk is too small and that is asked about."""
        card = self.models.model_card
        target = self.where.target(card.ndim if card is not None else self._classical_ndim())
        little = "" if self._little_disk_told else too_little(self.session, target)
        if little:
            self._ask_about_disk(little)
            return None
        self._little_disk_told = False
        return make_job(
            self.session.project,
            target,
            model=self.models.model,
            device=str(self.device.currentData()),
            pixel_size_um=None if card is None else self.scale.pixel_size_um,
            diameter_px=None if card is None else self.scale.diameter_px,
            settings=self.faint.settings if card is None else None,
        )

    def _hand_over(self, job: PredictJob) -> None:
        try:
            self.prediction.start(job)
        except NucleiError as error:
            self.message.say_error(error)
            self.turn.done()

    _little_disk_told = False

    def _ask_about_disk(self, little: str) -> None:
        def go() -> None:
            self._little_disk_told = True
            self.start()

        self.message.say(
            "warning",
            little,
            "Free some first (Images > Disk use and clean-up), or look at a part of the image.",
            Find_all_the_same=go,
            Leave_it=self.message.clear,
        )

    def _classical_ndim(self) -> int:
        entry = self.session.current
        return len(entry.image.spatial_shape) if entry is not None and entry.image is not None else 2

    def _began(self) -> None:
        self.message.clear()
        self.bar.setRange(0, 0)
        self.words.setText("Getting ready …")
        self.working.setVisible(True)
        self.refresh()

    def _progressed(self) -> None:
        story = self.prediction.follower.story
        progress = story.progress
        if progress is None:
            return
        self.bar.setRange(0, 1000)
        self.bar.setValue(round(1000 * progress.overall))
        self.bar.setFormat(f"{whole_percent(progress.overall)} %")
        parts = [f"{progress.step:,} of {progress.total:,} tiles"] if progress.total else []
        if story.stage_count > 1:
            parts.insert(0, f"image {story.stage_index + 1} of {story.stage_count}: {story.stage}")
        if progress.eta is not None and progress.eta >= 2:
            parts.append(f"{duration(progress.eta)} left")
        self.words.setText(" · ".join(parts))

    def _stop(self) -> None:
        try:
            self.prediction.stop()
        except NucleiError as error:
            self.message.say_error(error)
            return
        self.words.setText("Stopping …")

    def _warned(self, event: Any) -> None:
        if event.kind == "warning":
            self.message.say("warning", event.message, event.hint, **self._answers(event.message))

    def _answers(self, message: str) -> dict[str, Any]:
        """What can be done at once about a volume that does not say how far its planes are apart."""
        entry = self.session.current
        asked = entry.image.questions if entry is not None and entry.image is not None else []
        if entry is None or not any(one.topic == "pixel_size" and one.text in message for one in asked):
            return {}

        def go_on() -> None:
            self.message.clear()
            correct(self, self.session, entry, {"cubic": True}, self.message.say_error)

        return {"Enter it": lambda: open_dock(self.session, "images"), "Go on": go_on}

    def _ended(self, outcome: Outcome) -> None:
        self._over()
        number = sum(one.nuclei for one in outcome.results)
        if outcome.problems:
            shown = "\n".join(f"{Path(name).name}: {text}" for name, text in outcome.problems[:_SHOWN_PROBLEMS])
            more = len(outcome.problems) - _SHOWN_PROBLEMS
            said = (
                f"{len(outcome.problems)} of {len(outcome.problems) + len(outcome.results)} images could not be used."
            )
            self.message.say("warning", said, shown + (f"\n… and {more} more" if more > 0 else ""))
        elif outcome.stopped:
            self._say_stopped(outcome)
        elif len(outcome.results) > 1:
            images = count(len(outcome.results), "image")
            self.message.say("ok", f"{images}: {count(number, 'nucleus', 'nuclei')}.", self._where_kept(outcome))

    def _say_stopped(self, outcome: Outcome) -> None:
        self.message.say("info", "Stopped. What is on screen stays.", Go_on=lambda: self._go_on(outcome.run))

    def _go_on(self, run: RunFolder | None) -> None:
        try:
            if run is not None and not self.prediction.busy:
                self.prediction.go_on(run)
        except WritesOutside as error:
            assert run is not None
            ask_outside(self.message, run, error, lambda: self._go_on(run))
        except NucleiError as error:
            self.message.say_error(error)

    @staticmethod
    def _where_kept(outcome: Outcome) -> str:
        job: Any = outcome.results[0].run.job
        return f"Written to {job.out}" if job.out else "Choose an image in Images and look at it in Review."

    def _failed(self, error: NucleiError, log: str) -> None:
        self._over()
        self.message.say_error(error, details=log)

    def _over(self) -> None:
        self.working.setVisible(False)
        self.refresh()
        self.turn.done()

    # ---- keeping

    def _ask_save(self) -> None:
        result = self.after.result
        if result is None:
            return
        name = str(default_name(self.session, result, ".tif"))
        file, _ = QFileDialog.getSaveFileName(self, "Save the outlines as", name, SAVE_FILTERS)
        if file:
            self.save(Path(file))

    def save(self, file: Path) -> None:
        """Write the result shown to a file; the format is what its name asks for."""
        result = self.after.result
        if result is None:
            return
        self._background.run(
            "save",
            save_labels,
            result.snapshot(),
            file,
            done=lambda path: self.message.say("ok", f"Written: {path}"),
            failed=self.message.say_error,
        )

    def _close_down(self) -> None:
        self._background.close()
        self.turn.close()
        if self._warmed is not None:
            try:
                worker_of(self.session.project).close()
            except NucleiError:
                # It ends by itself when it has been idle for a while.
                return
