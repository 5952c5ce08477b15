"""AD-GAN on made-up images, flat and deep: runs, resumes exactly, continues, asks, chooses, stops on collapse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from napari_nucleidomain.contracts import NucleiError, StopRun
from napari_nucleidomain.contracts.events import GO_ON
from napari_nucleidomain.data.dataset import Dataset, open_dataset
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.inference.model_files import save_model
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.methods.adgan import SPEC
from napari_nucleidomain.methods.adgan.config import AdganConfig
from napari_nucleidomain.methods.adgan.consistency import Consistency, Judge
from napari_nucleidomain.methods.adgan.lessons import Crops
from napari_nucleidomain.methods.adgan.segment import load
from napari_nucleidomain.methods.adgan.sizes import Drawn, mask_of
from napari_nucleidomain.methods.adgan.train import rate_factor, train
from napari_nucleidomain.methods.adgan.watching import QUESTION, collapse

from .fake_run import FakeRun
from .scenes import discs

TINY: dict[str, Any] = {
    **SPEC.preset("quick").values,
    "width": 4,
    "width_volume": 2,
    "blocks": 1,
    "style_width": 8,
    "crop_px": 48,
    "crop_volume_px": 32,
    "crop_z": 24,
    "batch": 2,
    "pool": 3,
    "work_diameter_px": 12.0,
    "average_decay": 0.8,
    "precision": "32-true",
}


def config(**changes: Any) -> AdganConfig:
    return AdganConfig.model_validate({**TINY, **changes})


def fluorescence(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Bright nuclei on a dark ground, uint16."""
    rng = np.random.default_rng(seed)
    values = 300 + 2000.0 * (labels > 0) + rng.normal(0, 60, labels.shape)
    return np.clip(values, 0, 65535).astype(np.uint16)


def flat(folder: Path, count: int = 2) -> Dataset:
    (folder / "images").mkdir(parents=True)
    for k in range(count):
        tifffile.imwrite(folder / "images" / f"{k}.tif", fluorescence(discs(seed=k)[0], k))
    return open_dataset(folder)


