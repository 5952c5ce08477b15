"""A process that computes gradients for a training which another process owns: `python -m ...runs.follower RUN RANK`.

It goes the method's own way (the same data, the same network) in a context that reports, saves and publishes nothing,
and does the steps it is told. It ends when the owner says so or ends itself; nothing here is worth being saved.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from napari_nucleidomain.contracts import Checkpoints, ModelCard, NucleiError, Step, StopRun, find_method
from napari_nucleidomain.contracts.events import Event
from napari_nucleidomain.contracts.files import parse_json
from napari_nucleidomain.contracts.memory import is_memory_full

from .context import mix_seed
from .folder import RunFolder
from .inputs import inputs_begun_with
from .job import TrainJob
from .synthetic import to_learn_from
from .team_devices import split_devices


class FollowerLink:
    """See `contracts.TeamLink`; the side of a process that is told.

    Parameters
    ----------
    rank : int
    devices : tuple of str
    told : queue
        Messages of the owner.
    answer : callable
        Says something to the owner.
    """

    def __init__(
        self,
        rank: int,
        devices: tuple[str, ...],
        told: queue.Queue[dict[str, Any]],
        answer: Callable[[dict[str, Any]], None],
    ) -> None:
        self.rank, self.devices = rank, devices
        self._told, self._answer = told, answer
        self._actions: list[Callable[[bool], None]] = []

    def send(self, **values: Any) -> None:
        """See `TeamLink`."""
        raise RuntimeError("only rank 0 tells")

    def receive(self) -> dict[str, Any]:
        """See `TeamLink`."""
        message = self._told.get()
        if "end" in message:
            raise StopRun
        return message

    def meet(self, said: str = "", meanwhile: Callable[[], None] | None = None) -> None:
        """See `TeamLink`."""
        self._answer({"met": said})
        self.receive()

    def until(self, done: Callable[[], bool], meanwhile: Callable[[], None] | None = None) -> None:
        """See `TeamLink`; the owner ends a process that waits in vain."""
        began = time.monotonic()
        while not done():
            time.sleep(min(0.005, 0.05 * (time.monotonic() - began)))

    def lost(self, why: str) -> NucleiError:
        """See `TeamLink`."""
        return NucleiError(f"it lost the others: {why}")

    def at_end(self, action: Callable[[bool], None]) -> None:
        """See `TeamLink`."""
        self._actions.append(action)

    def close(self) -> None:
        """Do what is to be done at the end."""
        for action in self._actions:
            action(True)


class _AnyStage:
    """A stage that is always needed, of which nothing is kept."""

    needed = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, name: str, **arrays: np.ndarray) -> None:
        """Keep nothing; the owner does."""

    def load(self, name: str) -> dict[str, np.ndarray]:
        """Fail: what the owner prepares in a stage is not passed on."""
        raise RuntimeError("a method that keeps arrays in its stages cannot use several devices yet")


class FollowerRun:
    """See `contracts.run.RunContext`: does the steps it is told and is silent.

    Parameters
    ----------
    run : RunFolder
        Somebody else's; only read.
    team : FollowerLink
    """

    def __init__(self, run: RunFolder, team: FollowerLink) -> None:
        job = run.job
        assert isinstance(job, TrainJob)
        self.folder, self.team = run.path, team
        self.seed, self.device, self.threads = job.seed, team.devices[team.rank], job.threads
        self.minutes, self.step_budget, self.name = job.minutes, job.steps, job.name or run.name
        self.background, self.preset = job.background, job.preset
        self.parent = Path(job.parent) if job.parent else None
        self.seconds = 0.0
        self._checkpoints: Checkpoints | None = None
        self._next: dict[str, Any] | None = None

    def attach(self, checkpoints: Checkpoints, key: str = "") -> None:
        """Nothing is saved; random numbers are seeded."""
        self._checkpoints = checkpoints

    def track(self, **objects: Any) -> None:
        """Do nothing: weights come from the owner before each step, all else is its own."""

    @contextmanager
    def stage(self, name: str) -> Iterator[_AnyStage]:
        """A stage is done as long as the owner is in it."""
        yield _AnyStage(self.folder / "stages" / name)

    def plan(self, **shares: float) -> None:
        """Nothing is reported."""

    def steps(self, name: str, total: int, *, capped: bool = False) -> Iterator[Step]:
        """The steps of this stage that the owner does."""
        assert self._checkpoints is not None
        while True:
            message = self._next or self.team.receive()
            self._next = None
            if message["stage"] != name:
                self._next = message
                return
            index = int(message["step"])
            seed = mix_seed(self.seed, name, index)
            self._checkpoints.seed(seed)
            yield Step(index, float(message["fraction"]), np.random.default_rng(seed))

    def check(self) -> None:
        """Nobody asks this process."""

    def metric(self, **values: float) -> None:
        """Say nothing."""

    def warn(self, message: str, hint: str = "") -> None:
        """Say nothing: the owner has said it."""

    def emit(self, event: Event) -> None:
        """Say nothing."""

    def preview_due(self) -> bool:
        """Never."""
        return False

    def preview_request(self) -> dict[str, Any] | None:
        """None."""
        return None

    def preview(self, image: str, origin: tuple[int, ...], /, note: str = "", **arrays: np.ndarray) -> None:
        """Show nothing."""

    def ask(self, id: str, text: str, hint: str = "", **taken: float) -> None:  # noqa: A002 - as the event calls it
        """Ask nobody: the owner has asked."""

    def answer_to(self, id: str) -> str | None:  # noqa: A002 - as the event calls it
        """None; the owner hears it."""
        return None

    def offer(self, build: Callable[[], tuple[dict[str, np.ndarray], ModelCard] | None]) -> None:
        """Offer nothing."""


def follow(run: RunFolder, link: FollowerLink) -> None:
    """Compute gradients until the owner ends.

    Raises
    ------
    NucleiError
        The data or the device will not do.
    """
    job = run.job
    assert isinstance(job, TrainJob)
    spec = find_method(job.method)
    config = spec.config.build(spec.preset(job.preset or next(iter(spec.presets))).values, job.config)
    try:
        spec.resolve(spec.train)(FollowerRun(run, link), to_learn_from(inputs_begun_with(run), spec), config)
    except StopRun:
        link.close()


def _hear(source: IO[bytes], told: queue.Queue[dict[str, Any]]) -> None:
    """Pass messages on; the end of them is the end of the owner, whatever this process is at just now."""
    for line in source:
        told.put(parse_json(line))
    os._exit(0)


def _why(error: Exception) -> dict[str, Any]:
    """What to tell the owner of an error."""
    if isinstance(error, NucleiError):
        return {"failed": error.message, "hint": error.hint}
    if is_memory_full(error):
        return {
            "failed": "its memory is not enough.",
            "hint": "End other programs that use it; a smaller crop_px needs less, but begins anew.",
        }
    return {"failed": f"{type(error).__name__}: {error}".splitlines()[0], "hint": "The log has the details."}


def main(arguments: list[str]) -> int:
    """Follow the owner of the run folder `arguments[0]` as rank `arguments[1]`."""
    # Whatever a library prints goes to the log; the owner hears messages only.
    channel = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    for one in (signal.SIGINT, signal.SIGTERM):
        # A cluster sends them to every process of a job; what they mean, the owner decides.
        signal.signal(one, signal.SIG_IGN)

    def answer(message: dict[str, Any]) -> None:
        try:
            channel.write(json.dumps(message).encode() + b"\n")
        except OSError:
            # The owner is gone.
            os._exit(0)

    told: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_hear, args=(os.fdopen(os.dup(0), "rb"), told), name="owner", daemon=True).start()
    try:
        run = RunFolder(arguments[0])
        follow(run, FollowerLink(int(arguments[1]), split_devices(run.job.device), told, answer))
    except Exception as error:  # noqa: BLE001 - whatever it is, the owner tells it to the person
        traceback.print_exc()
        answer(_why(error))
        return 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    # Not sys.exit: a thread still reads, and nothing is to be cleaned up.
    os._exit(code)
