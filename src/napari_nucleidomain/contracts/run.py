"""What a training loop may ask of the run it works in.

The implementation is `runs.context.FolderRun`; a test may hand a loop any object of this shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .card import ModelCard
from .events import Event
from .team import TeamLink

if TYPE_CHECKING:
    import numpy as np


class StopRun(Exception):  # noqa: N818 - a request, not an error
    """Raised inside a loop when the user asked to stop; everything is saved before it is raised."""


class Interrupted(StopRun):
    """The system asked the process to end (walltime, shutdown); everything is saved, and the run is to go on later."""


@dataclass(frozen=True)
class Step:
    """One turn of a loop.

    Attributes
    ----------
    index : int
        0, 1, 2, ... within the stage; goes on where it was after a resume.
    fraction : float
        How much of the stage is behind, in [0, 1): by steps, or by seconds where the user gave minutes.
        Schedules (learning rate, weights) are functions of this.
    rng : numpy Generator
        A function of (seed, stage, index) only, so that batch k is the same after a resume.
    """

    index: int
    fraction: float
    rng: np.random.Generator


class Stage(Protocol):
    """Inside `with run.stage(...)`."""

    needed: bool
    folder: Path

    def save(self, name: str, **arrays: np.ndarray) -> None:
        """Keep arrays (npz) as this stage's result; they count once the stage is done."""
        ...

    def load(self, name: str) -> dict[str, np.ndarray]:
        """Arrays kept by `save`, in this process or one before it."""
        ...


class Checkpoints(Protocol):
    """Writes and reads the tracked state. The torch one is `training.state.TorchCheckpoints`."""

    def save(self, state: dict[str, Any], path: Path) -> None:
        """Write `state` (nested state_dicts and JSON-able values) to `path`."""
        ...

    def load(self, path: Path) -> dict[str, Any]:
        """Read what `save` wrote. Never runs code from the file."""
        ...

    def seed(self, seed: int) -> None:
        """Seed the library's global generators before a step."""
        ...


class RunContext(Protocol):
    """Everything about a run that is not the method.

    `minutes` and `step_budget` are the user's limits: the first is kept by `steps`, the second the method divides
    over its own stages. `background` says that a viewer runs on the same machine. `device` is this process'; `team` is
    there where several devices were asked for, and only for methods that say they can use them.
    """

    folder: Path
    seed: int
    device: str
    threads: int | None
    minutes: float | None
    step_budget: int | None
    preset: str
    background: bool
    parent: Path | None
    name: str
    team: TeamLink | None

    @property
    def seconds(self) -> float:
        """Seconds of work so far, pauses left out."""
        ...

    def attach(self, checkpoints: Checkpoints, key: str = "") -> None:
        """Say how tracked state is written. Called once, before `track`.

        `key` is a digest of all that the training depends on: data, settings, seed. What an earlier process left
        under another key is of no use: nothing of it is restored, and every stage, its steps and the clock begin anew.
        """
        ...

    def track(self, **objects: Any) -> None:
        """Register state: anything with `state_dict` and `load_state_dict`. Restored at once when resuming."""
        ...

    def stage(self, name: str) -> AbstractContextManager[Stage]:
        """A named part. `stage.needed` is False when it was done before under the key given to `attach`."""
        ...

    def plan(self, **shares: float) -> None:
        """Tell how the whole divides over stages (weights), for the overall bar and for `--minutes`."""
        ...

    def steps(self, name: str, total: int, *, capped: bool = False) -> Iterator[Step]:
        """Steps of the present stage: reports, answers stop and pause, saves on schedule, resumes.

        Ends after `total` steps, or, where the user gave minutes, when this stage's share of them is used; where
        `capped`, after `total` steps in any case, and fractions are of whatever ends it first.
        """
        ...

    def check(self) -> None:
        """Answer stop and pause from within long work that has no steps.

        Raises
        ------
        StopRun
            The user asked to stop.
        """
        ...

    def metric(self, **values: float) -> None:
        """Report numbers at the present step."""
        ...

    def warn(self, message: str, hint: str = "") -> None:
        """Tell the user something and go on."""
        ...

    def emit(self, event: Event) -> None:
        """Write any event."""
        ...

    def preview_due(self) -> bool:
        """Whether it is time for another preview (soon at first, then never more than a tenth of the time)."""
        ...

    def preview_request(self) -> dict[str, Any] | None:
        """What the user looks at: {"image": path or None, "box": [[start, stop], ...]}, or None."""
        ...

    def preview(self, image: str, origin: tuple[int, ...], /, note: str = "", **arrays: np.ndarray) -> None:
        """Publish arrays (`labels` at least) as the live preview.

        Beside a question the viewer shows `picture`, `painted`, `synthetic_mask` and `synthetic_image` (float32, 2D or
        z-y-x; masks in [-1, 1] or from 0 on) as small pictures.
        """
        ...

    def ask(self, id: str, text: str, hint: str = "", **taken: float) -> None:  # noqa: A002 - as the event calls it
        """Ask the person something about the latest preview, and go on; nobody waits for the answer.

        A question of the same `id` is asked once, also over a resume.

        Parameters
        ----------
        id : str
            Names the question within this run.
        text : str
            The question in a biologist's words. The viewer offers *Looks right, go on*, *Adjust* and *Stop*.
        hint : str
            What to look for.
        **taken : float
            Settings that the run chose itself where the person had said nothing, e.g. `diameter_px`.
        """
        ...

    def answer_to(self, id: str) -> str | None:  # noqa: A002 - as the event calls it
        """The answer to a question (`contracts.events.GO_ON`), or None as long as there is none; returns at once.

        *Adjust* and *Stop* are no answers but requests to stop. In a team only rank 0 hears answers.
        """
        ...

    def offer(self, build: Callable[[], tuple[dict[str, np.ndarray], ModelCard] | None]) -> None:
        """Say how a model is made of the present state; called at the end, at a stop, and at *use what there is now*.

        `build` gives weights by name and a card, or None while there is nothing worth keeping.
        """
        ...