def balls(seed: int = 0) -> np.ndarray:
    """(40, 64, 64) labels."""
    rng = np.random.default_rng(seed)
    z, y, x = np.mgrid[:40, :64, :64]
    labels = np.zeros((40, 64, 64), np.int32)
    for k, centre in enumerate([(10, 14, 14), (28, 20, 46), (14, 46, 22), (26, 48, 48)], 1):
        cz, cy, cx = np.array(centre) + rng.uniform(-2, 2, 3)
        labels[(z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 <= 64] = k
    return labels


def deep(folder: Path, size: tuple[float, float, float] | None = (1.0, 0.5, 0.5)) -> Dataset:
    (folder / "images").mkdir(parents=True)
    volume = fluorescence(balls())
    if size is not None:
        # Planes twice as far apart as pixels: every second one.
        meta = {"axes": "ZYX", "spacing": size[0], "unit": "um"}
        volume = volume[::2] if size[0] > size[1] else volume
        tifffile.imwrite(
            folder / "images" / "0.tif", volume, imagej=True, metadata=meta, resolution=(1 / size[2], 1 / size[1])
        )
    else:
        tifffile.imwrite(folder / "images" / "0.tif", volume, imagej=True, metadata={"axes": "ZYX"})
    return open_dataset(folder)


def _weights(run: FakeRun) -> dict[str, np.ndarray]:
    built = run.build()
    assert built is not None
    return dict(built[0])


@pytest.mark.parametrize("kind", ["flat", "deep"])
def test_a_stopped_training_goes_on_bit_for_bit(tmp_path: Path, kind: str) -> None:
    dataset = flat(tmp_path / "data") if kind == "flat" else deep(tmp_path / "data")
    steps, stop = (8, 5) if kind == "flat" else (4, 2)
    whole = FakeRun(tmp_path / "whole", steps=steps)
    train(whole, dataset, config())
    first = FakeRun(tmp_path / "parts", steps=steps, stop_at=("translate", stop))
    with pytest.raises(StopRun):
        train(first, dataset, config())
    second = FakeRun(tmp_path / "parts", steps=steps, saved=first.saved)
    train(second, dataset, config())
    ours, theirs = _weights(whole), _weights(second)
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    assert second.stages[0] == "sizes skipped"


@pytest.mark.parametrize("kind", ["flat", "deep"])
def test_a_model_is_kept_opened_and_finds_what_it_found(tmp_path: Path, kind: str) -> None:
    dataset = flat(tmp_path / "data") if kind == "flat" else deep(tmp_path / "data")
    run = FakeRun(tmp_path / "run", steps=3)
    train(run, dataset, config())
    built = run.build()
    assert built is not None
    weights, card = built
    save_model(tmp_path / "model", weights, card)
    assert card.ndim == (2 if kind == "flat" else 3)
    assert card.channels == 1
    assert card.trained_on["labels"] == 0
    assert 10 < (card.nucleus_diameter_px or 0) < 24
    image = open_image(dataset.examples()[0].image)
    segmenter = load(tmp_path / "model", card, "cpu")
    found = segment(image, segmenter, Scale(1.0, ""))
    assert found.labels.shape == tuple(image.spatial_shape)
    again = segment(image, load(tmp_path / "model", card, "cpu"), Scale(1.0, ""))
    assert np.array_equal(found.labels, again.labels)
    more = FakeRun(tmp_path / "more", steps=2, parent=tmp_path / "model")
    train(more, dataset, config())
    assert any(not np.array_equal(weights[name], other) for name, other in _weights(more).items())


def test_no_label_is_ever_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data"
    flat(folder)
    (folder / "labels").mkdir()
    for k in range(2):
        tifffile.imwrite(folder / "labels" / f"{k}.tif", discs(seed=k)[0].astype(np.uint16))
    dataset = open_dataset(folder)

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a label was read")

    for name in ("load_labels", "load_points", "load_regions", "load_corrections"):
        monkeypatch.setattr("napari_nucleidomain.data.example.Example." + name, forbidden)
    with_labels = FakeRun(tmp_path / "a", steps=3)
    train(with_labels, dataset, config())
    monkeypatch.undo()
    without = FakeRun(tmp_path / "b", steps=3)
    train(without, flat(tmp_path / "bare"), config())
    ours, theirs = _weights(with_labels), _weights(without)
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_it_asks_once_and_says_whether_somebody_has_looked(tmp_path: Path) -> None:
    dataset = flat(tmp_path / "data")
    run = FakeRun(tmp_path / "run", steps=14)
    train(run, dataset, config())
    assert list(run.asked) == [QUESTION]
    assert "px" in run.asked[QUESTION]
    card = run.build()[1]
    assert any("Unchecked" in note for note in card.notes)
    assert any("only 14 steps" in note for note in card.doubts())
    run.answers[QUESTION] = GO_ON
    assert not any("Unchecked" in note for note in run.build()[1].notes)
    quiet = FakeRun(tmp_path / "quiet", steps=14)
    train(quiet, dataset, config(ask=False))
    assert not quiet.asked


def test_previews_show_image_painting_drawn_mask_and_what_is_made_of_it(tmp_path: Path) -> None:
    shown: list[dict[str, np.ndarray]] = []

    class Watching(FakeRun):
        def preview(self, image: str, origin: tuple[int, ...], note: str = "", **arrays: np.ndarray) -> None:
            shown.append(arrays)
            super().preview(image, origin, note, **arrays)

    train(Watching(tmp_path / "run", steps=12), flat(tmp_path / "data"), config())
    assert {"labels", "picture", "painted", "synthetic_mask", "synthetic_image"} <= shown[0].keys()
    assert shown[0]["picture"].shape == shown[0]["painted"].shape
    assert shown[0]["synthetic_mask"].shape == shown[0]["synthetic_image"].shape == (48, 48)
    assert set(np.unique(np.round(shown[0]["synthetic_mask"], 2))) <= {-1.0, -0.0, 1.0}


def _seen(**changes: float) -> Consistency:
    usual = {
        "drawn_f1": 0.9,
        "agreement": 0.9,
        "certainty": 0.8,
        "share": 0.2,
        "bright_dice": 0.9,
        "bright_share": 0.2,
        "diameter": 1.0,
        "alike": 0.1,
    }
    return Consistency(**{**usual, **changes})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"share": 0.0}, "almost nothing"),
        ({"share": 0.99, "bright_share": 0.1}, "far more"),
        ({"bright_dice": 0.1}, "dark ground"),
        ({"alike": 0.999}, "the same"),
        ({"diameter": 3.0}, "as large"),
        ({"diameter": 0.0}, "as large"),
    ],
)
def test_a_collapse_is_recognised_and_says_what_to_do(changes: dict[str, float], says: str) -> None:
    drawn = Drawn(20, 15, 25, 20, 1.0, (2, 9), (20.0,), 50, 2)
    assert collapse(_seen(), drawn) is None
    wrong = collapse(_seen(**changes), drawn)
    assert wrong is not None
    assert says in wrong.message
    assert "rain anew" in wrong.hint


