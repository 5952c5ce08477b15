"""The lower half of the Train dock: what the training does now, how good it is, and how it ended."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget
from superqt import QFlowLayout

from napari_nucleidomain.contracts import ModelCard, NucleiError, load_card, methods
from napari_nucleidomain.contracts.events import (
    CHECKS,
    OWN,
    Acknowledged,
    Failed,
    Finished,
    ModelReady,
    Stopped,
    Warned,
    whole_percent,
)

from .bars import Bar
from .folding import Fold
from .inline import Inline, WhyButton
from .plots import CurvePlot
from .predict_models import CLASSICAL
from .run_story import RunStory
from .train_words import (
    CONSISTENCY,
    consistency_sentence,
    device_words,
    log_tail,
    loss_words,
    own_sentence,
    quality_sentence,
    quality_words,
    stage_words,
)
from .wording import checked_sentence, clock, count, duration

if TYPE_CHECKING:
    from .run_follow import RunFollower

_QUALITY_COMES = "Quality on what was kept back comes here."
_CONSISTENCY_COMES = "How consistent it is with itself comes here: there is no label to check it by."
_CONSISTENT_ONLY = "That is how consistent it is with itself; without labels no more can be told. Look at results."
_SHARES = ("points_f1", "points_precision", "points_recall", "outlines_f1", "outlines_aji")


class TrainProgress(QWidget):
    """Bars, plots, buttons and messages of the training that is followed.

    Signals
    -------
    resume_asked(object), predict_asked(str), goto(str), look_asked()
        [Resume] of a run; [Predict with it] of a model's folder; a dock; [Click where it is least sure].
    preview_toggled(bool), before_toggled(bool)
        Show previews on the image or not; what the model found that the training goes on from, instead.
    """

    resume_asked = Signal(object)
    predict_asked = Signal(str)
    goto = Signal(str)
    preview_toggled = Signal(bool)
    before_toggled = Signal(bool)

    def __init__(self, follower: RunFollower, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._follower = follower
        self._paused_since: float | None = None
        self._build()
        follower.begun.connect(self._forget)
        follower.progressed.connect(self._show_progress)
        follower.measured.connect(self._show_curves)
        follower.told.connect(self._hear)
        follower.ended.connect(self._show_end)
        follower.state_changed.connect(self.show_state)
        self.show_state("")

    def _build(self) -> None:
        self.title = QLabel()
        self.title.setWordWrap(True)
        self.stage_bar = Bar()
        self.stage_bar.setTextVisible(True)
        self.bar = Bar()
        self.bar.setRange(0, 1000)
        for bar in (self.stage_bar, self.bar):
            bar.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.when = QLabel()
        self.when.setWordWrap(True)
        self._build_buttons()
        self._build_preview()
        self.sentence = QLabel()
        self.sentence.setWordWrap(True)
        self.quality = CurvePlot(_QUALITY_COMES, floor=0.0, ceiling=1.0)
        self.quality.setMinimumHeight(130)
        self.losses = CurvePlot("Losses come here.")
        self.loss_fold = Fold("Losses", remember="train/losses")
        self.loss_fold.add(self.losses)
        self.loss_fold.opened.connect(self._show_curves)
        self.warning = Inline()
        self.message = Inline()
        self.running = QWidget()
        inner = QVBoxLayout(self.running)
        inner.setContentsMargins(0, 0, 0, 0)
        for widget in (
            self.title,
            self.stage_bar,
            self.bar,
            self.when,
            self.buttons,
            self.see,
            self.see_words,
            self.warning,
        ):
            inner.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.running, self.before, self.message, self.sentence, self.quality, self.loss_fold):
            layout.addWidget(widget)

    def _build_buttons(self) -> None:
        self.pause = WhyButton("Pause", "Hold on; the processor is free for other things. Nothing is lost.")
        self.stop = WhyButton("Stop and keep", "End now and keep the model as it is.")
        self.use_now = WhyButton(
            "Use what there is now", "Make a model of the present state and go on, or stay paused."
        )
        self.resume = WhyButton("Resume", "Go on where it was.")
        self.buttons = QWidget()
        flow = QFlowLayout(self.buttons)
        flow.setContentsMargins(0, 0, 0, 0)
        for button in (self.pause, self.resume, self.stop, self.use_now):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            flow.addWidget(button)
        self.pause.clicked.connect(lambda: self._ask("pause"))
        self.stop.clicked.connect(lambda: self._ask("stop"))
        self.use_now.clicked.connect(lambda: self._ask("use_now"))
        self.resume.clicked.connect(self._resume)

    def _build_preview(self) -> None:
        self.see = QCheckBox("Show the preview on the image")
        self.see.setChecked(True)
        self.see.toggled.connect(self.preview_toggled)
        self.before = QCheckBox()
        self.before.setToolTip("The model that this training goes on from, on the same part of the image.")
        self.before.toggled.connect(self.before_toggled)
        self.before.setVisible(False)
        self.see_words = QLabel(
            "The coloured patch is what the model would find now, in the middle of what you see: at most 384 × 384 px. "
            "The finished model finds nuclei in whole images."
        )
        self.see_words.setWordWrap(True)

    def offer_before(self, name: str) -> None:
        """Let the preview be changed for what this model found; "" where there is nothing to change to."""
        if not name:
            self.before.setChecked(False)
        self.before.setText(f"Before: what {name} found there")
        self.before.setVisible(bool(name))

    # ---- what it does now

    @property
    def _story(self) -> RunStory:
        return self._follower.story

    def show_state(self, state: str) -> None:
        """Show the buttons and messages that fit a run's state ("" for no run)."""
        alive = state in ("running", "paused", "waiting")
        self.running.setVisible(alive or state == "interrupted")
        self.pause.setVisible(state in ("running", "waiting"))
        self.resume.setVisible(state in ("paused", "interrupted"))
        self.stop.setVisible(alive)
        self.use_now.setVisible(state in ("running", "paused"))
        self.see.setVisible(alive)
        self.see_words.setVisible(alive)
        for plot in (self.quality, self.loss_fold):
            plot.setVisible(bool(state) and (alive or bool(self._story.series)))
        if state == "waiting":
            self.title.setText("Starting …")
            self.bar.setValue(0)
            self.stage_bar.setRange(0, 0)
            self.when.setText("")
        if state == "":
            self._forget()
        if alive:
            self.message.clear()
        self._show_progress()
        self._show_curves()
        if state == "interrupted":
            self._show_interrupted()
        elif not alive and self._story.end is not None:
            self._show_end(self._story.end)

    def _forget(self) -> None:
        """Nothing that was told or asked of a run before holds for another one."""
        self.message.clear()
        self.warning.clear()
        self.use_now.setProperty("asked", False)
        self.use_now.allow()

    def _show_progress(self) -> None:
        story = self._story
        progress = story.progress
        if self._follower.state == "waiting":
            return
        words = stage_words(story.stage)
        number = f"Step {story.stage_index + 1} of {story.stage_count}: " if story.stage_count > 1 else ""
        paused = " (paused)" if self._follower.state == "paused" else ""
        name = self._follower.run.job.name if self._follower.run is not None else ""
        self.title.setText(f"<b>{name}</b><br>{number}{words}{paused}" if words else "Starting …")
        if progress is None or progress.stage != story.stage:
            self.stage_bar.setRange(0, 0 if self._follower.state == "running" else 1)
        else:
            self.stage_bar.setRange(0, 1000)
            self.stage_bar.setValue(round(1000 * progress.fraction))
            total = f" of {progress.total:,}" if progress.total else ""
            self.stage_bar.setFormat(f"{progress.step:,}{total} steps")
        self.bar.setValue(round(1000 * story.overall))
        self.bar.setFormat(f"{whole_percent(story.overall)} % of the training")
        self.when.setText(self._when(story))

    def _when(self, story: RunStory) -> str:
        parts = []
        progress = story.progress
        if self._follower.state == "running" and progress is not None and progress.eta is not None:
            left = max(0.0, progress.time + progress.eta - time.time())
            parts.append(f"done about {clock(time.time() + left)}, in {duration(left)}")
        if story.device:
            parts.append(f"runs on {device_words(story.device)}")
        return " · ".join(parts)

    def _show_curves(self) -> None:
        story = self._story
        own = {name: words for name, words in CONSISTENCY.items() if name in story.latest_of(CONSISTENCY)}
        shown = {quality_words(name): name for name in _SHARES if name in story.checked}
        shown = shown or {words: name for name, words in own.items()}
        self.quality.say_empty(_CONSISTENCY_COMES if self._without_labels() else _QUALITY_COMES)
        self.quality.set_curves({words: story.whole(name) for words, name in shown.items()})
        if self.loss_fold.is_open():
            losses = story.curves((*CHECKS, OWN), beginning=False)
            self.losses.set_curves({loss_words(name): line for name, line in losses.items()})
        words = checked_sentence(story.checked)
        if words:
            self.sentence.setText(f"On what was kept back: <b>{words}</b>")
        else:
            told = consistency_sentence(story.latest_of(CONSISTENCY))
            self.sentence.setText(f"<b>{told}.</b> {_CONSISTENT_ONLY}" if told else "")
            words = told
        # At the end the message says it.
        self.sentence.setVisible(bool(words) and story.end is None)

    def _without_labels(self) -> bool:
        """Whether the method that is followed learns from images alone."""
        run = self._follower.run
        spec = methods().get(run.job.method) if run is not None else None
        return spec is not None and spec.needs == "nothing"

    def _hear(self, event: Any) -> None:
        if isinstance(event, Warned):
            more = len(self._story.warnings) - 1
            extra = f" (and {count(more, 'earlier message')})" if more > 0 else ""
            self.warning.say("warning", event.message + extra, event.hint)
        elif isinstance(event, ModelReady):
            run = self._follower.run
            folder = run.model_folder if run is not None else None
            if folder is not None and self.use_now.property("asked"):
                self.use_now.setProperty("asked", False)
                self.use_now.allow()
                goes = "stays paused" if self._follower.state == "paused" else "goes on"
                self.warning.say(
                    "ok",
                    f"A model of the present state is ready. The training {goes}.",
                    Predict_with_it=lambda: self.predict_asked.emit(str(folder)),
                )
        elif isinstance(event, Acknowledged) and event.request == "stop":
            self.title.setText("Stopping, keeping the model …")

    # ---- how it ended

    def _show_interrupted(self) -> None:
        share = f"at {whole_percent(self._story.overall)} % " if self._story.overall else ""
        self.title.setText("Interrupted")
        self.message.say(
            "warning",
            f"The training stopped {share}when the computer or the process went off. Nothing is lost.",
            Resume=self._resume,
        )

    def _show_end(self, event: Any) -> None:
        run = self._follower.run
        if run is None:
            return
        if isinstance(event, Failed):
            self.show_failure(event, run.log)
        elif isinstance(event, Finished):
            self._show_model("ok", event.summary, f"{run.job.name}: ", "trained")
        elif isinstance(event, Stopped):
            if event.model:
                self._show_model("ok", event.summary, f"{run.job.name}: ", "stopped, the model so far is kept")
            else:
                self.message.say("info", "Stopped before there was a model.", Resume=self._resume)

    def _show_model(self, level: Any, summary: dict[str, Any], name: str, fallback: str) -> None:
        run = self._follower.run
        folder = summary.get("published") or (str(run.model_folder) if run is not None else "")
        card = _card(folder)
        words = quality_sentence(card, summary.get("checked") or self._story.checked) or fallback
        took = f" {duration(summary['seconds'])} of training." if summary.get("seconds") else ""
        # Whether the classical method does no worse on the same, or that it is too little to tell.
        verdict, caution = (card.verdict(), card.caution()) if card is not None else ("", "")
        own = own_sentence(card, summary.get("checked") or self._story.latest_of(CONSISTENCY))
        doubts = card.doubts() if card is not None else []
        self.message.say(
            "warning" if doubts else level,
            f"{name}{words}.{took}",
            "\n".join(line for line in (compared(card), verdict, caution, own and f"{own}.", *doubts) if line),
            Predict_with_it=lambda: self.predict_asked.emit(str(folder)),
            **({"Use_the_classical_method": lambda: self.predict_asked.emit(CLASSICAL)} if verdict else {}),
            **({"Resume": self._resume} if isinstance(self._story.end, Stopped) else {}),
        )

    def show_failure(self, event: Failed, log: Path) -> None:
        """One sentence, what to do, and [Copy report] with the end of the log."""
        actions: dict[str, Any] = {}
        if "click" in event.message.lower():
            actions["Back_to_Points"] = lambda: self.goto.emit("points")
        run = self._follower.run
        if run is not None and run.has_checkpoint:
            # The disk was full, say: what was learned so far is there.
            actions["Resume"] = self._resume
        self.message.say_error(event.message, event.hint, log_tail(log), **actions)

    # ---- asking

    def _ask(self, what: Any) -> None:
        run = self._follower.run
        if run is None:
            return
        try:
            run.request(what)
        except NucleiError as error:
            self.message.say_error(error)
            return
        if what == "use_now":
            self.use_now.setProperty("asked", True)
            self.use_now.allow("It is being made; this takes some seconds.")
        elif what == "stop":
            self.title.setText("Asked to stop …")

    def _resume(self) -> None:
        if self._follower.state == "paused":
            self._ask("resume")
        elif self._follower.run is not None:
            self.resume_asked.emit(self._follower.run)


def _card(folder: str) -> ModelCard | None:
    try:
        return load_card(folder) if folder else None
    except NucleiError:
        # The model was removed since; its scores are told from the events.
        return None


def compared(card: ModelCard | None) -> str:
    """How the model it was continued from does on the same clicks or outlines; "" where nothing was continued."""
    old = {score.name: score.value for score in card.before} if card is not None else {}
    both = [score for score in card.scores if score.name in old] if card is not None else []
    if card is None or not both:
        return ""
    return f"{quality_words(both[0].name)} {both[0].value:.2f}; {card.parent} has {old[both[0].name]:.2f} on the same."
