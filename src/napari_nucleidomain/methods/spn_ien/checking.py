"""How good it is by the clicks that were kept back, and what it looks like: without any outlines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import RunContext, ScoreOnData, Segmenter, Step
from napari_nucleidomain.inference.classical import ClassicalSegmenter
from napari_nucleidomain.inference.preview import Place, Previewer
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.instances.pointscores import PointScores, add_scores, score_points
from napari_nucleidomain.training.check_marks import CheckMarks

from .clicked import Clicked
from .segment import SpnIenSegmenter, load

_AS_IT_IS = Scale(1.0, "")
_CHECK_PIXELS = 500_000
_MARGIN_PX = 24
_CHECK_AT = (0.3, 0.6)
# Checks on the way take at most this share of the training; the last one of a stage is always made.
_CHECK_SHARE = 0.05
# Segmenting with the second network takes so many times as long as without.
_IEN_COSTS = 3.0
# Name under which the classical method's scores are kept beside those of the decoders.
_CLASSICAL = "otsu"
# And those of the model that is continued.
_BEFORE = "before"
# Two ways of telling nuclei apart differ by chance by about so much, checked on 150 clicks.
_CLEARLY = 0.03
_NOTES = {
    "ien": "two networks",
    "watershed": "first network, divided by shape",
    "components": "first network, connected pieces",
}
# Who stops a training waits at most about so long for its model to be scored anew.
_HURRY_SECONDS = 15.0


class Checker:
    """Previews and scores during training.

    Parameters
    ----------
    run : RunContext
    images : sequence of Clicked
    """

    def __init__(self, run: RunContext, images: Sequence[Clicked]) -> None:
        self._run = run
        self._images = images
        self._strips = [one for one in images if one.check_box is not None]
        self._latest: dict[str, PointScores] = {}
        # Of which state those are: steps done, and the diameter by which pieces are divided.
        self._state: dict[str, list[float]] = {}
        self._took: dict[str, float] = {}
        self._last_told: PointScores | None = None
        self._marks = CheckMarks(run, _CHECK_AT, _CHECK_SHARE)
        self._checked = 0
        self._chosen = False
        self._compared: dict[str, list[PointScores]] = {_CLASSICAL: [], _BEFORE: []}
        self._previewer = Previewer(
            run, [_place(one) for one in sorted(images, key=lambda one: -len(one.points))], load
        )

    def state_dict(self) -> dict[str, Any]:
        """The last scores, by which `choose` decides after a resume too."""
        return {
            "latest": {name: scores.as_dict() for name, scores in self._latest.items()},
            "state": self._state,
            "marks_passed": self._marks.passed,
            "checked": self._checked,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self._latest = {name: PointScores(**scores) for name, scores in state["latest"].items()}
        self._state = {name: list(of) for name, of in state.get("state", {}).items()}
        self._marks.passed = int(state["marks_passed"])
        self._checked = int(state["checked"])

    # -- preview ---------------------------------------------------------------------------------------------
    def preview_due(self, step: Step) -> bool:
        """Whether a preview is due."""
        return self._previewer.due(step)

    def look(self, segmenter: SpnIenSegmenter, step: Step, steps: int) -> None:
        """Do what is due, after so many steps of the training."""
        if self.preview_due(step):
            self._previewer.show(segmenter, _NOTES[segmenter.decoder])
        if self.score_due(step) and self._marks.take(step):
            self.score(segmenter, steps)

    # -- scores ----------------------------------------------------------------------------------------------
    def score_due(self, step: Step) -> bool:
        """Twice a stage; the stage's end is scored by the caller."""
        return self._marks.due(step)

    def score(self, segmenter: SpnIenSegmenter, steps: int = 0) -> PointScores | None:
        """Compare with the clicks kept back, after so many steps of the training; None where there are none."""
        total = self._score(segmenter, steps)
        self._tell(segmenter.decoder)
        return total

    def _tell(self, decoder: str) -> None:
        total = self._latest.get(decoder)
        if total is not None:
            self._run.metric(**_told(total))
            self._last_told = total

    def settle(self, candidates: Sequence[SpnIenSegmenter], steps: int, *, hurry: bool) -> None:
        """Have the scores of the very state that is saved, by every way of telling nuclei apart that may be chosen.

        Parameters
        ----------
        candidates : sequence of SpnIenSegmenter
        steps : int
            Done so far.
        hurry : bool
            Somebody waits for the model: where scoring took long before, the scores stay those of an earlier state, of
            which the card says after how many steps it was.
        """
        stale = [one for one in candidates if self._state.get(one.decoder) != _state(one, steps)]
        if hurry:
            slowest = max(self._took.values(), default=None)
            took = [self._took.get(one.decoder, slowest) for one in stale]
            if any(one is None for one in took) or sum(one or 0.0 for one in took) > _HURRY_SECONDS:
                return
        for one in stale:
            self._score(one, steps)

    def show_last(self, segmenter: SpnIenSegmenter) -> None:
        """Tell the scores of what is saved, and show it: the last score and preview are the model's."""
        if self._latest.get(segmenter.decoder) is not self._last_told:
            self._tell(segmenter.decoder)
        self._previewer.show(segmenter, _NOTES[segmenter.decoder])

    def _score(self, segmenter: SpnIenSegmenter, steps: int) -> PointScores | None:
        if not self._strips:
            return None
        began = time.perf_counter()
        with self._marks.timed():
            parts = self._score_strips(segmenter)
            self._compare(len(parts))
        self._took[segmenter.decoder] = time.perf_counter() - began
        total = add_scores(parts)
        self._latest[segmenter.decoder], self._state[segmenter.decoder] = total, _state(segmenter, steps)
        self._checked = len({one.name for one in self._strips[: len(parts)]})
        return total

    def _score_strips(self, segmenter: SpnIenSegmenter) -> list[PointScores]:
        parts: list[PointScores] = []
        pixels = 0
        began = time.perf_counter()
        while len(parts) < len(self._strips) and pixels <= _CHECK_PIXELS:
            one = self._strips[len(parts)]
            parts.append(_score_strip(one, segmenter))
            pixels += int(np.prod([stop - start for start, stop in one.check_box or ()]))
            if not self._chosen:
                self._choose_strips(time.perf_counter() - began, segmenter.decoder)
        return parts

    def _compare(self, count: int) -> None:
        """Score the classical method and the model before on the same strips, each of them once a process."""
        others: dict[str, Segmenter | None] = {_CLASSICAL: ClassicalSegmenter(2), _BEFORE: self._previewer.parent}
        for name, other in others.items():
            if other is not None:
                done = self._compared[name]
                done += [_score_strip(one, other) for one in self._strips[len(done) : count]]
                self._latest[name] = add_scores(done[:count])

    def _choose_strips(self, seconds: float, decoder: str) -> None:
        """Leave out images, evenly, where a check of all would take too much of the user's minutes.

        Once a process, so that its checks are of the same images; the first of them is always one.
        """
        self._chosen = True
        if self._run.minutes is None:
            return
        each = seconds * (1.0 if decoder == "ien" else _IEN_COSTS)
        count = max(1, int(_CHECK_SHARE * 60.0 * self._run.minutes / each))
        self._strips = self._strips[:: -(-len(self._strips) // count)]

    def choose(
        self, wish: str, trained_ien: bool, two_stages: bool = True, *, seasoned: bool = True
    ) -> tuple[str, list[str]]:
        """The decoder to use, and notes for the card.

        Where the user leaves it open: the one that finds more of the kept-back clicks; where the difference may be
        chance the paper's, unless its network has seen too little yet.
        """
        if not two_stages and wish in ("auto", "ien"):
            return "components", ["This variant has one network only: nuclei are the connected pieces of its mask."]
        if wish == "ien" and not trained_ien:
            return "watershed", ["The second network was not trained yet: nuclei are divided by their shape."]
        if wish != "auto":
            return wish, []
        if not trained_ien:
            return "watershed", ["The second network was not trained yet: nuclei are divided by their shape."]
        ien, plain = self._latest.get("ien"), self._latest.get("watershed")
        if ien is not None and plain is not None and plain.point_f1 > ien.point_f1 + _CLEARLY:
            return "watershed", [
                f"Dividing by shape found more of the kept-back clicks ({plain.sentence()}) than the second network "
                f"({ien.sentence()}), so it is used."
            ]
        better = ien is not None and plain is not None and ien.point_f1 > plain.point_f1 + _CLEARLY
        if not seasoned and not better:
            return "watershed", ["The second network has learned too little yet: nuclei are divided by their shape."]
        return "ien", ["Nuclei are told apart by the second network."]

    def checked_for_card(self, decoder: str) -> dict[str, float]:
        """What was told of the last score of the decoder in use; see `ModelCard.checked`."""
        latest = self._latest.get(decoder)
        return _told(latest) if latest is not None else {}

    def scores_for_card(self, decoder: str, steps: int | None = None) -> list[ScoreOnData]:
        """The last scores of the decoder in use; of an earlier state than that after `steps` they say so."""
        latest = self._latest.get(decoder)
        if latest is None or not latest.n_clicks:
            # Without a click there is no score: 1 for "nothing there, nothing found" would praise it for nothing.
            return []
        on = f"{latest.n_clicks} kept-back clicks of {self._checked} image{'s' * (self._checked != 1)}"
        scored_at = int(self._state.get(decoder, [0])[0])
        if steps is not None and scored_at < steps:
            on += f", after {scored_at} of {steps} steps"
        values: dict[str, Any] = latest.as_dict()
        names = ("point_f1", "point_recall", "point_precision")
        return [ScoreOnData(name=name, value=round(float(values[name]), 4), on=on) for name in names]

    def classical_for_card(self, decoder: str) -> list[ScoreOnData]:
        """The classical method's scores, where they are of the same clicks."""
        return self._other_for_card(decoder, _CLASSICAL)

    def before_for_card(self, decoder: str) -> list[ScoreOnData]:
        """Those of the model that was continued."""
        return self._other_for_card(decoder, _BEFORE)

    def _other_for_card(self, decoder: str, name: str) -> list[ScoreOnData]:
        ours, other = self._latest.get(decoder), self._latest.get(name)
        return [] if ours is None or other is None or ours.n_clicks != other.n_clicks else self.scores_for_card(name)


def _state(segmenter: SpnIenSegmenter, steps: int) -> list[float]:
    return [steps, float(segmenter.spec.diameter_px or 0.0)]


def _told(total: PointScores) -> dict[str, float]:
    """A score as an event tells it."""
    return {
        "points_found": total.found,
        "points_merged": total.merged,
        "points_missed": total.missed,
        "points_extra": total.extra,
        "points_total": total.n_clicks,
        "points_f1": total.point_f1,
    }


def _place(one: Clicked) -> Place:
    """What to show of an image: about the middle of its clicks."""
    middle = np.median(one.points, axis=0) if len(one.points) else np.array(one.inside.shape) / 2
    return Place(one.path, one.image, tuple((middle + one.origin).tolist()))


def _score_strip(one: Clicked, segmenter: Segmenter) -> PointScores:
    """Score the strip kept back of one image.

    A margin about the strip is segmented too, so that a nucleus on its edge is judged by its whole and by its own
    click: without one in the strip it is extra only if its centre lies there and no teaching click does.
    """
    assert one.check_box is not None
    margin = int(np.ceil(segmenter.spec.diameter_px or _MARGIN_PX))
    sides = zip(one.check_box, one.image.spatial_shape, strict=False)
    box = tuple((max(0, start - margin), min(int(side), stop + margin)) for (start, stop), side in sides)
    found = segment(one.image, segmenter, _AS_IT_IS, box=box).labels
    corner = np.array([start for start, _ in box], float)
    place = tuple(slice(start - low, stop - low) for (start, stop), (low, _) in zip(one.check_box, box, strict=True))
    mask = np.zeros(found.shape, bool)
    mask[place] = True if one.check_mask is None else one.check_mask
    checks = one.check_points + np.array([start for start, _ in one.check_box]) - corner
    teaching = one.points + np.array(one.origin) - corner
    taught = set(_ids_at(found, teaching)) - set(_ids_at(found, checks))
    return score_points(np.where(np.isin(found, list(taught)), 0, found), checks, mask)


def _ids_at(labels: np.ndarray, points: np.ndarray) -> list[int]:
    """Ids under points; those outside are left out."""
    at = np.floor(points + 0.5).astype(int)
    at = at[((at >= 0) & (at < labels.shape)).all(1)]
    return [int(number) for number in labels[tuple(at.T)] if number]
