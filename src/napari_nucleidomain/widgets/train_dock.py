"""The Train dock: from clicks to a model, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QFileDialog, QLabel

from napari_nucleidomain.contracts import NucleiError, WritesOutside

from .ask_outside import ask_outside
from .devices import all_cards
from .dock import Dock, open_dock
from .inline import Inline, WhyButton
from .newest import Newest
from .preview import LivePreview
from .run_follow import training_follower
from .theme import text_colour
from .told import mark_told
from .train_ask import AskImages
from .train_checklist import Check, check_data, likely_method, questions, stops
from .train_choices import Planned, TrainChoices
from .train_forecast import TrainForecast
from .train_kept import KeptChoices
from .train_past import PastTrainings
from .train_portable import PortableJob
from .train_progress import TrainProgress
from .train_question import QuestionPanel
from .train_sizes import FIELD, TrainSizes
from .train_start import begin, device_in_doubt, draw_area, go_on, in_the_way, look_round

if TYPE_CHECKING:
    import napari

    from napari_nucleidomain.runs.folder import RunFolder
    from napari_nucleidomain.runs.store import StoredModel

    from .entry import ImageEntry

_ALIVE = ("running", "paused", "waiting")
_DOUBLE_CLICK_MS = 500


class TrainDock(Dock):
    """Train a model on what was clicked, watch it learn, keep it.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Given by napari.
    """

    which = "train"

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(napari_viewer)
        self.follower = training_follower(self.session)
        self._background = Newest(self)
        self._models: list[StoredModel] = []
        self._asking: set[str] = set()
        self._build()
        self.forecast = TrainForecast(self.session, self.choices)
        self.kept = KeptChoices(self.session, self.sizes, self.choices)
        self._portable = PortableJob(self, self.message)
        self._connect()
        self._just_opened = QTimer(self)
        self._just_opened.setSingleShot(True)
        self._just_opened.setInterval(_DOUBLE_CLICK_MS)
        self._refresh_soon = QTimer(self)
        self._refresh_soon.setSingleShot(True)
        self._refresh_soon.setInterval(150)
        self._refresh_soon.timeout.connect(self.refresh)
        self.refresh()
        self._look_round()

    # ---- making

    def _build(self) -> None:
        self.choices = TrainChoices()
        self.sizes = TrainSizes(self.session)
        self.choices.more = self.sizes.changes  # type: ignore[method-assign]
        self.checklist = QLabel()
        self.checklist.setWordWrap(True)
        self.checklist.setTextFormat(Qt.TextFormat.RichText)
        self.checklist.linkActivated.connect(self._link)
        self.ask = AskImages(self.session)
        self.question = Inline()
        self.train = WhyButton("Train", "Start. You can go on working; it runs beside the viewer.")
        self.train.setMinimumHeight(34)
        self.message = Inline()
        self.progress = TrainProgress(self.follower)
        self.preview = LivePreview(self.session, self.follower)
        self.asks = QuestionPanel(self.session, self.follower)
        self.past = PastTrainings()
        parts = (
            # On top: how a training ended is what one comes back for.
            self.progress.message,
            self.asks,
            self.choices,
            self.checklist,
            self.progress,
            self.past,
            self.choices.advanced,
        )
        for widget in parts:
            self.body.addWidget(widget)
        for widget in (self.ask, self.sizes):
            self.choices.first.addWidget(widget)
        self.body.addStretch(1)
        # Always in sight: with the choices and the list of checks the dock is longer than a small screen.
        for widget in (self.message, self.question, self.train):
            self.footer.addWidget(widget)

    def _connect(self) -> None:
        session = self.session
        for signal in (session.images_changed, session.entry_changed, session.project_changed):
            signal.connect(self._changed)
        session.closing.connect(self._close_down)
        session.run_changed.connect(self._changed)
        session.read_only_changed.connect(self._changed)
        self.choices.changed.connect(self._changed)
        self.sizes.changed.connect(self.choices.changed)
        self.ask.clicks_wanted.connect(self._click_instead)
        self.asks.adjust_wanted.connect(self._adjust)
        self.asks.asked.connect(lambda _: self.reveal(self.asks))
        self.choices.have.currentIndexChanged.connect(self._offer_models)
        self.train.clicked.connect(self._pressed)
        self.choices.cluster.clicked.connect(self._ask_cluster_folder)
        self.follower.state_changed.connect(self._state_changed)
        self.follower.ended.connect(self._ended)
        self.progress.resume_asked.connect(self.resume)
        self.progress.predict_asked.connect(self._predict_with)
        self.progress.goto.connect(self._goto)
        self.progress.preview_toggled.connect(lambda on: setattr(self.preview, "on", on))
        self.progress.before_toggled.connect(lambda on: setattr(self.preview, "before", on))
        self.preview.before_known.connect(self.progress.offer_before)
        self.past.watch.connect(self._watch)
        self.past.resume.connect(self.resume)
        self.past.repeat.connect(self._repeat)
        self.past.continue_from.connect(self.choices.continue_from)
        self.past.predict.connect(self._predict_with)
        self.past.listed.connect(self._tell_ready)
        session.project_changed.connect(self._project_opened)

    def showEvent(self, event: Any) -> None:
        """Qt's hook: look again at what changed while the dock was behind others."""
        super().showEvent(event)
        self._changed()
        if self._told_line and self.session.training_line == self._told_line:
            # Here it is told in full.
            self.session.tell_training("")

    # For the headers: what is to be told as soon as its run has been read, and what was.
    _line = _told_line = ""

    def _close_down(self) -> None:
        self._refresh_soon.stop()
        self._just_opened.stop()
        self._background.close()
        self.past.close_down()

    # ---- what there is

    def _changed(self, *_: Any) -> None:
        self._refresh_soon.start()

    def _project_opened(self, *_: Any) -> None:
        """Another project: what was told of the one before goes, and what this one has is looked up."""
        self._line = self._told_line = ""
        self._models, self._free_name, self._wanted, self._adjusted = [], "model", None, None
        self._asking.clear()
        self.message.clear()
        self.question.clear()
        self.kept.show()
        self._offer_models()
        self._look_round()

    def _look_round(self, *_: Any) -> None:
        """Find models, and a training that still runs or was interrupted, without holding the viewer up."""
        try:
            project = self.session.project
        except NucleiError as error:
            self.message.say_error(error)
            return
        self._background.run("cards", all_cards, done=self.choices.offer_cards, failed=self.message.say_error)
        self._background.run(
            "round", look_round, project, self.session.run is None, done=self._found, failed=self.message.say_error
        )
        self.past.refresh(project)

    def _found(self, found: tuple[list[StoredModel], str, RunFolder | None]) -> None:
        self._models, name, run = found
        self._free_name = name
        self._offer_models()
        if run is not None and self.session.run is None:
            self.session.run = run

    _free_name = "model"
    _wanted: Path | None = None

    def continue_from(self, folder: Path) -> None:
        """Choose a model to train on from, once it is found among the project's."""
        self._wanted = folder
        self._look_round()

    def _offer_models(self, *_: Any) -> None:
        channels = {entry.image.n_channels for entry in self.session.images if entry.image is not None}
        fitting = [model for model in self._models if not channels or model.card.channels in channels]
        self.choices.show_models(fitting, self._free_name)
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            self.choices.continue_from(wanted)

    def refresh(self) -> None:
        """Look again at what the data offers, and say what keeps [Train] from starting."""
        self.choices.suggest(self.past.method or likely_method(self.session.images, self.choices.specs))
        spec = self.choices.spec
        checks = check_data(self.session.images, spec.needs) if spec is not None else []
        planned = self.choices.planned()
        if self._has_sizes():
            self.sizes.show_usual(self.choices.preset_values())
            if wrong := self.sizes.problem():
                checks.append(Check("stop", wrong))
        little_disk = self.forecast.low_disk(planned)
        if little_disk:
            checks.append(Check("warning", little_disk, "images"))
        self.checks = checks
        self._list_checks()
        self.ask.show_checks(checks, spec.needs if spec is not None else "")
        self.train.setText(f"Train{self.forecast.button_words(planned)}")
        stop = stops(checks)
        busy = self.follower.state in _ALIVE and self.follower.run is not None
        why = "A training is running; stop it or wait." if busy else self.choices.problem()
        locked = self.session.read_only
        why = why or (locked.message if locked is not None else "")
        self.past.lock(locked.message if locked is not None else "")
        self.train.allow(why or (stop.text if stop is not None else ""))
        # While it runs its bars and curves are what counts; the choices come back when it is over.
        for widget in (self.choices, self.checklist, self.ask, self.train, self.question):
            widget.setVisible(not busy and (widget is not self.question or bool(self.question.text())))
        self.sizes.setVisible(not busy and self._has_sizes())
        if busy or not self._has_sizes():
            self.sizes.leave()

    def _has_sizes(self) -> bool:
        """Whether the method wants to know how large nuclei are."""
        spec = self.choices.spec
        return spec is not None and FIELD in spec.config.model_fields

    def _link(self, target: str) -> None:
        self._goto(target)

    def _click_instead(self) -> None:
        """Images that cannot be learned from as they are: the method for clicks, and where to click."""
        self.choices.choose_needs("points")
        self._goto("points")

    def _repeat(self, run: RunFolder) -> None:
        """Choose what an earlier training was told, and the size of nuclei it was told."""
        self.choices.repeat(run.job)
        if self._has_sizes():
            self.sizes.set_diameter(run.job.config.get(FIELD))

    _adjusted: RunFolder | None = None

    def _adjust(self, run: RunFolder) -> None:
        """What it makes of the images does not look right: its settings again, as soon as it has stopped."""
        self._adjusted = run
        self._adjust_when_over()

    def _adjust_when_over(self) -> None:
        run = self._adjusted
        if run is None or self.follower.run is None or self.follower.run.path != run.path:
            self._adjusted = None
            return
        if self.follower.state in _ALIVE:
            return
        self._adjusted = None
        question = self.follower.story.question
        self._repeat(run)
        if self._has_sizes() and self.sizes.diameter_px is None and question is not None:
            # What the run had estimated is what is to be changed.
            self.sizes.set_diameter(question.taken.get(FIELD))
        if run.job.minutes:
            self.choices.limit_to(run.job.minutes)
        self.refresh()
        self.reveal(self.sizes)

    # ---- starting

    def hold_off(self) -> None:
        """Brought to the front by a button elsewhere: the second click of a double click begins no training."""
        self._just_opened.start()

    def _pressed(self) -> None:
        if not self._just_opened.isActive():
            self.start()

    def start(self) -> None:
        """Begin the training that was chosen, after asking what must be asked."""
        planned = self.choices.planned()
        self.refresh()
        if planned is None or not self.train.isEnabled():
            return
        open_questions = [one for one in questions(self.checks) if one not in self._asking]
        if open_questions:
            self._ask_about(open_questions, planned)
            return
        self.question.clear()
        self._begin(planned)

    def _ask_about(self, ids: list[str], planned: Planned) -> None:
        asked = [entry for entry in self.session.images if entry.id in ids]
        drawn = [entry for entry in asked if entry.regions]
        if drawn:
            # One question at a time: about what was drawn, then about what was not.
            here = [entry.id for entry in drawn]
            self.question.say(
                "warning",
                f"Is every nucleus inside the regions of {_names(drawn)} clicked? "
                "What lies between the clicks there is taken for background.",
                **{"Yes, train": lambda: self._accept_areas(here)},
                Train_anyway=lambda: self._train_anyway(here),
                Back_to_Points=lambda: self._goto("points"),
            )
            self._list_checks()
            return
        self.question.say(
            "warning",
            f"No region is drawn on {_names(asked)}. Only the area round the clicks will be used: "
            "is every nucleus in it clicked?",
            **{
                "Yes, train": lambda: self._accept_areas(ids),
                "Yes, and in the whole image": lambda: self._accept_areas(ids, whole=True),
            },
            Show_the_area=lambda: self._draw_areas(ids),
        )
        self._list_checks()

    def _list_checks(self) -> None:
        """Show the list, without what the question below asks just now."""
        asking = bool(self.question.text())
        self.checklist.setText("<br>".join(_line(check) for check in self.checks if not (check.ask and asking)))

    def _accept_areas(self, ids: list[str], *, whole: bool = False) -> None:
        """The person says that the clicks are complete: where no area is drawn one becomes a region, once for all."""
        self._draw_areas(ids, complete=True, whole=whole)
        self.question.clear()
        self.start()

    def _train_anyway(self, ids: list[str]) -> None:
        """Nothing is said about the clicks; it is not asked again."""
        self._asking.update(ids)
        self.question.clear()
        self.start()

    def _draw_areas(self, ids: list[str], *, complete: bool = False, whole: bool = False) -> None:
        for entry in self.session.images:
            if entry.id in ids:
                draw_area(self.session, entry, whole=whole)
                if complete:
                    self.session.touch(entry, "regions", complete=True)
        if not complete:
            self._asking.update(ids)
            self.question.say("info", "The area is drawn. Correct it in Points if need be, then press Train.")
            self._goto("points")

    def _begin(self, planned: Planned, *, beside: bool = False) -> None:
        try:
            holder = None if beside else in_the_way()
            run = begin(self.session, planned) if holder is None else None
        except NucleiError as error:
            self.message.say_error(error)
            return
        if run is None or holder is not None:
            self._say_busy(holder, lambda: self._begin(planned, beside=True))
            return
        self.message.clear()
        self.sizes.leave()
        self.session.run = run

    def _ask_cluster_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "An empty folder for the job")
        planned = self.choices.planned()
        if folder and planned is not None:
            self._portable.ask(planned, Path(folder))

    def _say_busy(self, holder: Any, beside: Callable[[], None]) -> None:
        """Another training has the device: one of this project can be watched, and both can be had."""
        from napari_nucleidomain.runs.folder import RunFolder

        actions: dict[str, Callable[[], None]] = {"Train beside it": beside}
        run = RunFolder(holder.run)
        if run.path.parent == self.session.project.runs_folder:
            actions = {"Watch it": lambda: self._watch(run), **actions}
        self.message.say(
            "warning",
            f"{holder.sentence()}.",
            "One training at a time is the rule: two are both slower, and a graphics card may not hold both.",
            **actions,
        )

    def resume(self, run: RunFolder, *, beside: bool = False, device: str = "") -> None:
        """Go on with a training that was stopped or interrupted; `device` answers what may have to be asked first."""
        try:
            self.session.refuse_if_read_only()
            holder = None if beside else in_the_way(run)
            if holder is not None:
                self._say_busy(holder, lambda: self.resume(run, beside=True, device=device))
                return
            chosen = device or str(self.choices.device.currentData())
            if not device and device_in_doubt(run, chosen):
                self._ask_device(run, chosen, beside)
                return
            go_on(run, chosen)
        except WritesOutside as error:
            ask_outside(self.message, run, error, lambda: self.resume(run, beside=beside, device=device))
            return
        except NucleiError as error:
            self.message.say_error(error)
            return
        self.message.clear()
        self.session.run = run
        # Its process takes a moment to come: until then the run looks as it ended before.
        self.follower.follow(run, again=True)

    def _ask_device(self, run: RunFolder, chosen: str, beside: bool) -> None:
        """On the cards it was on, or on what is chosen now."""
        before, words = run.job.device, self.choices.device.currentText()
        self.message.say(
            "info",
            f"{run.name} was on several devices ({before}); now “{words}” is chosen under Runs on.",
            "What is learned is the same.",
            **{
                "Go on as chosen": lambda: self.resume(run, beside=beside, device=chosen),
                "Go on as before": lambda: self.resume(run, beside=beside, device=before),
            },
        )

    def _watch(self, run: RunFolder) -> None:
        if self.follower.state in _ALIVE and self.follower.run is not None and self.follower.run.path != run.path:
            self.message.say("info", "A training is running; its curves stay in view until it ends.")
            return
        self.session.run = run

    # ---- ends

    def _state_changed(self, state: str) -> None:
        self.refresh()
        if self._line and state and state not in _ALIVE:
            self._told_line, self._line = self._line, ""
            self.session.tell_training(self._told_line)
        if state in ("finished", "stopped", "failed", "interrupted"):
            self._look_round()
            self.forecast.look()
        self._adjust_when_over()

    def _ended(self, event: Any) -> None:
        """A good end makes the new model the chosen one; after a failure the old one stays."""
        folder = getattr(event, "summary", {}).get("published")
        mark_told(self.follower.run)
        self.reveal(self.progress.message)
        if folder and Path(folder).exists():
            self.session.model = str(folder)

    def _tell_ready(self) -> None:
        """What ended while napari was closed is told as if it had been watched, and in every dock's header."""
        past = self.past.newly_ended() if self.session.run is None else None
        if past is None:
            return
        ready = past.state != "failed" and past.model is not None
        self._line = f"{past.name} is ready" if ready else f"{past.name}: the training ended"
        self.session.run = past.run
        self.reveal(self.progress.message)

    def _predict_with(self, folder: str) -> None:
        self.session.model = folder
        self._goto("predict")

    def _goto(self, dock: str) -> None:
        open_dock(self.session, dock)


def _names(entries: list[ImageEntry]) -> str:
    """Up to three names."""
    more = f" and {len(entries) - 3} more" if len(entries) > 3 else ""
    return ", ".join(entry.name for entry in entries[:3]) + more


def _line(check: Check) -> str:
    from html import escape

    names = {"points": "Points", "images": "Images"}
    colour = text_colour("link").name()
    link = f' <a href="{check.goto}" style="color: {colour}">{names[check.goto]}</a>' if check.goto else ""
    return f"{check.sign} {escape(check.text)}{link}"