def test_a_collapsed_training_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_nucleidomain.methods.adgan.watching._FEWEST_STEPS", 1)
    monkeypatch.setattr(Judge, "look", lambda *_: _seen(share=0.0))
    run = FakeRun(tmp_path / "run", steps=40)
    with pytest.raises(NucleiError, match="collapsed"):
        train(run, flat(tmp_path / "data"), config())
    assert run.saved["steps"]["translate"] < 20


def test_the_most_consistent_state_becomes_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([0.1, 0.9] + [0.2] * 40)
    states: list[dict[str, torch.Tensor]] = []

    def look(_: Judge, generator: torch.nn.Module) -> Consistency:
        states.append({name: value.clone() for name, value in generator.state_dict().items()})
        return _seen(drawn_f1=next(looks))

    monkeypatch.setattr(Judge, "look", look)
    monkeypatch.setattr("napari_nucleidomain.methods.adgan.watching._CHOOSE_FROM", {2: 0.0, 3: 0.0})
    run = FakeRun(tmp_path / "run", steps=20)
    train(run, flat(tmp_path / "data"), config())
    weights, card = run.build()
    assert all(np.array_equal(weights[f"generator.{name}"], value.numpy()) for name, value in states[1].items())
    assert card.trained_on["state_after_steps"] < card.steps == 20
    last = FakeRun(tmp_path / "last", steps=20)
    monkeypatch.undo()
    train(last, flat(tmp_path / "again"), config(choose=False))
    assert last.build()[1].trained_on["state_after_steps"] == 20


def test_crops_cover_images_evenly_and_are_a_function_of_the_generator() -> None:
    works = [np.full((60, 60), -1.0, np.float32), np.full((60, 120), 1.0, np.float32)]
    crops = Crops(works, (24, 24), config())
    drawn = crops.draw(np.random.default_rng(0), 600)
    assert np.array_equal(drawn, crops.draw(np.random.default_rng(0), 600))
    assert 0.6 < float((drawn > 0).mean()) < 0.73
    small = Crops([np.arange(100, dtype=np.float32).reshape(10, 10)], (24, 24), config())
    assert small.draw(np.random.default_rng(0), 1).shape == (1, 24, 24)


def test_turned_crops_stay_in_range_and_show_the_image() -> None:
    work = np.tile(np.linspace(-1, 1, 80, dtype=np.float32), (80, 1))
    drawn = Crops([work], (32, 32), config(turn=30.0, flips=False, quarter_turns=False)).draw(
        np.random.default_rng(1), 40
    )
    assert drawn.shape == (40, 32, 32)
    assert -1 <= float(drawn.min()) < float(drawn.max()) <= 1
    straight = np.abs(np.diff(drawn, axis=1)).max((1, 2)) < 1e-6
    assert 0.25 < float(straight.mean()) < 0.75


def test_the_learning_rate_is_constant_and_then_falls_to_nothing() -> None:
    settings = AdganConfig()
    assert [rate_factor(settings, f) for f in (0, 0.5, 0.75, 1.0)] == [1.0, 1.0, 0.5, 0.0]
    assert rate_factor(config(constant=1.0), 1.0) == 1.0


