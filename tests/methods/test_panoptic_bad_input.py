"""What a person gives the panoptic method that teaches nothing, or not what they think: it is said, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image as Picture

from napari_nucleidomain.contracts import NucleiError, StopRun
from napari_nucleidomain.data.dataset import Dataset, open_dataset
from napari_nucleidomain.data.example import Example
from napari_nucleidomain.data.known import UNKNOWN
from napari_nucleidomain.data.regions import Region, write_regions
from napari_nucleidomain.instances.scores import score_labels
from napari_nucleidomain.methods.panoptic import checking
from napari_nucleidomain.methods.panoptic.lessons import Lessons, load_outlined
from napari_nucleidomain.methods.panoptic.model import typical_diameter
from napari_nucleidomain.methods.panoptic.train import train
from napari_nucleidomain.methods.panoptic.views import Views, _target

from .fake_run import FakeRun
from .scenes import discs, stained, write_folder
from .test_panoptic_training import config, model_of


class Given:
    """One image and its outlines on disk, and what is said of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[str] = []
        self.hints: list[str] = []

    def example(self, truth: np.ndarray, name: str = "a", picture: np.ndarray | None = None, **more: Any) -> Example:
        Picture.fromarray(stained(truth) if picture is None else picture).save(self.folder / f"{name}.png")
        tifffile.imwrite(self.folder / f"{name}-labels.tif", truth.astype(np.uint16))
        more.setdefault("labels", self.folder / f"{name}-labels.tif")
        return Example(self.folder / f"{name}.png", **more)

    def lessons(self, *examples: Example, share: float = 0.0) -> Lessons:
        return load_outlined(Dataset(self.folder / "d.json", list(examples)), share, self._tell)

    def _tell(self, message: str, hint: str) -> None:
        self.told.append(message)
        self.hints.append(hint)


