"""How good it is by the clicks that were kept back, and what it looks like: without any outlines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError, RunContext, ScoreOnData, Segmenter, Step, load_card
from napari_nucleidomain.data.images import Image, open_image
from napari_nucleidomain.inference.classical import ClassicalSegmenter
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.instances.pointscores import PointScores, add_scores, score_points

from .clicked import Clicked
from .segment import SpnIenSegmenter, load

_AS_IT_IS = Scale(1.0, "")
_PREVIEW_SIDE = 384
_CHECK_PIXELS = 500_000
_MARGIN_PX = 24
_CHECK_AT = (0.3, 0.6)
# Checks on the way take at most this share of the training; the last one of a stage is always made.
_CHECK_SHARE = 0.05
# Segmenting with the second network takes so many times as long as without.
_IEN_COSTS = 3.0
# Name under which the classical method's scores are kept beside those of the decoders.
_CLASSICAL = "otsu"
# Two ways of telling nuclei apart differ by chance by about so much, checked on 150 clicks.
_CLEARLY = 0.03


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
        self._marks_passed = 0
        self._checked = 0
        self._chosen = False
        self._compared: list[PointScores] = []
        self._cost = 0.0
        self._parent: SpnIenSegmenter | None = None
        self._seen: tuple[str, Any] | None = None
        self._found_before: np.ndarray | None = None

    def state_dict(self) -> dict[str, Any]:
        """The last scores, by which `choose` decides after a resume too."""
        return {
            "latest": {name: scores.as_dict() for name, scores in self._latest.items()},
            "marks_passed": self._marks_passed,
            "checked": self._checked,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self._latest = {name: PointScores(**scores) for name, scores in state["latest"].items()}
        self._marks_passed = int(state["marks_passed"])
        self._checked = int(state["checked"])

    # -- preview ---------------------------------------------------------------------------------------------
    def preview_due(self, step: Step) -> bool:
        """Whether a preview is due; not before the networks have seen a few batches."""
        return step.index >= 8 and self._run.preview_due()

    def look(self, segmenter: SpnIenSegmenter, step: Step) -> None:
        """Do what is due."""
        if self.preview_due(step):
            self._preview(segmenter)
        if self.score_due(step):
            self._marks_passed = sum(step.fraction >= mark for mark in _CHECK_AT)
            if self._cost <= _CHECK_SHARE * max(self._run.seconds, 60.0 * (self._run.minutes or 0.0)):
                self.score(segmenter)

    def _preview(self, segmenter: SpnIenSegmenter) -> None:
        image, path, box = self._wanted()
        try:
            found = segment(image, segmenter, _AS_IT_IS, box=box)
        except NucleiError as error:
            self._run.warn(f"No preview: {error.message}", error.hint)
            found = None
        if found is None:
            return
        before = self._before(image, path, box)
        # The same part: where the model before fails on it, there is nothing to compare with.
        more = {"before": before} if before is not None and before.shape == found.labels.shape else {}
        note = "two networks" if segmenter.decoder == "ien" else "first network, divided by shape"
        self._run.preview(path, found.origin, note, labels=found.labels.astype(np.uint32), **more)

    def _before(self, image: Image, path: str, box: tuple[tuple[int, int], ...]) -> np.ndarray | None:
        """What the model that this training goes on from finds there; worked out once for each part looked at."""
        if self._run.parent is None:
            return None
        if self._parent is None:
            self._parent = load(self._run.parent, load_card(self._run.parent), self._run.device)
        if self._seen != (path, box):
            try:
                found = segment(image, self._parent, _AS_IT_IS, box=box)
            except NucleiError as error:
                self._run.warn(f"No preview of the model before: {error.message}", error.hint)
                found = None
            self._seen = (path, box)
            self._found_before = found.labels.astype(np.uint32) if found is not None else None
        return self._found_before

    def _wanted(self) -> tuple[Image, str, tuple[tuple[int, int], ...]]:
        """What the user looks at, or the middle of the image with most clicks; at most 384 px a side."""
        request = self._run.preview_request()
        if request:
            opened = self._open(str(request.get("image")))
            if opened is not None:
                box = _middle([tuple(side) for side in request["box"]])
                if all(a < side and b > 0 for (a, b), side in zip(box, opened.spatial_shape, strict=False)):
                    return opened, str(request["image"]), box
        most = max(self._images, key=lambda one: len(one.points))
        centre = np.median(most.points, axis=0) if len(most.points) else np.array(most.inside.shape) / 2
        centre = centre + most.origin
        half = _PREVIEW_SIDE // 2
        return most.image, most.path, tuple((int(c) - half, int(c) + half) for c in centre)

    def _open(self, path: str) -> Image | None:
        for one in self._images:
            if Path(one.path) == Path(path):
                return one.image
        try:
            image = open_image(path)
        except NucleiError:
            # The user looks at something that is no file; the training image is shown instead.
            return None
        fits = image.ndim == 2 and image.n_channels == self._images[0].pixels.shape[-1]
        return image if fits else None

    # -- scores ----------------------------------------------------------------------------------------------
    def score_due(self, step: Step) -> bool:
        """Twice a stage; the stage's end is scored by the caller."""
        passed = sum(step.fraction >= mark for mark in _CHECK_AT)
        if step.index == 0:
            self._marks_passed = 0
        return passed > self._marks_passed

    def score(self, segmenter: SpnIenSegmenter) -> PointScores | None:
        """Compare with the clicks kept back; None where there are none."""
        parts: list[PointScores] = []
        pixels = 0
        began = time.perf_counter()
        while len(parts) < len(self._strips) and pixels <= _CHECK_PIXELS:
            one = self._strips[len(parts)]
            parts.append(_score_strip(one, segmenter))
            pixels += int(np.prod([stop - start for start, stop in one.check_box or ()]))
            if not self._chosen:
                self._choose_strips(time.perf_counter() - began, segmenter.decoder)
        if not parts:
            return None
        self._compare(len(parts))
        self._cost += time.perf_counter() - began
        total = add_scores(parts)
        self._latest[segmenter.decoder] = total
        self._checked = len({one.name for one in self._strips[: len(parts)]})
        self._run.metric(
            points_found=total.found,
            points_merged=total.merged,
            points_missed=total.missed,
            points_extra=total.extra,
            points_total=total.n_clicks,
            points_f1=total.point_f1,
        )
        return total

    def _compare(self, count: int) -> None:
        """Score the classical method on the same strips, each of them once a process."""
        for one in self._strips[len(self._compared) : count]:
            self._compared.append(_score_strip(one, ClassicalSegmenter(2)))
        self._latest[_CLASSICAL] = add_scores(self._compared[:count])

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

    def scores_for_card(self, decoder: str) -> list[ScoreOnData]:
        """The last scores of the decoder in use."""
        latest = self._latest.get(decoder)
        if latest is None:
            return []
        on = f"{latest.n_clicks} kept-back clicks of {self._checked} image{'s' * (self._checked != 1)}"
        values: dict[str, Any] = latest.as_dict()
        names = ("point_f1", "point_recall", "point_precision")
        return [ScoreOnData(name=name, value=round(float(values[name]), 4), on=on) for name in names]

    def classical_for_card(self, decoder: str) -> list[ScoreOnData]:
        """The classical method's scores, where they are of the same clicks."""
        ours, floor = self._latest.get(decoder), self._latest.get(_CLASSICAL)
        if ours is None or floor is None or ours.n_clicks != floor.n_clicks:
            return []
        return self.scores_for_card(_CLASSICAL)


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


def _middle(box: list[tuple[int, ...]]) -> tuple[tuple[int, int], ...]:
    """The middle of a box, at most 384 px a side."""
    centre = [(int(a) + int(b)) // 2 for a, b in box]
    half = [min(_PREVIEW_SIDE, int(b) - int(a)) // 2 for a, b in box]
    return tuple((max(0, c - h), c + max(1, h)) for c, h in zip(centre, half, strict=True))