def test_with_a_head_start_it_paints_nuclei_and_not_the_ground(tmp_path: Path) -> None:
    """From these random weights it took the ground for nuclei, before there was a head start."""
    dataset = flat(tmp_path / "data", 3)
    run = FakeRun(tmp_path / "run", steps=70)
    changes = {"width": 8, "rate": 2e-3, "form": "semantic", "batch": 4, "average_decay": 0.95, "choose": False}
    train(run, dataset, config(**changes, head_start=0.15))
    weights, card = run.build()
    save_model(tmp_path / "model", weights, card)
    truth = discs(seed=0)[0] > 0
    found = segment(open_image(dataset.examples()[0].image), load(tmp_path / "model", card, "cpu"), Scale(1.0, ""))
    mask = np.asarray(found.labels) > 0
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.75
    assert not any("dark ground" in note for note in card.notes)


def test_a_later_collapse_leaves_the_good_state_that_was_found_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([_seen()] + [_seen(share=0.0)] * 60)
    monkeypatch.setattr(Judge, "look", lambda *_: next(looks))
    monkeypatch.setattr("napari_nucleidomain.methods.adgan.watching._CHOOSE_FROM", {2: 0.0, 3: 0.0})
    monkeypatch.setattr("napari_nucleidomain.methods.adgan.watching._FEWEST_STEPS", 1)
    run = FakeRun(tmp_path / "run", steps=40)
    train(run, flat(tmp_path / "data"), config())
    card = run.build()[1]
    assert card.trained_on["state_after_steps"] < 10
    assert sum("is kept" in said for said in run.warnings) == 1
    assert any("looks wrong" in note for note in card.notes)


class Perfect(torch.nn.Module):
    """Paints what is bright white and the rest black, and the other way is the identity."""

    def forward(self, x: torch.Tensor, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return torch.where(x > 0, 1.0, -1.0) if bool(target[0, 1] > 0.5) else x


def sparse(shape: tuple[int, ...], nuclei: int, seed: int = 0) -> np.ndarray:
    """A work image in [-1, 1] with few nuclei 16 px across."""
    rng = np.random.default_rng(seed)
    image = rng.normal(-0.9, 0.03, shape).astype(np.float32)
    place = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1)
    for _ in range(nuclei):
        centre = [rng.uniform(9, n - 9) for n in shape]
        image[((place - centre) ** 2).sum(-1) <= 64] = 0.9
    return image


@pytest.mark.parametrize(
    ("shape", "nuclei", "images"),
    [
        ((600, 600), 3, 4),
        ((256, 256), 1, 8),
        ((192, 192), 6, 1),
        ((32, 64, 64), 3, 1),
        ((40, 160, 160), 4, 2),
        ((24, 40), 1, 1),
    ],
)
def test_a_perfect_painter_is_never_taken_for_a_collapse(shape: tuple[int, ...], nuclei: int, images: int) -> None:
    works = [sparse(shape, nuclei, seed) for seed in range(images)]
    crop = (96, 96) if len(shape) == 2 else (32, 64, 64)
    settings = config(form="semantic")
    drawn = Drawn(16, 14, 18, 16, 1.0, (1, 4), (16.0,) * images, 9, images)
    masks = mask_of(settings, drawn, crop, (1, 4))
    seen = Judge(works, masks, settings, 16.0, torch.device("cpu")).look(Perfect())  # type: ignore[arg-type]
    assert collapse(seen, drawn) is None
    assert seen.bright_dice > 0.95
    assert seen.agreement > 0.95


def test_what_is_painted_alike_over_pieces_that_differ_is_noticed() -> None:
    class Same(torch.nn.Module):
        def forward(self, x: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
            return torch.linspace(-1, 1, x.shape[-1]).expand(x.shape)

    works = [sparse((256, 256), 12, seed) for seed in range(3)]
    drawn = Drawn(16, 14, 18, 16, 1.0, (1, 4), (16.0,) * 3, 9, 3)
    masks = mask_of(config(), drawn, (96, 96), (1, 4))
    seen = Judge(works, masks, config(), 16.0, torch.device("cpu")).look(Same())  # type: ignore[arg-type]
    wrong = collapse(seen, drawn)
    assert wrong is not None
    assert "the same" in wrong.message
