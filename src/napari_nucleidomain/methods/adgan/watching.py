"""What a person sees of a training while it goes on, and what watches over it where nobody looks: no label is read."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError, RunContext, Step
from napari_nucleidomain.contracts.card import DOUBTS
from napari_nucleidomain.contracts.events import GO_ON
from napari_nucleidomain.inference.preview import Place, Previewer
from napari_nucleidomain.instances.synthesis import MaskSettings
from napari_nucleidomain.networks.adgan import Generator
from napari_nucleidomain.training.check_marks import CheckMarks

from .config import AdganConfig
from .consistency import Consistency, Judge
from .pictures import Picture
from .segment import AdganSegmenter, load
from .sizes import Drawn
from .views import pictures_of

# Shares of the training at which a state is judged; the first are too early to choose.
_MARKS = tuple(k / 40 for k in range(4, 40))
# From when on a state may be chosen: in volumes few nuclei are judged, so that an early one may look good by chance.
_CHOOSE_FROM = {2: 0.2, 3: 0.5}
_CHECK_SHARE = 0.08
_ASK_AT, _ASK_LATEST, _ASK_FROM = 0.08, 0.3, 40
# Of fewer steps no preset has made a model worth using.
_TOO_FEW = 300
QUESTION = "looks_right"
# Training has collapsed where so many states in a row are out of range.
_BAD_IN_A_ROW = 4
_COLLAPSE_FROM = 0.25
_FEWEST_STEPS = 300
# Who stops a training waits at most about so long for its model to be judged.
_HURRY_SECONDS = 15.0


@dataclass(frozen=True)
class Chosen:
    """The state that becomes the model.

    Attributes
    ----------
    generator : Generator
    steps : int
        After how many steps it was so; 0 for the present one.
    """

    generator: Generator
    steps: int = 0


class Watcher:
    """Previews, the question, collapse, and the choice among states.

    Parameters
    ----------
    run : RunContext
    config : AdganConfig
    pictures : sequence of Picture
    """

    def __init__(self, run: RunContext, config: AdganConfig, pictures: Sequence[Picture]) -> None:
        self._run, self._config = run, config
        self._choose_from = _CHOOSE_FROM[pictures[0].pixels.ndim]
        # With a number of steps the same states are judged on every computer, so that the same one is chosen.
        self._marks = CheckMarks(run, _MARKS, _CHECK_SHARE if run.minutes else math.inf)
        self._previewer = Previewer(run, [_place(one) for one in pictures], load)
        self._best: dict[str, Any] | None = None
        self._best_score = -1.0
        self._best_steps = 0
        self._best_seen: dict[str, float] = {}
        self._latest: dict[str, float] = {}
        self._latest_steps = -1
        self._took = 0.0
        self._bad_in_a_row = 0
        self._asked = self._told = False
        self._judge: Judge | None = None

    def prepare(self, drawn: Drawn, judge: Judge, masks: MaskSettings) -> None:
        """Say what was found out about sizes; before the first step."""
        self._drawn, self._masks = drawn, masks
        self._judge = judge

    def state_dict(self) -> dict[str, Any]:
        """The chosen state, and what was seen."""
        return {
            "best": self._best,
            "best_score": self._best_score,
            "best_steps": self._best_steps,
            "best_seen": self._best_seen,
            "latest": self._latest,
            "latest_steps": self._latest_steps,
            "bad_in_a_row": self._bad_in_a_row,
            "asked": self._asked,
            "marks_passed": self._marks.passed,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self._best, self._best_score = state["best"], float(state["best_score"])
        self._best_steps = int(state["best_steps"])
        self._best_seen, self._latest_steps = dict(state.get("best_seen", {})), int(state.get("latest_steps", -1))
        self._latest, self._bad_in_a_row = dict(state["latest"]), int(state["bad_in_a_row"])
        self._asked, self._marks.passed = bool(state["asked"]), int(state["marks_passed"])

    def due(self, step: Step) -> bool:
        """Whether there is anything to do."""
        return self._previewer.due(step) or self._marks.due(step) or self._asks(step)

    def _asks(self, step: Step) -> bool:
        # After a handful of steps there is nothing to look at yet.
        soon = step.fraction >= _ASK_AT and step.index >= _ASK_FROM
        return self._config.ask and not self._asked and (soon or step.fraction >= _ASK_LATEST)

    def look(self, segmenter: AdganSegmenter, step: Step, steps: int) -> None:
        """Do what is due.

        Raises
        ------
        NucleiError
            Training has collapsed.
        """
        asks = self._asks(step)
        if asks or self._previewer.due(step):
            self._show(segmenter, step.rng)
        if asks:
            self._asked = True
            self._run.ask(
                QUESTION,
                f"Does this begin to look right? It is looking for {self._drawn.says()}.",
                "Painted nuclei should lie on yours and be about as large. If sizes are wrong, change them "
                "and train anew.",
                diameter_px=round(self._drawn.diameter, 1),
            )
        if self._marks.due(step) and self._marks.take(step):
            with self._marks.timed():
                self._judge_state(segmenter.generator, step.fraction, steps)

    def _show(self, segmenter: AdganSegmenter, rng: np.random.Generator) -> None:
        assert self._judge is not None
        more = pictures_of(segmenter, self._masks, self._config.form, rng, self._judge.pieces[0])
        self._previewer.show(segmenter, "", **more)

    def settle(self, segmenter: AdganSegmenter, chosen: Chosen, steps: int, *, hurry: bool) -> dict[str, float]:
        """Have the last figures and preview be of the very state that is saved.

        Parameters
        ----------
        segmenter : AdganSegmenter
            With that state.
        chosen : Chosen
            The same.
        steps : int
            Done so far.
        hurry : bool
            Somebody waits for the model: where judging took long before, nothing is said of a state not yet judged.

        Returns
        -------
        dict
            As the last event tells it; see `ModelCard.checked`.
        """
        assert self._judge is not None
        known = self._best_seen if chosen.steps else self._latest if self._latest_steps == steps else {}
        if not known:
            if hurry and self._took > _HURRY_SECONDS:
                return {}
            known = asdict(self._judge.look(segmenter.generator))
            if not chosen.steps:
                self._latest, self._latest_steps = known, steps
        told = {f"images_{name}": value for name, value in known.items() if math.isfinite(value)}
        self._run.metric(**told)
        self._show(segmenter, np.random.default_rng(0))
        return told

    def finish(self, segmenter: AdganSegmenter, steps: int) -> None:
        """Judge the last state."""
        self._judge_state(segmenter.generator, 1.0, steps)

    def _judge_state(self, generator: Generator, fraction: float, steps: int) -> None:
        assert self._judge is not None
        began = time.perf_counter()
        seen = self._judge.look(generator)
        self._took = time.perf_counter() - began
        self._latest, self._latest_steps = asdict(seen), steps
        self._run.metric(**{f"images_{name}": value for name, value in self._latest.items()})
        wrong = self._collapsed(seen)
        self._bad_in_a_row = self._bad_in_a_row + 1 if wrong else 0
        late = fraction >= _COLLAPSE_FROM and steps >= _FEWEST_STEPS
        if wrong is not None and late and self._bad_in_a_row >= _BAD_IN_A_ROW:
            self._tell_collapse(wrong)
        if self._config.choose and fraction >= self._choose_from and not wrong and seen.score > self._best_score:
            self._best_score, self._best_steps, self._best_seen = seen.score, steps, self._latest
            self._best = {name: value.detach().cpu().clone() for name, value in generator.state_dict().items()}

    def _tell_collapse(self, wrong: NucleiError) -> None:
        """Stop, unless a good state was found before: that one is kept, and this may pass."""
        if self._best is None:
            raise wrong
        if not self._told:
            self._told = True
            self._run.warn(
                f"{wrong.message} The state after {self._best_steps} steps, before that, is kept.",
                "Look at what it finds. Stop now to have it, or let it go on: it may recover.",
            )

    def _collapsed(self, seen: Consistency) -> NucleiError | None:
        return collapse(seen, self._drawn)

    def chosen(self, generator: Generator) -> Chosen:
        """The most consistent state so far; the present one of the average where none was judged good enough."""
        if self._best is None:
            return Chosen(generator)
        best = copy.deepcopy(generator)
        best.load_state_dict(self._best)
        return Chosen(best, self._best_steps)

    def notes(self, steps: int) -> list[str]:
        """For the card after so many steps: that they are few, that nobody has looked, what is suspicious."""
        notes = []
        if steps < _TOO_FEW and self._run.parent is None:
            notes.append(
                f"{DOUBTS[2]} only {steps} step{'s' * (steps != 1)} of training; {_TOO_FEW} are the least that made a "
                "usable model. Train it longer."
            )
        if not (self._asked and self._run.answer_to(QUESTION) == GO_ON):
            notes.append(f"{DOUBTS[0]} nobody has said that what it paints looks right. Look at a result before use.")
        if self._latest and (wrong := self._collapsed(Consistency(**self._latest))) is not None:
            notes.append(f"{DOUBTS[1]} {wrong.message}")
        return notes


def collapse(seen: Consistency, drawn: Drawn) -> NucleiError | None:
    """The message for a state that paints what cannot be nuclei; None where it may be.

    Parameters
    ----------
    seen : Consistency
    drawn : Drawn
    """
    size = f"{drawn.diameter:.3g} px"
    if seen.alike > 0.98:
        return NucleiError(
            "Training has collapsed: it paints the same over different parts of the images.",
            "Train anew with another seed, or with more images.",
        )
    if not 0.2 <= seen.share / max(seen.bright_share, 1e-3) <= 5.0:
        how = "almost nothing" if seen.share < seen.bright_share else "far more than is bright"
        return NucleiError(
            f"Training has collapsed: it paints {how} ({seen.share:.0%} of the images, {seen.bright_share:.0%} are "
            "bright).",
            f"Check the size of nuclei ({size} now) and how many are drawn (count_least, count_most); then train anew.",
        )
    if seen.bright_dice < 0.25:
        return NucleiError(
            "Training has gone wrong: it takes the dark ground for nuclei.",
            "Train anew with head_start=0.05 or another seed. Are nuclei brighter than the ground in these images?",
        )
    if not 0.4 <= seen.diameter <= 2.5:
        return NucleiError(
            f"Training has collapsed: what it paints is {seen.diameter:.2g} times as large as the nuclei drawn.",
            f"Check the size of nuclei: {size} now. Then train anew.",
        )
    return None


def _place(one: Picture) -> Place:
    """What to show of an image: about its brightest middle."""
    middle = np.asarray(one.pixels.shape) / 2 + np.asarray(one.origin)
    return Place(one.path, one.image, tuple(float(m) for m in middle))
