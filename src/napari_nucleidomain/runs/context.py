"""The run context that a training loop works in: `contracts.run.RunContext` over a run folder.

No torch here. What the loop tracks is written by the `Checkpoints` it attaches.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import Checkpoints, Interrupted, ModelCard, Step, StopRun, TeamLink
from napari_nucleidomain.contracts.events import (
    CheckpointSaved,
    Event,
    Metric,
    ModelReady,
    Preview,
    Progress,
    Question,
    StageEvent,
    Warned,
)
from napari_nucleidomain.contracts.files import write_atomic, write_json
from napari_nucleidomain.inference.model_archive import pack_model
from napari_nucleidomain.inference.model_files import save_model

from .clock import Plan, WorkClock
from .event_log import EventWriter
from .folder import CHECKPOINT_FILE, MODEL_POINTER, RunFolder
from .job import TrainJob
from .previews import write_picture, write_preview
from .publishing import Publishing
from .requests import Requests
from .stages import StageFolder

_REPORT_SECONDS = 0.2
_SAVE_SECONDS = 15.0
# Fewer steps say nothing about how quick the next ones will be.
_FEWEST_STEPS = 20


def mix_seed(*parts: Any) -> int:
    """A 63-bit seed that depends on every part and on nothing else."""
    content = json.dumps(parts, separators=(",", ":")).encode()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little") >> 1


class FolderRun:
    """See `contracts.run.RunContext` for what each public method promises.

    Parameters
    ----------
    run : RunFolder
        The folder; the caller owns it.
    events : EventWriter
        Where events go.
    requests : Requests
        Stop, pause and the like, as the watcher thread reads them.
    started : float
        `time.monotonic()` when the process began, so that `minutes` counts the imports too.
    team : TeamLink, optional
        The processes of a training on several devices.
    """

    def __init__(
        self,
        run: RunFolder,
        events: EventWriter,
        requests: Requests,
        started: float,
        team: TeamLink | None = None,
    ) -> None:
        job = run.job
        if not isinstance(job, TrainJob):
            raise TypeError("only a training has a run context")
        self.folder = run.path
        self.seed, self.threads, self.team = job.seed, job.threads, team
        self.device = team.devices[0] if team else job.device
        self.minutes, self.step_budget, self.name = job.minutes, job.steps, job.name or run.name
        self.background = job.background
        self.preset = job.preset
        self.parent = Path(job.parent) if job.parent else None
        self.resumed = run.has_checkpoint
        self._run, self._events, self._requests = run, events, requests
        self._clock = WorkClock(started=started)
        self._plan = Plan()
        self._checkpoints: Checkpoints | None = None
        self._key = ""
        self._tracked: dict[str, Any] = {}
        self._restored: dict[str, Any] = {}
        self._position: dict[str, Any] = {}
        self._stage = ""
        self._step = 0
        self._inside_step = False
        self._previews = 0
        self._last_preview = ""
        self._next_preview = 0.0
        self._preview_began = 0.0
        self._build: Callable[[], tuple[dict[str, np.ndarray], ModelCard] | None] | None = None
        self._published = 0
        self.publishing = Publishing(self.folder, Path(job.publish)) if job.publish else None
        self.rates: dict[str, float] = {}

    # -- state -----------------------------------------------------------------------------------------------
    def attach(self, checkpoints: Checkpoints, key: str = "") -> None:
        """Say how tracked state is written, and read what an earlier process left that worked on the same."""
        self._checkpoints, self._key = checkpoints, key
        path = self.folder / CHECKPOINT_FILE
        if not path.exists():
            return
        state = checkpoints.load(path)
        stages = {name: place for name, place in state["position"].items() if isinstance(place, dict)}
        if any(place.get("key") != self._stage_key(name) for name, place in stages.items()):
            self.warn(
                "What this training works on has changed since it was interrupted; it begins again from nothing.",
                "An image was changed, or the program is of another version.",
            )
            self.resumed = False
            self._requests.questions.withdraw()
            return
        self._position, self._restored = state["position"], state["tracked"]
        self._clock.add(float(self._position.get("clock", 0.0)))

    def _stage_key(self, name: str) -> str:
        return f"{name}:{self._key}"

    def track(self, **objects: Any) -> None:
        """Register state; restored at once when resuming."""
        for name, thing in objects.items():
            self._tracked[name] = thing
            if name in self._restored:
                thing.load_state_dict(self._restored.pop(name))

    def save_checkpoint(self) -> None:
        """Write everything tracked, so that the run could go on from here."""
        if self._checkpoints is None:
            return
        tracked = {name: thing.state_dict() for name, thing in self._tracked.items()}
        # State that was restored but not asked for yet (a later stage's) must survive this checkpoint too.
        state = {"position": {**self._position, "clock": self._clock.seconds}, "tracked": {**self._restored, **tracked}}
        checkpoints = self._checkpoints
        write_atomic(self.folder / CHECKPOINT_FILE, lambda path: checkpoints.save(state, path))
        self.emit(CheckpointSaved(stage=self._stage, step=self._step))

    # -- stages and steps ------------------------------------------------------------------------------------
    def plan(self, **shares: float) -> None:
        """Weights of the stages."""
        self._plan = Plan(shares)

    @contextmanager
    def stage(self, name: str) -> Iterator[StageFolder]:
        """A named part; `needed` is False where it was done before with the same key."""
        self.check()
        stage = StageFolder(self.folder / "stages" / name, self._stage_key(name))
        order = list(self._plan.shares)
        place = {"index": order.index(name) if name in order else 0, "count": len(order)}
        self._stage, self._step = name, 0
        self._check_state_of(stage, name)
        if not stage.needed:
            self.emit(StageEvent(name=name, state="skipped", **place))
            yield stage
            return
        self._position_in(name)
        self.emit(StageEvent(name=name, state="begun", **place))
        self._report(0, None, 0.0, 0.0, name)
        yield stage
        # The state must be on disk before the marker says so; both bear the token, for a marker without the state
        # it speaks of would have the next stage begin from untrained networks.
        token = uuid.uuid4().hex
        self._position[name]["done"] = token
        self.save_checkpoint()
        stage.mark_done(token)
        self.emit(StageEvent(name=name, state="done", **place))

    def _check_state_of(self, stage: StageFolder, name: str) -> None:
        """Have a stage done again whose marker is there but not the checkpoint it speaks of."""
        if stage.needed or self._checkpoints is None:
            return
        if self._position.get(name, {}).get("done") != stage.token:
            self.warn(
                f"The stage {name} was done, but its state is not in the checkpoint; it is done again.",
                "Keep the folder `checkpoint` of a training that is to go on.",
            )
            stage.forget()

    def _position_in(self, name: str) -> dict[str, Any]:
        begin = {"key": self._stage_key(name), "step": 0, "seconds": 0.0, "allowed": None}
        position: dict[str, Any] = self._position.setdefault(name, begin)
        return position

    def steps(self, name: str, total: int, *, capped: bool = False) -> Iterator[Step]:
        """Steps of the present stage; see the contract."""
        if self._checkpoints is None:
            raise RuntimeError("attach() comes before steps()")
        position = self._position_in(name)
        if self.minutes is not None and position["allowed"] is None:
            rest = max(1.0, self.minutes * 60.0 - self._clock.seconds)
            position["allowed"] = rest * self._plan.of_rest(name)
        begun, before = self._clock.seconds, float(position["seconds"])
        first = index = int(position["step"])
        saved = reported = time.monotonic()
        while True:
            spent = before + self._clock.seconds - begun
            allowed = position["allowed"]
            done = index / max(1, total)
            fraction = spent / allowed if allowed else done
            # Steps, not time, will end it.
            by_steps = not allowed or (capped and done >= fraction)
            fraction = done if by_steps else fraction
            position["step"], position["seconds"] = index, spent
            self._step = index
            if fraction >= 1.0:
                break
            now = time.monotonic()
            if now - reported > _REPORT_SECONDS or index == first:
                rate = (index - first) / max(1e-9, spent - before)
                if index - first >= _FEWEST_STEPS:
                    self.rates[name] = round(rate, 4)
                self._report(index, total if by_steps else None, fraction, rate, name)
                reported = now
            if now - saved > self._save_every:
                self._save_and_time()
                saved = time.monotonic()
            self.check()
            seed = mix_seed(self.seed, name, index)
            self._checkpoints.seed(seed)
            self._inside_step = True
            if self.team is not None:
                self.team.send(stage=name, step=index, fraction=fraction)
            yield Step(index, fraction, np.random.default_rng(seed))
            self._inside_step = False
            index += 1
        self._report(index, index if position["allowed"] else total, 1.0, 0.0, name)

    _save_every = _SAVE_SECONDS

    def _save_and_time(self) -> None:
        """Save, and keep saving under a twentieth of the time where checkpoints are large or the disk slow."""
        began = time.monotonic()
        self.save_checkpoint()
        self._save_every = max(_SAVE_SECONDS, 20.0 * (time.monotonic() - began))

    def _report(self, step: int, total: int | None, fraction: float, rate: float, name: str) -> None:
        fraction = min(1.0, fraction)
        overall = self._plan.before(name) + self._plan.share(name) * fraction
        spent = self._clock.seconds
        eta: float | None = None
        if self.minutes is not None:
            eta = max(0.0, self.minutes * 60.0 - spent)
        if total is not None and overall > 0.02 and spent > 2.0:
            by_steps = spent * (1.0 - overall) / overall
            eta = by_steps if eta is None else min(eta, by_steps)
        self.emit(Progress(stage=name, step=step, total=total, fraction=fraction, overall=overall, rate=rate, eta=eta))

    # -- requests --------------------------------------------------------------------------------------------
    def check(self) -> None:
        """Answer stop, pause and *use what there is now*.

        In the middle of a step the answer waits for its end: what half a step has changed must not be saved.
        """
        if self._inside_step:
            return
        self._requests.refuse_if_lost()
        if self._requests.take_use_now():
            self.publish()
        if self._requests.paused:
            self.save_checkpoint()
            self._clock.pause()
            self._requests.wait_while_paused(or_use_now=True)
            while self._requests.take_use_now():
                self.publish()
                self._requests.wait_while_paused(or_use_now=True)
            self._clock.resume()
        if self._requests.stopped:
            self.save_checkpoint()
            raise StopRun
        if self._requests.interrupted:
            self.save_checkpoint()
            raise Interrupted

    # -- reports ---------------------------------------------------------------------------------------------
    def emit(self, event: Event) -> None:
        """Write any event."""
        self._events.write(event)

    def metric(self, **values: float) -> None:
        """Report numbers at the present step; a number that is not finite is left out, JSON has none."""
        finite = {name: float(value) for name, value in values.items() if np.isfinite(value)}
        self.emit(Metric(stage=self._stage, step=self._step, values=finite, seconds=self._clock.seconds))

    def warn(self, message: str, hint: str = "") -> None:
        """Tell the user something and go on."""
        self.emit(Warned(message=message, hint=hint))

    def preview_due(self) -> bool:
        """Soon at first; then so rarely that previews cost a tenth of the time."""
        due = time.monotonic() >= self._next_preview
        if due:
            self._preview_began = time.monotonic()
        return due

    def preview_request(self) -> dict[str, Any] | None:
        """What the user looks at."""
        return self._run.read_view()

    def preview(self, image: str, origin: tuple[int, ...], /, note: str = "", **arrays: np.ndarray) -> None:
        """Publish arrays as the live preview, and plan the next one by what this one cost."""
        self._previews += 1
        # Two files in turn: a reader that is slow still finds the one before whole.
        file = f"previews/preview-{self._previews % 2}.npz"
        written = write_preview(self.folder / file, arrays, self._events)
        now = time.monotonic()
        cost = now - self._preview_began if self._preview_began else 0.0
        self._next_preview = now + max(3.0, 10.0 * cost)
        if not written:
            return
        self._last_preview = file
        self.emit(
            Preview(
                stage=self._stage,
                step=self._step,
                file=file,
                image=image,
                origin=list(origin),
                note=note,
                seconds=self._clock.seconds,
            )
        )

    # -- questions -------------------------------------------------------------------------------------------
    def ask(self, id: str, text: str, hint: str = "", **taken: float) -> None:  # noqa: A002 - as the event calls it
        """Ask the person something, once; nobody waits for the answer."""
        picture = f"previews/question-{id}.png"
        shown = self._last_preview and write_picture(
            self.folder / picture, self.folder / self._last_preview, self._events
        )
        question = Question(id=id, text=text, hint=hint, taken=taken, picture=picture if shown else "")
        self._requests.questions.ask(question)

    def answer_to(self, id: str) -> str | None:  # noqa: A002 - as the event calls it
        """The answer, or None as long as there is none."""
        return self._requests.questions.answer_to(id)

    # -- models ----------------------------------------------------------------------------------------------
    def offer(self, build: Callable[[], tuple[dict[str, np.ndarray], ModelCard] | None]) -> None:
        """Say how a model is made of the present state."""
        self._build = build

    @property
    def seconds(self) -> float:
        """Seconds of work so far, pauses left out."""
        return self._clock.seconds

    def publish(self) -> Path | None:
        """Write the model of the present state; None while there is nothing worth keeping.

        The old model stays until the new one stands.
        """
        made = self._build() if self._build else None
        if made is None:
            return None
        weights, card = made
        before = list((self.folder / "models").glob("model-*"))
        number = 1 + max((int(one.name[6:]) for one in before if one.name[6:].isdigit()), default=0)
        folder = save_model(self.folder / "models" / f"model-{number}", weights, card)
        write_json(self.folder / MODEL_POINTER, {"folder": f"models/{folder.name}"})
        for one in before:
            shutil.rmtree(one, ignore_errors=True)
        self.emit(ModelReady(folder=f"models/{folder.name}", step=self._step))
        job = self._run.job
        if self.publishing is not None and (said := self.publishing.publish(weights, card)):
            self.warn(said, "Two trainings were given one name. Both models are whole.")
        if isinstance(job, TrainJob) and job.pack:
            pack_model(folder, job.pack)
        return folder
