"""What is told of a training is one scoring of what was saved: last event, last preview, card and words agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_nucleidomain.contracts import ModelCard, StopRun
from napari_nucleidomain.contracts.files import read_json, write_json
from napari_nucleidomain.data.dataset import open_dataset
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.inference.model_files import save_model
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.methods.adgan import segment as adgan_segment
from napari_nucleidomain.methods.adgan.train import train as train_adgan
from napari_nucleidomain.methods.panoptic import segment as panoptic_segment
from napari_nucleidomain.methods.panoptic.checking import score_outlined
from napari_nucleidomain.methods.panoptic.lessons import load_outlined
from napari_nucleidomain.methods.panoptic.train import train as train_panoptic
from napari_nucleidomain.methods.spn_ien import checking as spn_checking
from napari_nucleidomain.methods.spn_ien import segment as spn_segment
from napari_nucleidomain.methods.spn_ien.checking import Checker
from napari_nucleidomain.methods.spn_ien.clicked import load_clicked
from napari_nucleidomain.methods.spn_ien.train import train as train_spn
from napari_nucleidomain.widgets.train_words import own_sentence, quality_sentence
from napari_nucleidomain.widgets.wording import checked_sentence

from . import test_adgan_training, test_panoptic_training, test_spn_ien_training
from .fake_run import FakeRun
from .scenes import discs, stained, write_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    truths = [discs(seed=k) for k in (0, 1)]
    where = tmp_path_factory.mktemp("scoring") / "data"
    pictures = [stained(t, k) for k, (t, _) in enumerate(truths)]
    write_folder(where, pictures, [c for _, c in truths], [t for t, _ in truths])
    return where


def last_told(run: FakeRun, prefix: str) -> dict[str, float]:
    """The last event that tells scores."""
    return next(one for one in reversed(run.metrics) if any(name.startswith(prefix) for name in one))


def saved(run: FakeRun, folder: Path) -> tuple[Path, ModelCard]:
    weights, card = run.build()
    return save_model(folder, weights, card), card


def same_preview(run: FakeRun, model: Any) -> None:
    image, origin, labels = run.previews[-1]
    box = tuple((start, start + side) for start, side in zip(origin, labels.shape, strict=True))
    np.testing.assert_array_equal(labels, segment(open_image(image), model, Scale(1.0, ""), box=box).labels)


def agree(card: ModelCard, told: dict[str, float]) -> None:
    assert card.checked == told
    assert quality_sentence(card, {}) == quality_sentence(card, {"points_found": 9, "points_total": 9}) != ""
    assert quality_sentence(card, {}) == checked_sentence(told)


@pytest.mark.parametrize(("wish", "stop"), [("auto", None), ("components", None), ("auto", ("IEN", 5))])
def test_spn_ien(folder: Path, tmp_path: Path, wish: str, stop: tuple[str, int] | None) -> None:
    config = test_spn_ien_training.config(decoder=wish)
    run = FakeRun(tmp_path / "run", steps=12, stop_at=stop)
    if stop:
        with pytest.raises(StopRun):
            train_spn(run, open_dataset(folder), config)
    else:
        train_spn(run, open_dataset(folder), config)
    place, card = saved(run, tmp_path / "model")
    told = last_told(run, "points_")
    agree(card, told)
    model = spn_segment.load(place, card, "cpu")
    assert card.config["decoder"] == model.decoder and (wish == "auto" or stop or model.decoder == wish)
    # The saved model, scored once more on what was kept back.
    strips = [one for one in load_clicked(open_dataset(folder), config, lambda *_: None) if one.check_box is not None]
    again = spn_checking.add_scores([spn_checking._score_strip(one, model) for one in strips])
    assert spn_checking._told(again) == told
    by_name = {score.name: score.value for score in card.scores}
    assert by_name["point_f1"] == round(told["points_f1"], 4) == round(again.point_f1, 4)
    assert by_name["point_recall"] == round(told["points_found"] / told["points_total"], 4)
    assert "after" not in card.scores[0].on
    same_preview(run, model)


def test_spn_ien_in_a_hurry_says_of_which_state_its_score_is(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spn_checking, "_HURRY_SECONDS", -1.0)
    run = FakeRun(tmp_path / "run", steps=16, stop_at=("SPN", 6))
    with pytest.raises(StopRun):
        train_spn(run, open_dataset(folder), test_spn_ien_training.config())
    _, card = saved(run, tmp_path / "model")
    assert card.scores[0].on.endswith(" of 6 steps") and card.checked == last_told(run, "points_")
    words = quality_sentence(card, {})
    assert words.startswith(checked_sentence(card.checked or {})) and words.endswith(" of 6 steps")


@pytest.mark.parametrize("stop", [None, ("detector", 5)])
def test_panoptic(folder: Path, tmp_path: Path, stop: tuple[str, int] | None) -> None:
    config = test_panoptic_training.config()
    run = FakeRun(tmp_path / "run", steps=8, stop_at=stop)
    if stop:
        with pytest.raises(StopRun):
            train_panoptic(run, open_dataset(folder), config)
    else:
        train_panoptic(run, open_dataset(folder), config)
    place, card = saved(run, tmp_path / "model")
    told = last_told(run, "outlines_")
    agree(card, told)
    model = panoptic_segment.load(place, card, "cpu")
    lessons = load_outlined(open_dataset(folder), config.keep_back, lambda *_: None)
    counts = [score_outlined(one, model).at[0.5] for one in lessons.check]
    assert sum(one.tp for one in counts) == told["outlines_found"]
    assert sum(one.fp for one in counts) == told["outlines_extra"]
    assert {score.name: score.value for score in card.scores}["object_f1"] == round(told["outlines_f1"], 4)
    assert "after" not in card.scores[0].on
    same_preview(run, model)


def test_adgan(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "run", steps=12)
    train_adgan(run, test_adgan_training.flat(tmp_path / "data"), test_adgan_training.config(choose=True))
    place, card = saved(run, tmp_path / "model")
    told = last_told(run, "images_")
    assert card.checked == told and own_sentence(card, {}) == own_sentence(None, told) != ""
    same_preview(run, adgan_segment.load(place, card, "cpu"))
    chosen = card.trained_on["state_after_steps"]
    judged = [one for one in run.metrics if "images_drawn_f1" in one]
    assert chosen == 12 or told != judged[-2], "of the state that was chosen, not of the last one"


def test_a_checkpoint_and_a_card_from_before_are_read(tmp_path: Path) -> None:
    checker = Checker(FakeRun(tmp_path), [])  # type: ignore[arg-type]
    checker.load_state_dict({"latest": {}, "marks_passed": 0, "checked": 1})
    old = {
        "name": "m",
        "method": "spn-ien",
        "scores": [{"name": "point_f1", "value": 0.78, "on": "9 kept-back clicks"}],
    }
    write_json(tmp_path / "card.json", {"schema_version": 1, **old})
    card = ModelCard.model_validate(read_json(tmp_path / "card.json"))
    other = {"points_found": 9.0, "points_total": 9.0, "points_f1": 1.0}
    assert quality_sentence(card, other) == "quality (F1) 0.78 on 9 kept-back clicks"
    assert quality_sentence(card, {**other, "points_found": 7.0, "points_f1": 0.78}) == "7 of 9 found"
    assert quality_sentence(None, other) == "9 of 9 found", "the model is gone, its events are there"
