"""How good it is on outlines that were kept back, beside the classical method; and what it looks like."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import RunContext, ScoreOnData, Segmenter, Step
from napari_nucleidomain.data.known import UNKNOWN
from napari_nucleidomain.inference.classical import ClassicalSegmenter
from napari_nucleidomain.inference.preview import Place, Previewer
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.instances.contingency import contingency
from napari_nucleidomain.instances.scores import Scores, pool, score_table
from napari_nucleidomain.training.check_marks import CheckMarks

from .lessons import Lessons
from .outlined import Outlined
from .segment import load

_AS_IT_IS = Scale(1.0, "")
_CHECK_AT = (0.1, 0.25, 0.5, 0.75)
# Checks on the way take at most this share of the training; the last one is always made.
_CHECK_SHARE = 0.08
_CHECK_PIXELS = 1_500_000
# And so much is looked at for the last one.
_LAST_PIXELS = 8_000_000
_MARGIN_PX = 32
# Who stops a training waits at most about so long for its model to be scored anew.
_HURRY_SECONDS = 15.0


class Checker:
    """Previews and scores during training.

    Parameters
    ----------
    run : RunContext
    lessons : Lessons
    """

    def __init__(self, run: RunContext, lessons: Lessons) -> None:
        self._run = run
        self._kept_back, self._known_source = lessons.kept_back, lessons.known_source
        self._check, self._last = (_some(lessons.check, most) for most in (_CHECK_PIXELS, _LAST_PIXELS))
        self._images = len({one.path for one in lessons.check})
        self._looked_at = 0
        self._latest: dict[str, float] = {}
        self._floor: dict[str, float] = {}
        self._before: dict[str, float] = {}
        self._marks = CheckMarks(run, _CHECK_AT, _CHECK_SHARE)
        self._scored_at = 0
        self._took: float | None = None
        shown = sorted(lessons.teach, key=lambda one: -one.nuclei)
        self._previewer = Previewer(run, [_place(one) for one in shown], load)

    def state_dict(self) -> dict[str, Any]:
        """The last scores, which a card of a resumed run tells too."""
        known = {"latest": self._latest, "floor": self._floor, "before": self._before}
        return {**known, "marks_passed": self._marks.passed, "at": self._scored_at, "looked_at": self._looked_at}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self._latest, self._floor = dict(state["latest"]), dict(state["floor"])
        self._before = dict(state["before"])
        self._marks.passed = int(state["marks_passed"])
        self._scored_at = int(state["at"])
        self._looked_at = int(state.get("looked_at", len(self._check)))

    def due(self, step: Step) -> bool:
        """Whether a preview or a score is due."""
        return self._previewer.due(step) or self._marks.due(step)

    def look(self, segmenter: Segmenter, step: Step) -> None:
        """Do what is due."""
        if self._previewer.due(step):
            self._previewer.show(segmenter, "")
        if self._marks.due(step) and self._marks.take(step):
            self.score(segmenter, step.index + 1)

    def score(self, segmenter: Segmenter, steps: int, last: bool = False) -> None:
        """Compare with what was kept back, where something was, after so many steps; the last time with more of it."""
        # In a step the answer to a stop waits; after the last one it need not.
        if self._take_scores(self._last if last else self._check, segmenter, steps, self._run.check):
            self._run.metric(**self.checked_for_card())

    def settle(self, segmenter: Segmenter, steps: int, *, hurry: bool) -> None:
        """Have the last score and preview be of the very state that is saved.

        Parameters
        ----------
        segmenter : Segmenter
            As it is saved.
        steps : int
            Done so far.
        hurry : bool
            Somebody waits for the model: where scoring took long before, the scores stay those of an earlier state, of
            which the card says after how many steps it was.
        """
        known = bool(self._latest) and self._scored_at == steps
        waits = hurry and (self._took is None or self._took > _HURRY_SECONDS)
        check = [] if known or waits else self._check if hurry else self._last
        if self._take_scores(check, segmenter, steps, lambda: None):
            self._run.metric(**self.checked_for_card())
        self._previewer.show(segmenter, "")

    def _take_scores(
        self, check: Sequence[Outlined], segmenter: Segmenter, steps: int, ask: Callable[[], None]
    ) -> bool:
        if not check:
            return False
        began = time.perf_counter()
        with self._marks.timed():
            ours = _score(check, segmenter, ask)
            took = time.perf_counter() - began
            if self._looked_at != len(check):
                self._floor = _score(check, ClassicalSegmenter(2), ask)
                parent = self._previewer.parent
                self._before = _score(check, parent, ask) if parent is not None else {}
        self._latest, self._looked_at, self._scored_at, self._took = ours, len(check), steps, took
        return True

    def checked_for_card(self) -> dict[str, float]:
        """What was told of the last score; see `ModelCard.checked`."""
        return {f"outlines_{name}": value for name, value in self._latest.items()}

    def scores_for_card(self, steps: int) -> list[ScoreOnData]:
        """The last scores of a training that did so many steps."""
        return self._in_card(self._latest, steps)

    def classical_for_card(self, steps: int) -> list[ScoreOnData]:
        """Those of Otsu + watershed on the same outlines."""
        return self._in_card(self._floor, steps) if self._latest else []

    def before_for_card(self, steps: int) -> list[ScoreOnData]:
        """Those of the model that was continued, on the same outlines."""
        return self._in_card(self._before, steps) if self._latest else []

    def _in_card(self, scores: dict[str, float], steps: int) -> list[ScoreOnData]:
        if not scores or not scores["total"]:
            # Without an outline there is no score: 1 for "nothing there, nothing found" would praise it for nothing.
            return []
        looked_at = next(part for part in (self._last, self._check) if len(part) == self._looked_at)
        images = len({one.path for one in looked_at})
        where = f"{images} image{'s' * (images != 1)}"
        if images < self._images:
            where = f"{images} of {self._images} images"
        kept, purpose = ("kept-back ", "") if self._kept_back else ("", " for checking")
        on = f"{int(scores['total'])} {kept}outlines of {where}{purpose}"
        if any(one.corrected for one in looked_at):
            on += ", some drawn by a model and looked through"
        if self._known_source:
            on += ", of a patient or slide that it learned from"
        if self._scored_at < steps:
            on += f", after {self._scored_at} of {steps} steps"
        names = {"object_f1": "f1", "aji": "aji"}
        return [ScoreOnData(name=name, value=round(scores[key], 4), on=on) for name, key in names.items()]


def _score(check: Sequence[Outlined], segmenter: Segmenter, ask: Callable[[], None]) -> dict[str, float]:
    """Scores of all together; between two of them `ask` is called, which may raise."""
    scores = []
    for one in check:
        ask()
        scores.append(score_outlined(one, segmenter))
    return _pooled(scores)


def _some(check: Sequence[Outlined], most: int) -> list[Outlined]:
    """Evenly chosen ones of about so many pixels."""
    pixels = sum(one.known.size for one in check)
    step = max(1, -(-pixels // most))
    return list(check[::step])


def _place(one: Outlined) -> Place:
    """What to show of an image: about the middle of its nuclei."""
    centres = one.centres()
    middle = np.median(centres, axis=0) if len(centres) else np.array(one.known.shape) / 2
    return Place(one.path, one.image, tuple((middle + one.origin).tolist()))


def score_outlined(one: Outlined, segmenter: Segmenter) -> Scores:
    """Score what is found in an outlined area, as far as something is known there.

    A margin is segmented too, so that nuclei at the border are seen whole. What is found mostly where nothing is known
    does not count, nor do pixels there.
    """
    margin = int(np.ceil(segmenter.spec.diameter_px or _MARGIN_PX))
    sides = zip(one.origin, one.known.shape, one.image.spatial_shape, strict=False)
    box = tuple((max(0, o - margin), min(int(side), o + length + margin)) for o, length, side in sides)
    found = segment(one.image, segmenter, _AS_IT_IS, box=box).labels
    known = np.full(found.shape, UNKNOWN, np.int32)
    low = [o - start for o, (start, _) in zip(one.origin, box, strict=True)]
    known[tuple(slice(a, a + length) for a, length in zip(low, one.known.shape, strict=True))] = one.known
    return score_table(contingency(*_where_known(found, known)))


def _where_known(found: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both label images without what cannot be judged."""
    unknown = known == UNKNOWN
    area = np.bincount(found.ravel())
    hidden = np.bincount(found[unknown], minlength=len(area))
    gone = 2 * hidden > area
    judged = np.where(unknown | gone[found], 0, found)
    return judged, np.maximum(known, 0)


def _pooled(scores: Sequence[Scores]) -> dict[str, float]:
    """Of all together: found, extra and total nuclei, F1 at IoU 0.5, AJI."""
    counts = [one.at[0.5] for one in scores]
    found, extra = sum(one.tp for one in counts), sum(one.fp for one in counts)
    missed = sum(one.fn for one in counts)
    total = found + missed
    f1 = 2 * found / (2 * found + extra + missed) if found + extra + missed else 1.0
    return {
        "f1": float(f1),
        "aji": float(pool(scores)["aji"]),
        "found": float(found),
        "extra": float(extra),
        "total": float(total),
    }
