"""The checks on kept-back clicks: what they count, and which way of telling nuclei apart follows from them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from napari_nucleidomain.contracts import ModelCard, ScoreOnData
from napari_nucleidomain.data.keepback import keep_back
from napari_nucleidomain.inference.classical import ClassicalSegmenter
from napari_nucleidomain.instances.pointscores import PointScores
from napari_nucleidomain.methods.spn_ien import checking
from napari_nucleidomain.methods.spn_ien.checking import Checker
from napari_nucleidomain.methods.spn_ien.clicked import Clicked


def crowded(seed: int, side: int = 220) -> np.ndarray:
    """Labels of discs that nearly touch, anywhere: many lie across the strip's edge."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    labels = np.zeros((side, side), np.int32)
    for number, (r, c) in enumerate(np.argwhere(np.ones((side // 20, side // 20))) * 20 + 10, start=1):
        r, c = r + rng.uniform(-4, 4), c + rng.uniform(-4, 4)
        labels[((rows - r) ** 2 + (columns - c) ** 2 <= 64) & (labels == 0)] = number
    return labels


def kept_back(labels: np.ndarray, seed: int) -> Clicked:
    """Clicks anywhere in each nucleus, a fifth of them kept back."""
    rng = np.random.default_rng(seed)
    points = np.array([rng.choice(np.argwhere(labels == number)) for number in np.unique(labels)[1:]], float)
    box, checks, mask, inside, rest = keep_back(points, np.ones(labels.shape, bool), 0.2)
    image = SimpleNamespace(spatial_shape=labels.shape)
    pixels = np.zeros((*labels.shape, 1), np.float32)
    return Clicked("a", "a", image, pixels, rest, inside, box, checks, mask, None)  # type: ignore[arg-type]


class Run:
    """The part of a run that checks ask for."""

    seconds: float = 0.0
    minutes: float | None = None
    parent = None

    def __init__(self) -> None:
        self.metrics: list[dict[str, float]] = []

    def metric(self, **values: float) -> None:
        self.metrics.append(values)


@pytest.mark.parametrize("seed", range(4))
def test_the_truth_is_never_marked_down(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = crowded(seed)
    one = kept_back(labels, seed)
    assert one.check_box is not None

    def found(image: object, segmenter: object, scale: object, *, box: tuple[tuple[int, int], ...]) -> SimpleNamespace:
        return SimpleNamespace(labels=labels[tuple(slice(*side) for side in box)])

    monkeypatch.setattr(checking, "segment", found)
    segmenter = SimpleNamespace(decoder="ien", spec=SimpleNamespace(diameter_px=17.0))
    run = Run()
    checker = Checker(run, [one])  # type: ignore[arg-type]
    scores = checker.score(segmenter)  # type: ignore[arg-type]
    assert scores is not None
    assert scores.n_clicks == len(one.check_points) == scores.found
    assert scores.extra == scores.merged == scores.missed == 0
    assert run.metrics[-1]["points_f1"] == 1.0
    assert "of 1 image" in checker.scores_for_card("ien")[0].on
    # An invented nucleus within the strip does count.
    strip = labels[tuple(slice(*side) for side in one.check_box)]
    free = np.argwhere(strip == 0)
    strip[tuple(free[len(free) // 2])] = labels.max() + 1
    again = checker.score(segmenter)  # type: ignore[arg-type]
    assert again is not None
    assert (again.found, again.extra) == (scores.found, 1)


def test_few_minutes_check_few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = crowded(1)
    images = [replace(kept_back(labels, seed), name=f"image {seed}") for seed in range(12)]
    clock = iter(range(0, 10_000, 1))
    monkeypatch.setattr(checking.time, "perf_counter", lambda: float(next(clock)))

    def found(image: object, segmenter: object, scale: object, *, box: tuple[tuple[int, int], ...]) -> SimpleNamespace:
        return SimpleNamespace(labels=labels[tuple(slice(*side) for side in box)])

    monkeypatch.setattr(checking, "segment", found)
    for minutes, decoder, checked in ((1.0, "ien", 3), (1.0, "watershed", 1), (3.0, "ien", 6), (None, "ien", 12)):
        run = Run()
        run.minutes = minutes
        checker = Checker(run, images)  # type: ignore[arg-type]
        segmenter = SimpleNamespace(decoder=decoder, spec=SimpleNamespace(diameter_px=17.0))
        first = checker.score(segmenter)  # type: ignore[arg-type]
        second = checker.score(segmenter)  # type: ignore[arg-type]
        assert first == second, "all checks of a run are of the same images"
        assert f"of {checked} image" in checker.scores_for_card(decoder)[0].on


def scored(f1: float) -> PointScores:
    return PointScores(100, 80, 10, 10, 5, 95, f1, f1, f1)


@pytest.mark.parametrize(
    ("ien", "plain", "chosen"),
    [(0.60, 0.625, "ien"), (0.60, 0.64, "watershed"), (0.7, 0.5, "ien"), (0.6, None, "ien"), (None, 0.6, "ien")],
)
def test_the_second_network_unless_the_first_is_clearly_better(
    ien: float | None, plain: float | None, chosen: str
) -> None:
    checker = Checker(Run(), [])  # type: ignore[arg-type]
    latest = {"ien": ien, "watershed": plain}
    state = {name: scored(value).as_dict() for name, value in latest.items() if value is not None}
    checker.load_state_dict({"latest": state, "marks_passed": 0, "checked": 1})
    assert checker.choose("auto", True)[0] == chosen
    assert checker.choose("auto", False)[0] == "watershed"
    surely = plain is not None and ien is not None and ien > plain + 0.03
    assert checker.choose("auto", True, seasoned=False)[0] == ("ien" if surely else "watershed")
    assert checker.choose("ien", True, seasoned=False) == ("ien", []), "who asks for it gets it"
    assert checker.choose("components", True) == ("components", [])
    assert checker.choose("ien", False)[0] == "watershed"


@pytest.mark.parametrize("wish", ["auto", "ien"])
def test_a_variant_of_one_network_is_not_called_untrained(wish: str) -> None:
    decoder, notes = Checker(Run(), []).choose(wish, False, two_stages=False)  # type: ignore[arg-type]
    assert decoder == "components"
    assert "not trained" not in " ".join(notes)


def test_the_classical_method_is_scored_on_the_same_clicks(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = crowded(3)
    one = kept_back(labels, 3)

    def found(image: object, segmenter: object, scale: object, *, box: tuple[tuple[int, int], ...]) -> SimpleNamespace:
        part = labels[tuple(slice(*side) for side in box)]
        return SimpleNamespace(labels=part if isinstance(segmenter, ClassicalSegmenter) else np.zeros_like(part))

    monkeypatch.setattr(checking, "segment", found)
    checker = Checker(Run(), [one])  # type: ignore[arg-type]
    checker.score(SimpleNamespace(decoder="ien", spec=SimpleNamespace(diameter_px=17.0)))  # type: ignore[arg-type]
    ours, floor = checker.scores_for_card("ien"), checker.classical_for_card("ien")
    assert (ours[0].value, floor[0].value) == (0.0, 1.0)
    assert floor[0].on == ours[0].on
    card = ModelCard(name="m", method="spn-ien", scores=ours, classical=floor)
    for score in ours:
        score.on = "40 kept-back clicks of 1 image"
    told = card.model_copy(update={"scores": ours}).verdict()
    assert told.startswith("On your kept-back clicks the classical method does better: 1.00 against 0.00")
    assert checker.classical_for_card("watershed") == [], "that decoder was not scored"


@pytest.mark.parametrize(
    ("ours", "floor", "said"),
    [(0.761, 0.794, "does better: 0.79 against 0.76"), (0.761, 0.758, "does as well: 0.76"), (0.8, 0.7, "")],
)
def test_the_card_says_where_training_gained_nothing(ours: float, floor: float, said: str) -> None:
    def score(value: float) -> ScoreOnData:
        return ScoreOnData(name="point_f1", value=value, on="40 kept-back clicks of 1 image")

    verdict = ModelCard(name="m", method="spn-ien", scores=[score(ours)], classical=[score(floor)]).verdict()
    assert said in verdict and bool(verdict) is bool(said)
    assert ModelCard(name="m", method="spn-ien", scores=[score(ours)]).verdict() == ""


def test_a_handful_of_clicks_is_no_reason_to_change_the_method() -> None:
    def card(floor: float, clicks: int) -> ModelCard:
        on = f"{clicks} kept-back clicks of 1 image"
        scores = [[ScoreOnData(name="point_f1", value=value, on=on)] for value in (0.6, floor)]
        return ModelCard(name="m", method="spn-ien", scores=scores[0], classical=scores[1])

    assert card(0.62, 20).verdict() and not card(0.62, 20).caution()
    assert not card(0.62, 19).verdict() and "19 clicks kept back: too few" in card(0.62, 19).caution()
    assert not card(0.5, 19).caution(), "the model is better"


def test_the_model_before_is_scored_on_the_same_clicks(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = crowded(1)
    one = kept_back(labels, 1)
    half = np.where(labels % 2, labels, 0)
    before = SimpleNamespace(decoder="ien", spec=SimpleNamespace(diameter_px=17.0))

    def found(image: object, segmenter: object, scale: object, *, box: tuple[tuple[int, int], ...]) -> SimpleNamespace:
        return SimpleNamespace(labels=(half if segmenter is before else labels)[tuple(slice(*side) for side in box)])

    monkeypatch.setattr(checking, "segment", found)
    checker = Checker(Run(), [one])  # type: ignore[arg-type]
    checker._previewer._parent = before  # type: ignore[assignment]
    checker.score(SimpleNamespace(decoder="ien", spec=before.spec))  # type: ignore[arg-type]
    now, old = checker.scores_for_card("ien"), checker.before_for_card("ien")
    assert [one.name for one in old] == [one.name for one in now] and old[0].on == now[0].on
    assert now[1].value == 1.0, "recall"
    assert 0.2 < old[1].value < 0.8, "every other nucleus"
    assert checker.before_for_card("watershed") == []
