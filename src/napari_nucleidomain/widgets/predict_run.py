"""One prediction from the button to the result: job, warm worker, tiles as they come, the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.events import Failed, Finished, Preview, Stopped

from . import layers
from .background import in_background
from .newest import Newest
from .predict_tiles import GrowingLabels
from .preview import read_preview
from .result_layers import measure_ids, result_layers
from .results import Loaded, Stored, load_result, results_of
from .run_follow import RunFollower
from .train_words import log_tail
from .view import same_file

if TYPE_CHECKING:
    from napari_nucleidomain.runs.folder import RunFolder
    from napari_nucleidomain.runs.job import PredictJob
    from napari_nucleidomain.runs.store import Project
    from napari_nucleidomain.runs.worker import WorkerClient

    from .entry import ImageEntry
    from .session import Session

_WAIT_FOR_WORKER = 20.0


@dataclass
class Outcome:
    """What a prediction left.

    Attributes
    ----------
    results : list of Stored
        Finished images.
    problems : list of (name, message)
        Images that were left out.
    stopped : bool
        The person stopped it.
    """

    results: list[Stored] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    stopped: bool = False
    run: RunFolder | None = None


class Prediction(QObject):
    """Runs one prediction at a time for a viewer.

    Signals
    -------
    began()
        It was handed to the worker.
    progressed(), state_changed(str), warned(object)
        As of `follower`.
    ended(object)
        An `Outcome`; its results of listed images are in the viewer.
    failed(object, str)
        A `NucleiError` and the end of the log.
    """

    began = Signal()
    progressed = Signal()
    warned = Signal(object)
    ended = Signal(object)
    failed = Signal(object, str)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._background = Newest(self)
        self.follower = RunFollower(self)
        self.follower.progressed.connect(self.progressed)
        self.follower.previewed.connect(self._grow)
        self.follower.told.connect(self.warned)
        self.follower.ended.connect(self._ended)
        self.follower.state_changed.connect(self._state_changed)
        self._growing: dict[str, GrowingLabels] = {}
        self._submitted = 0.0
        self._watchdog = QTimer(self)
        self._watchdog.setInterval(1000)
        self._watchdog.timeout.connect(self._look_for_worker)
        session.closing.connect(self._close)

    @property
    def busy(self) -> bool:
        """Whether a prediction is under way."""
        return self.follower.run is not None

    @property
    def run(self) -> RunFolder | None:
        """The prediction under way."""
        return self.follower.run

    def start(self, job: PredictJob) -> None:
        """Hand a prediction to the worker.

        Raises
        ------
        NucleiError
            It could not be written, or no worker be started.
        """
        self.go_on(self._session.project.new_run(job))

    def go_on(self, run: RunFolder) -> None:
        """Hand a prediction to the worker that was stopped: images and tiles that are done are not done again.

        Raises
        ------
        NucleiError
            No worker can be started.
        """
        run.forget_request()
        worker_of(self._session.project).submit(run)
        self._growing.clear()
        self._submitted = time.monotonic()
        self.follower.follow(run, again=run.last_event() is not None)
        self._watchdog.start()
        self.began.emit()

    def stop(self) -> None:
        """Ask for an end; images and tiles that are done stay.

        Raises
        ------
        NucleiError
            The request cannot be written.
        """
        if self.run is not None:
            self.run.request("stop")

    # ---- while it works

    def _grow(self, previews: list[Preview]) -> None:
        run = self.run
        if run is None:
            return
        for preview in previews:
            entry = self._entry_of(preview.image)
            if entry is None or entry is not self._session.current:
                continue
            in_background(
                self,
                lambda file=run.path / preview.file: read_preview(file),
                lambda labels, preview=preview, entry=entry: self._paint(run, entry, preview, labels),
                # The tile is in the result all the same.
                lambda error: None,
            )

    def _paint(self, run: RunFolder, entry: ImageEntry, preview: Preview, labels: np.ndarray) -> None:
        if self.run is not run:
            return
        growing = self._growing.get(preview.stage)
        if growing is None:
            growing = self._growing[preview.stage] = GrowingLabels(self._session, entry, run, preview.stage)
        growing.add(tuple(preview.origin), labels)

    def _entry_of(self, path: str) -> ImageEntry | None:
        return next((one for one in self._session.images if same_file(one.path, path)), None)

    def _look_for_worker(self) -> None:
        """A worker that died before it took the run says nothing: that too must end."""
        if self.run is None or self.follower.state != "waiting":
            return
        waited = time.monotonic() - self._submitted
        if waited > _WAIT_FOR_WORKER and not worker_of(self._session.project).alive:
            log = log_tail(self._session.project.worker_folder / "log.txt")
            self._fail(NucleiError("The process that predicts could not be started.", "Try again."), log)

    def _state_changed(self, state: str) -> None:
        if state == "interrupted" and self.run is not None:
            log = log_tail(self.run.log)
            self._fail(
                NucleiError(
                    "The process that predicts ended before it was done.",
                    "Try again; if it happens again, choose a smaller area (memory may be short).",
                ),
                log,
            )

    # ---- the end

    def _ended(self, event: Any) -> None:
        run = self.run
        if run is None:
            return
        if isinstance(event, Failed):
            self._fail(NucleiError(event.message, event.hint), log_tail(run.log))
            return
        problems = [(str(name), str(message)) for name, message in event.summary.get("problems", [])]
        stopped = isinstance(event, Stopped)
        assert isinstance(event, Finished | Stopped)
        self._background.run(
            "results",
            _read_results,
            run,
            [one.path for one in self._session.images],
            done=lambda found: self._show(run, found, problems, stopped),
            failed=lambda error: self._fail(_as_nuclei(error), ""),
        )

    def _show(
        self, run: RunFolder, found: list[tuple[Stored, Any]], problems: list[tuple[str, str]], stopped: bool
    ) -> None:
        self._leave()
        shown = result_layers(self._session)
        for growing in self._growing.values():
            if growing.reduced:
                growing.finish(keep=False)
        for stored, read in found:
            entry = self._entry_of(str(stored.image))
            if entry is not None and read is not None and entry.layers.get("image") is not None:
                loaded, areas, border = read
                shown.show(entry, loaded, areas, border)
                layers.remove(self._session, entry, "preview")
        done = {stored.name for stored, _ in found}
        for stage, growing in self._growing.items():
            if stage in done or not stopped:
                growing.finish(keep=stage in done)
        self._growing.clear()
        self.ended.emit(Outcome([stored for stored, _ in found], problems, stopped, run))

    def _fail(self, error: NucleiError, log: str) -> None:
        for growing in self._growing.values():
            growing.finish(keep=False)
        self._growing.clear()
        self._leave()
        self.failed.emit(error, log)

    def _leave(self) -> None:
        self._watchdog.stop()
        self.follower.unfollow()

    def _close(self) -> None:
        self._leave()
        self._background.close()


def _as_nuclei(error: BaseException) -> NucleiError:
    if isinstance(error, NucleiError):
        return error
    return NucleiError(f"The result cannot be read ({type(error).__name__}: {error}).", "Predict again.")


def _read_results(
    run: RunFolder, wanted: Sequence[Path | None]
) -> list[tuple[Stored, tuple[Loaded, np.ndarray, np.ndarray] | None]]:
    """Finished images; pixels only of those in the list of images, and of no more than a few."""
    found: list[tuple[Stored, tuple[Loaded, np.ndarray, np.ndarray] | None]] = []
    stored = results_of(run)
    for one in stored:
        listed = any(same_file(path, one.image) for path in wanted)
        read = read_for_show(one) if listed and len(stored) <= 8 else None
        found.append((one, read))
    return found


def read_for_show(stored: Stored) -> tuple[Loaded, np.ndarray, np.ndarray]:
    """A result's pixels with the areas and edges that filters need. For a thread."""
    loaded = load_result(stored)
    if loaded.large:
        return loaded, np.zeros(0, np.int64), np.zeros(0, bool)
    areas, border = measure_ids(loaded.labels, len(loaded.scores))
    return loaded, areas, border


_workers: dict[Path, WorkerClient] = {}


def worker_of(project: Project) -> WorkerClient:
    """The client of a project's warm worker: one for each project, whichever viewer or thread asks."""
    from napari_nucleidomain.runs.worker import WorkerClient

    # `setdefault` and not a test before: of two threads that ask at once both get the same one.
    return _workers.setdefault(project.path, WorkerClient(project))


def warm_worker(project: Project, model: str, device: str) -> None:
    """Start the process that predicts ahead of the first prediction. For a thread."""
    worker_of(project).warm(model, device)
