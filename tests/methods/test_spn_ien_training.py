"""The whole method on made-up images: learns, resumes exactly, continues, refuses what will not do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_nucleidomain.contracts import NucleiError, StopRun
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.regions import Region, write_regions
from napari_nucleidomain.inference.model_files import save_model
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.instances.scores import score_labels
from napari_nucleidomain.methods.spn_ien import SPEC
from napari_nucleidomain.methods.spn_ien.clicked import load_clicked
from napari_nucleidomain.methods.spn_ien.config import SpnIenConfig
from napari_nucleidomain.methods.spn_ien.folds import cross_validation, fold_of_each
from napari_nucleidomain.methods.spn_ien.segment import load
from napari_nucleidomain.methods.spn_ien.train import train

from .fake_run import FakeRun
from .scenes import discs, stained, write_folder

TINY = {
    **SPEC.preset("quick").values,
    "width": 8,
    "depth": 2,
    "crop_px": 64,
    "halo_px": 16,
    "batch": 2,
    "average_decay": 0.8,
    "precision": "32-true",
}


def config(**changes: Any) -> SpnIenConfig:
    return SpnIenConfig.model_validate({**TINY, **changes})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    truths = [discs(seed=k) for k in (0, 1)]
    write_folder(
        tmp_path / "data",
        [stained(t, k) for k, (t, _) in enumerate(truths)],
        [c for _, c in truths],
        [t for t, _ in truths],
    )
    return tmp_path / "data"


def dataset(folder: Path) -> Any:
    from napari_nucleidomain.data.dataset import open_dataset

    return open_dataset(folder)


def trained(folder: Path, run: FakeRun, settings: SpnIenConfig) -> tuple[dict[str, np.ndarray], Any]:
    train(run, dataset(folder), settings)
    made = run.build()
    assert made is not None
    return made


def test_learns_to_find_discs(folder: Path, tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "run", steps=70)
    weights, card = trained(folder, run, config())
    assert {name.partition(".")[0] for name in weights} == {"spn", "ien"}
    assert run.stages == ["labels", "SPN", "instances", "IEN"]
    assert run.previews
    assert any("points_f1" in values for values in run.metrics)
    assert card.nucleus_diameter_px == pytest.approx(16, abs=4)
    model = save_model(tmp_path / "model", weights, card)
    truth, _ = discs(seed=9)
    picture = open_image(stained(truth, 9))
    for decoder in ("ien", "watershed", "components"):
        again = card.model_copy(update={"config": {**card.config, "decoder": decoder}})
        found = segment(picture, load(model, again, "cpu"), Scale(1.0, ""))
        assert score_labels(found.labels, truth, hausdorff=False).aji > 0.5, decoder
        assert len(found.scores) == found.labels.max()
        assert (found.scores <= 1).all()
        assert (found.uncertainty >= 0).all()


@pytest.mark.parametrize("where", [("SPN", 3), ("IEN", 2)])
def test_resumes_exactly(folder: Path, tmp_path: Path, where: tuple[str, int]) -> None:
    whole, _ = trained(folder, FakeRun(tmp_path / "whole", steps=10), config())
    cut = FakeRun(tmp_path / "cut", steps=10, stop_at=where)
    with pytest.raises(StopRun):
        train(cut, dataset(folder), config())
    again = FakeRun(tmp_path / "cut", steps=10, saved=cut.saved)
    resumed, _ = trained(folder, again, config())
    assert "labels skipped" in again.stages
    assert whole.keys() == resumed.keys()
    for name, value in whole.items():
        np.testing.assert_array_equal(value, resumed[name], err_msg=name)


def test_a_stop_leaves_a_model_that_predicts(folder: Path, tmp_path: Path) -> None:
    cut = FakeRun(tmp_path / "run", steps=10, stop_at=("SPN", 3))
    with pytest.raises(StopRun):
        train(cut, dataset(folder), config())
    made = cut.build()
    assert made is not None
    weights, card = made
    assert card.config["decoder"] == "watershed"
    assert card.notes
    model = load(save_model(tmp_path / "model", weights, card), card, "cpu")
    segment(open_image(stained(discs(70)[0])), model, Scale(1.0, ""))


@pytest.mark.parametrize("variant", ["spn", "baseline", "fully"])
def test_rows_of_table_2(folder: Path, tmp_path: Path, variant: str) -> None:
    run = FakeRun(tmp_path / "run", steps=4)
    weights, _ = trained(folder, run, config(variant=variant))
    assert any(name.startswith("ien.") for name in weights) == (variant == "fully")


def test_previews_show_what_the_model_before_found(folder: Path, tmp_path: Path) -> None:
    first = FakeRun(tmp_path / "a", steps=20)
    weights, card = trained(folder, first, config())
    assert set(first.before) == {None}
    model = save_model(tmp_path / "model", weights, card)
    run = FakeRun(tmp_path / "b", steps=20, parent=model)
    trained(folder, run, config())
    image, origin, labels = run.previews[0]
    box = tuple((start, start + side) for start, side in zip(origin, labels.shape, strict=True))
    found = segment(open_image(image), load(model, card, "cpu"), Scale(1.0, ""), box=box)
    assert found is not None and run.before[0] is not None
    np.testing.assert_array_equal(run.before[0], found.labels)


def test_continues_from_a_model_and_refuses_another(folder: Path, tmp_path: Path) -> None:
    weights, card = trained(folder, FakeRun(tmp_path / "a", steps=4), config())
    model = save_model(tmp_path / "model", weights, card)
    run = FakeRun(tmp_path / "b", steps=2, parent=model)
    _, next_card = trained(folder, run, config())
    assert next_card.parent == "model"
    assert [one.name for one in next_card.before] == [one.name for one in next_card.scores]
    assert {one.on for one in next_card.before} == {one.on for one in next_card.scores}
    with pytest.raises(NucleiError, match="other networks"):
        train(FakeRun(tmp_path / "c", steps=2, parent=model), dataset(folder), config(width=16))
    grey = discs(seed=0)
    other = write_folder(tmp_path / "grey", [stained(grey[0])[..., 0]], [grey[1]], [grey[0]])
    with pytest.raises(NucleiError, match="channel"):
        train(FakeRun(tmp_path / "d", steps=2, parent=model), other, config())
    save_model(tmp_path / "otsu", weights, card.model_copy(update={"method": "otsu"}))
    with pytest.raises(NucleiError, match="otsu"):
        train(FakeRun(tmp_path / "e", steps=2, parent=tmp_path / "otsu"), dataset(folder), config())


def test_nothing_more_learned_predicts_as_before(folder: Path, tmp_path: Path) -> None:
    weights, card = trained(folder, FakeRun(tmp_path / "a", steps=12), config())
    model = save_model(tmp_path / "model", weights, card)
    truth, clicks = discs(seed=5, radius=6)
    paler = np.clip(stained(truth, 5).astype(int) + 12, 0, 255).astype(np.uint8)
    other = write_folder(tmp_path / "other", [paler], [clicks], [truth])
    run = FakeRun(tmp_path / "b", steps=10, parent=model, stop_at=("SPN", 0))
    with pytest.raises(StopRun):
        train(run, other, config())
    again_weights, again_card = run.build()
    again = save_model(tmp_path / "again", again_weights, again_card)
    picture = open_image(stained(discs(seed=9)[0], 9))
    old, new = (
        segment(picture, load(path, one, "cpu"), Scale(1.0, "")) for path, one in ((model, card), (again, again_card))
    )
    assert old.labels.max() > 0
    np.testing.assert_array_equal(old.labels, new.labels)
    np.testing.assert_array_equal(old.scores, new.scores)
    assert again_card.parent == "model"
    assert any("unchanged" in note for note in again_card.notes)


def test_a_continued_model_keeps_its_brightness_unless_the_images_differ(folder: Path, tmp_path: Path) -> None:
    weights, card = trained(folder, FakeRun(tmp_path / "a", steps=2), config())
    model = save_model(tmp_path / "model", weights, card)
    truth, clicks = discs(seed=5)
    like = stained(truth, 5)
    paler = np.clip(like.astype(int) + 12, 0, 255).astype(np.uint8)
    for name, picture, kept in (("paler", paler, True), ("inverted", 255 - like, False)):
        data = write_folder(tmp_path / name, [picture], [clicks], [truth])
        run = FakeRun(tmp_path / f"run {name}", steps=2, parent=model)
        train(run, data, config())
        after = run.build()[1].normalisation
        assert (after["mean"] == card.normalisation["mean"]) == kept, name
        assert (after["std"] == card.normalisation["std"]) == kept, name
        assert any("differ much in brightness" in message for message in run.warnings) != kept, name


def test_grey_16_bit_and_two_channels(tmp_path: Path) -> None:
    import tifffile

    truth, clicks = discs()
    bright = np.where(truth > 0, 3000, 300).astype(np.uint16)
    for name, picture in (("grey", bright), ("two", np.stack([bright, bright // 2]))):
        data = write_folder(tmp_path / name, [stained(truth)], [clicks], [truth])
        (tmp_path / name / "images" / "0.png").unlink()
        axes = {"axes": "CYX" if picture.ndim == 3 else "YX"}
        tifffile.imwrite(tmp_path / name / "images" / "0.ome.tif", picture, metadata=axes, ome=True)
        data = dataset(tmp_path / name)
        _, card = trained(tmp_path / name, FakeRun(tmp_path / f"run {name}", steps=2), config())
        assert card.channels == (2 if name == "two" else 1)
        assert len(data) == 1


def test_too_few_clicks_are_refused(tmp_path: Path) -> None:
    truth, clicks = discs()
    data = write_folder(tmp_path, [stained(truth)], [clicks[:7]], [truth])
    with pytest.raises(NucleiError, match=r"Only 7 clicks; 20 is the least"):
        train(FakeRun(tmp_path / "run"), data, config())
    (tmp_path / "points" / "0.csv").unlink()
    with pytest.raises(NucleiError, match="Only 0 clicks"):
        train(FakeRun(tmp_path / "run"), dataset(tmp_path), config())


def test_a_region_bounds_what_is_read_and_taught(tmp_path: Path) -> None:
    truth, clicks = discs(400, 26, 8)
    write_folder(tmp_path, [stained(truth)], [clicks], [truth])
    (tmp_path / "regions").mkdir()
    write_regions([Region.box(200, 210, 340, 330)], tmp_path / "regions" / "0.geojson")
    warnings: list[str] = []
    one = load_clicked(dataset(tmp_path), config(), lambda message, hint: warnings.append(message))[0]
    assert one.origin == (136, 146)
    assert one.pixels.shape[:2] == one.inside.shape == (264, 248)
    expected = clicks[((clicks >= (199.5, 209.5)) & (clicks < (339.5, 329.5))).all(1)]
    assert one.check_box is not None
    strip = np.array([side[0] for side in one.check_box])
    together = np.concatenate([one.points + one.origin, one.check_points + strip])
    assert sorted(map(tuple, together)) == sorted(map(tuple, expected))
    assert any("outside every region" in message for message in warnings)
    # The strip teaches nothing.
    rows, columns = (slice(a - o, b - o) for (a, b), o in zip(one.check_box, one.origin, strict=True))
    assert not one.inside[rows, columns].any()
    assert one.inside.any()
    # The pixels are those of the window.
    raw = one.image.read(((136, 400), (146, 394)))
    np.testing.assert_allclose(one.pixels, raw / 255, atol=1e-6)


def test_clicks_in_a_corner_make_no_background_elsewhere(tmp_path: Path) -> None:
    truth, clicks = discs(300, 26, 8)
    corner = clicks[(clicks < 130).all(1)]
    data = write_folder(tmp_path, [stained(truth)], [corner], [truth])
    warnings: list[str] = []
    one = load_clicked(data, config(), lambda message, hint: warnings.append(message))[0]
    assert any("do not cover" in message for message in warnings)
    assert max(one.inside.shape) < 260
    assert one.inside.sum() < 160 * 160


def test_an_image_without_clicks_and_three_in_a_line_do_no_harm(tmp_path: Path) -> None:
    truth, clicks = discs()
    line = np.array([[20.0, 20.0], [20.0, 60.0], [20.0, 100.0]])
    data = write_folder(tmp_path, [stained(truth)] * 3, [clicks, line, clicks[:0]], [truth] * 3)
    run = FakeRun(tmp_path / "run", steps=4)
    train(run, data, config())
    weights, card = run.build()
    assert card.trained_on["images"] == ["0", "1"]
    assert all(np.isfinite(value).all() for value in weights.values())


def test_folds(folder: Path) -> None:
    groups = ["a"] * 3 + ["b"] * 2 + ["c", "d", "e", "f"]
    fold = fold_of_each(groups, 3, 0)
    assert sorted(np.bincount(fold).tolist()) == [3, 3, 3]
    assert len(set(fold[:3])) == 1
    assert fold == fold_of_each(groups, 3, 0)
    with pytest.raises(NucleiError, match="10 folds"):
        fold_of_each(groups, 10, 0)
    tested = [[e.name for e in one.examples(split="test")] for one in cross_validation(dataset(folder), 2)]
    assert sorted(name for names in tested for name in names) == ["0", "1"]


def test_a_resumed_run_has_its_second_network_from_the_start(folder: Path, tmp_path: Path) -> None:
    cut = FakeRun(tmp_path / "run", steps=20, stop_at=("IEN", 6))
    with pytest.raises(StopRun):
        train(cut, dataset(folder), config())
    made = cut.build()
    assert made is not None
    early: list[dict[str, np.ndarray]] = []

    class Asked(FakeRun):
        """Stopped as soon as there is something to keep, before any stage is gone through again."""

        def offer(self, build: Any) -> None:
            super().offer(build)
            offered = build()
            assert offered is not None
            early.append({name: value.copy() for name, value in offered[0].items()})
            raise StopRun

    with pytest.raises(StopRun):
        train(Asked(tmp_path / "run", steps=20, saved=cut.saved), dataset(folder), config())
    assert early[0].keys() == made[0].keys()
    assert any(name.startswith("ien.") for name in early[0])
    for name, value in made[0].items():
        np.testing.assert_array_equal(value, early[0][name], err_msg=name)


@pytest.mark.parametrize("setting", ["spn_rate", "ien_rate"])
def test_a_training_that_diverges_says_so(folder: Path, tmp_path: Path, setting: str) -> None:
    run = FakeRun(tmp_path / "run", steps=24)
    with pytest.raises(NucleiError, match="diverged") as caught:
        train(run, dataset(folder), config(gradient_limit=0.0, schedule="constant", **{setting: 1e37}))
    assert f"({setting})" in caught.value.hint
    if setting == "spn_rate":
        assert all(np.isfinite(one).all() for one in run.build()[0].values())
        return
    # The weights are finite, and what they give is not: scored, no model is made of them, and an older one stays.
    with pytest.raises(NucleiError, match="not numbers"):
        run.build()