@pytest.fixture
def given(tmp_path: Path) -> Given:
    return Given(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    truth, clicks = discs(seed=0)
    write_folder(tmp_path / "data", [stained(truth)], [clicks], [truth])
    return tmp_path / "data"


def test_a_training_that_diverges_says_so_and_keeps_finite_weights(folder, tmp_path):
    run = FakeRun(tmp_path / "run", steps=60)
    wild = config(optimiser="sgd", rate=5000.0, schedule="drops", gradient_limit=0.0)
    with pytest.raises(NucleiError, match="diverged") as caught:
        train(run, open_dataset(folder), wild)
    assert "(rate)" in caught.value.hint and sum("was skipped" in one for one in run.warnings) == 1
    weights, card = run.build()
    assert card.steps < 50 and all(np.isfinite(one).all() for one in weights.values())


def grid(side: int, gap: int, square: int) -> np.ndarray:
    """Squares of so many pixels a side, one every `gap`."""
    truth = np.zeros((side, side), np.int32)
    corners = [(y, x) for y in range(gap // 2, side - square, gap) for x in range(gap // 2, side - square, gap)]
    for number, (y, x) in enumerate(corners):
        truth[y : y + square, x : x + square] = number + 1
    return truth


def test_specks_are_left_out_before_nuclei_are_counted_and_measured(given):
    truth, _ = discs(side=300, seed=1)
    count = int(truth.max())
    specks = grid(300, 13, 1)
    specks[(truth > 0) | (specks > 400)] = 0
    alone = typical_diameter(given.lessons(given.example(truth)).teach)
    several = given.example(np.where(specks > 0, specks + count, truth), "b", stained(truth))
    (one,) = given.lessons(several).teach
    there = len(np.unique(specks[specks > 0]))
    assert there > count, "the median would be a speck's"
    assert given.told == [f"b: {there} outlines of less than 8 pixels are left out."]
    assert one.nuclei == count and typical_diameter([one]) == alone > 15
    assert (one.known[specks > 0] == UNKNOWN).all(), "neither nucleus nor background"


def test_only_specks_are_refused_with_the_reason(given):
    with pytest.raises(NucleiError, match=r"Only 0 outlined nuclei.* 100 outlines of less than 8 pixels") as caught:
        given.lessons(given.example(grid(200, 19, 1)))
    assert "enlarge the image" in caught.value.hint


def test_small_nuclei_teach_where_they_lie_whole_in_a_crop(given):
    lessons = given.lessons(given.example(grid(200, 10, 3)))
    assert lessons.teach[0].nuclei == 400 and not given.told
    shrunk = config(turn=0.0, zoom_least=0.6, zoom_most=0.6, flips=False, batch=1)
    for settings in (config(turn=0.0, zoom_least=1.0, zoom_most=1.0, batch=1), shrunk):
        _, (target,) = Views(lessons.teach, settings, torch.device("cpu")).draw(np.random.default_rng(0))
        assert len(target.boxes) >= 8 * 8
        low, high = target.boxes[:, :2].amin(1), target.boxes[:, 2:].amax(1)
        inside = (low > 0) & (high < target.labels.shape[0])
        assert inside.sum() >= 8 * 8


def test_crumbs_at_the_edge_of_what_is_seen_are_unknown():
    plane = torch.zeros(20, 20)
    plane[:2, 5:8], plane[9:12, 9:12], plane[5:7, 0:2], plane[15:17, 15:18] = 1, 2, 3, 4
    plane[17:, 14:] = UNKNOWN
    plane[3:5, 10:12] = 5
    target = _target(plane)
    assert len(target.boxes) == 2
    kept = target.labels > 0
    assert torch.equal(kept, (plane == 2) | (plane == 5))
    assert torch.equal(target.labels == 0, plane == 0)


def test_outlines_that_the_region_cuts_are_named_where_too_few_are_left(given):
    truth, _ = discs(seed=0)
    for corner, side, said in (
        (20, 14, "25 outlines, none of which lies"),
        (0, 62, "of 25 outlines only 4 lie wholly"),
    ):
        regions = write_regions([Region.box(corner, corner, corner + side, corner + side)], given.folder / "r.geojson")
        with pytest.raises(NucleiError, match=said) as caught:
            given.lessons(given.example(truth, regions=regions))
        assert "Enlarge the region" in caught.value.hint
    assert len(given.told) == 1, "a region smaller than the outlined part is nothing to warn of"


def patients(given: Given, of_each: list[int]) -> list[Example]:
    """Images of discs; the k-th patient has `of_each[k]`."""
    owners = [k for k, count in enumerate(of_each) for _ in range(count)]
    return [
        given.example(discs(seed=n)[0], f"i{n}", group=f"patient {k}" if k else "patient") for n, k in enumerate(owners)
    ]


@pytest.mark.parametrize("of_each", [[5, 5, 5, 5], [1, 3, 8, 2], [2, 2, 2]])
def test_a_patient_teaches_or_checks_as_a_whole(given, of_each):
    lessons = given.lessons(*patients(given, of_each), share=0.2)
    teach, check = ({one.group for one in part} for part in (lessons.teach, lessons.check))
    assert lessons.kept_back and check and not teach & check and len(teach | check) == len(of_each)
    kept, total = (sum(one.nuclei for one in part) for part in (lessons.check, lessons.check + lessons.teach))
    assert 0.1 * total <= kept <= 0.4 * total
    assert not lessons.known_source


def test_the_card_says_where_a_strip_is_of_the_same_patient(given, tmp_path):
    run = FakeRun(tmp_path / "run", steps=1)
    data = Dataset(given.folder / "d.json", patients(given, [1, 1]))
    train(run, data, config())
    card = run.build()[1]
    assert card.scores and all(one.on.endswith("of a patient or slide that it learned from") for one in card.scores)
    alone = [one.changed(group="") for one in data.all]
    lessons = given.lessons(*alone, share=0.2)
    assert lessons.kept_back and not lessons.known_source


def test_images_for_checking_that_cannot_check_are_named(given):
    truth, _ = discs(seed=0)
    grey = given.example(truth, "grey", stained(truth)[..., 0], split="val")
    lessons = given.lessons(given.example(truth), grey, share=0.2)
    assert lessons.kept_back
    assert given.told == [
        "grey: it is for checking and left out, since it has 1 channel and the training images have 3."
    ]


def test_the_last_score_is_on_all_images_for_checking_or_says_of_how_many(given, tmp_path, monkeypatch):
    images = [given.example(discs(seed=k)[0], f"i{k}", split="val" if k else "train") for k in range(5)]
    data = Dataset(given.folder / "d.json", images)
    pixels = discs()[0].size
    monkeypatch.setattr(checking, "_CHECK_PIXELS", 2 * pixels)
    on, looked_at = [], []
    perfect = score_labels(discs()[0], discs()[0], hausdorff=False)
    monkeypatch.setattr(checking, "score_outlined", lambda *which: looked_at.append(which[0].name) or perfect)
    for most in (4, 2):
        monkeypatch.setattr(checking, "_LAST_PIXELS", most * pixels)
        run = FakeRun(tmp_path / str(most), steps=2)
        train(run, data, config(average_decay=0.0))
        on.append({one.on for part in (run.build()[1].scores, run.build()[1].classical) for one in part})
    assert on == [{"100 outlines of 4 images for checking"}, {"50 outlines of 2 of 4 images for checking"}]
    # Twice each, by the network and by the classical method; on the way only half of them.
    assert looked_at[:4] == ["i1", "i3"] * 2
    assert {one: looked_at.count(one) for one in looked_at}["i2"] == 2


def test_boxes_asked_for_where_a_model_is_continued_are_told_of(folder, tmp_path):
    first = FakeRun(tmp_path / "first", steps=1)
    train(first, open_dataset(folder), config(anchor_px=40.0))
    assert first.hints == ["Choose anchor_px=0, which takes the size of your nuclei."]
    parent = model_of(first, tmp_path / "large")
    for asked, told in (
        (8.0, ["anchor_px = 8 is not used: a model that is continued keeps the boxes it has learned"]),
        (0.0, []),
    ):
        run = FakeRun(tmp_path / str(asked), steps=1, parent=parent, stop_at=("detector", 0))
        with pytest.raises(StopRun):
            train(run, open_dataset(folder), config(anchor_px=asked))
        assert run.build()[1].config["anchor_px"] == 40
        *others, small = run.warnings
        assert [one[: len(told[0])] for one in others] == told
        assert "smallest box to begin with is 40 px" in small and "Begin a new model" in run.hints[-1]
