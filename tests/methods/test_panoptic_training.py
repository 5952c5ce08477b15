"""The panoptic method on made-up images: learns, resumes exactly, continues, and says what will not do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
import torchvision
from PIL import Image as Picture

from napari_nucleidomain.contracts import NucleiError, StopRun
from napari_nucleidomain.data.dataset import Dataset, open_dataset
from napari_nucleidomain.data.example import Example
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.known import UNKNOWN
from napari_nucleidomain.data.regions import Region, write_regions
from napari_nucleidomain.inference.model_files import save_model
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.instances.labelimage import boxes
from napari_nucleidomain.instances.scores import score_labels
from napari_nucleidomain.methods.panoptic import SPEC
from napari_nucleidomain.methods.panoptic.config import PanopticConfig
from napari_nucleidomain.methods.panoptic.lessons import load_outlined
from napari_nucleidomain.methods.panoptic.model import detector_settings
from napari_nucleidomain.methods.panoptic.outlined import _inside
from napari_nucleidomain.methods.panoptic.segment import load
from napari_nucleidomain.methods.panoptic.train import train
from napari_nucleidomain.methods.panoptic.views import Views, paper_colours

from .fake_run import FakeRun
from .scenes import discs, stained, write_folder

TINY = {
    **SPEC.preset("quick").values,
    "pyramid_channels": 16,
    "mask_channels": 16,
    "box_features": 32,
    "crop_px": 96,
    "rois": 32,
    "proposals_train": 100,
    "proposals": 200,
    "tile_px": 128,
    "halo_px": 24,
    "average_decay": 0.8,
    "precision": "32-true",
}


def config(**changes: Any) -> PanopticConfig:
    return PanopticConfig.model_validate({**TINY, **changes})


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


def quiet(message: str, hint: str) -> None:
    """Hear nothing."""


def model_of(run: FakeRun, folder: Path) -> Path:
    weights, card = run.build()
    return save_model(folder, weights, card)


def test_learns_to_outline_discs(folder, tmp_path):
    run = FakeRun(tmp_path / "run", steps=90)
    train(run, open_dataset(folder), config(rate=3e-3))
    truth, _ = discs(seed=7)
    Picture.fromarray(stained(truth, 7)).save(tmp_path / "new.png")
    weights, card = run.build()
    segmenter = load(save_model(tmp_path / "model", weights, card), card, "cpu")
    found = segment(open_image(tmp_path / "new.png"), segmenter, Scale(1.0, ""))
    scores = score_labels(found.labels, truth, hausdorff=False)
    assert scores.at[0.5].f1 > 0.9 and scores.aji > 0.6
    assert len(found.scores) == len(found.uncertainty) == found.labels.max()
    assert card.trained_on["outlines"] > 30 and card.nucleus_diameter_px == pytest.approx(16, abs=1.5)
    assert {score.name for score in card.scores} == {"object_f1", "aji"} == {score.name for score in card.classical}
    assert {"rpn_objectness", "rpn_box", "box_class", "box_regression", "mask", "semantic", "fused"} <= set(
        run.metrics[0]
    )


def test_an_interrupted_training_ends_with_the_same_weights(folder, tmp_path):
    settings = config()
    whole = FakeRun(tmp_path / "whole", steps=6)
    train(whole, open_dataset(folder), settings)
    halted = FakeRun(tmp_path / "halted", steps=6, stop_at=("detector", 3))
    with pytest.raises(StopRun):
        train(halted, open_dataset(folder), settings)
    resumed = FakeRun(tmp_path / "halted", steps=6, saved=halted.saved)
    train(resumed, open_dataset(folder), settings)
    for (name, one), other in zip(whole.build()[0].items(), resumed.build()[0].values(), strict=True):
        np.testing.assert_array_equal(one, other, err_msg=name)
    assert whole.build()[1].steps == resumed.build()[1].steps == 6


def test_goes_on_from_a_model_and_keeps_its_boxes(folder, tmp_path):
    first = FakeRun(tmp_path / "first", steps=2)
    train(first, open_dataset(folder), config())
    parent = model_of(first, tmp_path / "liver")
    second = FakeRun(tmp_path / "second", steps=2, parent=parent, stop_at=("detector", 0))
    with pytest.raises(StopRun):
        train(second, open_dataset(folder), config())
    weights, card = second.build()
    old = load(parent, first.build()[1], "cpu")._detector.state_dict()
    np.testing.assert_array_equal(weights["detector.rpn.head.conv.0.0.weight"], old["rpn.head.conv.0.0.weight"])
    assert card.parent == "liver" and "unchanged" in card.notes[-1]
    other = FakeRun(tmp_path / "third", steps=2, parent=parent)
    with pytest.raises(NucleiError, match="other networks"):
        train(other, open_dataset(folder), config(mask_generator="plain"))


@pytest.mark.parametrize(
    "row",
    [
        {"feature_fusion": False, "semantic_branch": False, "mask_generator": "plain"},
        {"semantic_branch": False, "mask_generator": "plain"},
        {"feature_fusion": False, "mask_generator": "plain"},
        {"mask_generator": "plain"},
    ],
    ids=["baseline", "Ab1", "Ab3", "Ab2"],
)
def test_every_row_of_table_3_trains(folder, tmp_path, row):
    run = FakeRun(tmp_path / "run", steps=1)
    train(run, open_dataset(folder), config(**row))
    known = set(run.metrics[0])
    assert ("fused" in known) == row.get("feature_fusion", True)
    assert ("semantic" in known) == row.get("semantic_branch", True)


def test_larger_tiles_have_room_for_more_nuclei():
    usual = PanopticConfig.model_validate({**SPEC.preset("quick").values, "anchor_px": 8.0})
    here = detector_settings(usual, 3)
    assert (here.rpn_before_test, here.rpn_after_test, here.detections) == (1000, 1000, 1000)
    large = detector_settings(usual.model_copy(update={"tile_px": 768}), 3)
    assert (large.rpn_before_test, large.rpn_after_test, large.detections) == (4000, 4000, 4000)
    small = usual.model_copy(update={"tile_px": 128, "anchor_px": 32.0, "proposals": 300})
    assert detector_settings(small, 3).rpn_after_test == 300


def test_only_regions_teach_and_cut_nuclei_are_unknown(folder, tmp_path):
    truth, _ = discs(seed=0)
    regions = write_regions([Region.box(10, 10, 125, 120)], tmp_path / "region.geojson")
    example = Example(folder / "images" / "0.png", labels=folder / "labels" / "0.png", regions=regions)
    lessons = load_outlined(Dataset(tmp_path / "d.json", [example]), 0.0, quiet)
    (one,) = lessons.teach
    top, left = one.origin
    part = truth[top : top + one.known.shape[0], left : left + one.known.shape[1]]
    inside = np.zeros(truth.shape, bool)
    inside[10:125, 10:120] = True
    whole = np.isin(truth, np.setdiff1d(truth[inside], truth[~inside])) & (truth > 0)
    here = np.s_[top : top + part.shape[0], left : left + part.shape[1]]
    np.testing.assert_array_equal(one.known > 0, whole[here])
    np.testing.assert_array_equal(one.known == 0, inside[here] & (part == 0))
    assert one.nuclei == len(np.unique(truth[whole]))
    images, targets = Views([one], config(turn=0.0, zoom_least=1.0, zoom_most=1.0), "cpu").draw(
        np.random.default_rng(0)
    )
    assert images.shape == (2, 3, 96, 96) and any((target.labels == UNKNOWN).any() for target in targets)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"turn": 0.0, "zoom_least": 1.0, "zoom_most": 1.0, "flips": True},
        {"colours": "paper"},
    ],
    ids=["free", "right angles", "the paper's colours"],
)
def test_a_batch_is_the_same_in_whichever_parts_it_is_made(folder, changes):
    settings = config(batch=4, **changes)
    views = Views(load_outlined(open_dataset(folder), 0.0, quiet).teach, settings, torch.device("cpu"))
    whole_rng, rng = np.random.default_rng(4), np.random.default_rng(4)
    images, targets = views.draw(whole_rng)
    part, targets_of_part = views.draw(rng, slice(1, None, 2))
    assert len(images) == 4 and not torch.equal(images[0], images[1])
    torch.testing.assert_close(part, images[1::2])
    for one, other in zip(targets_of_part, targets[1::2], strict=True):
        assert torch.equal(one.labels, other.labels)
    assert rng.integers(1000) == whole_rng.integers(1000), "what is drawn next is the same too"


def test_a_part_is_kept_back_unless_images_are_for_checking(folder, tmp_path):
    data = open_dataset(folder)
    lessons = load_outlined(data, 0.2, quiet)
    assert lessons.kept_back and len(lessons.check) == 2
    for teach, check in zip(lessons.teach, lessons.check, strict=True):
        row, column = check.origin
        here = np.s_[row : row + check.known.shape[0], column : column + check.known.shape[1]]
        assert (teach.known[here][check.known > 0] == UNKNOWN).all(), "what checks does not teach"
    examples = [one.changed(split="val") if k else one for k, one in enumerate(data.all)]
    lessons = load_outlined(Dataset(data.path, examples), 0.2, quiet)
    assert not lessons.kept_back and len(lessons.teach) == len(lessons.check) == 1


def test_only_the_window_is_looked_at_for_nuclei_that_reach_out_of_it():
    truth, _ = discs(side=200, seed=1)

    class Watched(np.ndarray):
        """Counts the pixels that are read."""

        read = 0

        def __getitem__(self, place):
            part = np.asarray(self)[place]
            Watched.read += part.size
            return part

        def __array_ufunc__(self, *_, **__):
            raise AssertionError("the whole image is scanned")

        def copy(self, *_):
            raise AssertionError("the whole image is copied")

    window = (slice(40, 101), slice(50, 120))
    inside = np.ones((61, 70), bool)
    inside[:, 40:] = False
    mask = np.zeros(truth.shape, bool)
    mask[window] = inside
    whole = np.setdiff1d(truth[mask], np.append(truth[~mask], 0))
    found = _inside(truth.view(Watched), boxes(truth, int(truth.max())), window, inside)
    np.testing.assert_array_equal(found > 0, np.isin(truth[window], whole))
    np.testing.assert_array_equal(found == 0, inside & (truth[window] == 0))
    assert found.max() == len(whole) > 0 and Watched.read == inside.size


def test_an_empty_image_checks_too_and_a_strip_where_it_is_the_only_one(folder, tmp_path):
    truth, clicks = discs(seed=5)
    more = write_folder(tmp_path / "more", [stained(truth * 0, 5)], [clicks[:0]], [truth * 0]).all[0]
    full, other = open_dataset(folder).all
    empty = more.changed(split="val")
    lessons = load_outlined(Dataset(tmp_path / "d.json", [full, empty, other.changed(split="val")]), 0.2, quiet)
    assert not lessons.kept_back and [one.nuclei > 0 for one in lessons.check] == [True, False]
    lessons = load_outlined(Dataset(tmp_path / "d.json", [full, empty]), 0.2, quiet)
    assert lessons.kept_back and [one.nuclei > 0 for one in lessons.check] == [True, False]
    lessons = load_outlined(Dataset(tmp_path / "d.json", [full, empty]), 0.0, quiet)
    assert not lessons.check, "no score without a nucleus"


def test_ids_used_twice_are_nuclei_of_their_own(folder, tmp_path):
    truth, _ = discs(side=300, seed=9)
    Picture.fromarray(stained(truth, 9)).save(tmp_path / "i.png")
    told: list[str] = []
    for name, ids in (
        ("once", truth),
        ("twice", np.where(truth > 60, truth - 60, truth)),
        ("many", (truth - 1) % 9 + 1),
    ):
        labels = np.where(truth > 0, ids, 0).astype(np.uint8)
        tifffile.imwrite(tmp_path / f"{name}.tif", labels)
        example = Example(tmp_path / "i.png", labels=tmp_path / f"{name}.tif")
        (one,) = load_outlined(Dataset(tmp_path / "d.json", [example]), 0.0, lambda *said: told.append(said[0])).teach
        assert one.nuclei == truth.max() and one.sides().max() < 20, name
        np.testing.assert_array_equal(one.known > 0, truth > 0)
    assert len(told) == 2 and "60 ids are used twice" in told[0] and "9 ids are used" in told[1]


def test_what_will_not_do_is_said(folder, tmp_path):
    clicks_only = [one.changed(labels=None) for one in open_dataset(folder).all]
    with pytest.raises(NucleiError, match="have clicks, and this method learns from outlines"):
        load_outlined(Dataset(tmp_path / "d.json", clicks_only), 0.2, quiet)
    truth, _ = discs(seed=0)
    few = np.where(truth <= 3, truth, 0).astype(np.uint16)
    tifffile.imwrite(tmp_path / "few.tif", few)
    example = Example(folder / "images" / "0.png", labels=tmp_path / "few.tif")
    with pytest.raises(NucleiError, match="Only 3 outlined nuclei; 10 is the least"):
        load_outlined(Dataset(tmp_path / "d.json", [example]), 0.2, quiet)
    told: list[str] = []
    Picture.fromarray(np.where(truth > 0, 255, 0).astype(np.uint8)).save(tmp_path / "mask.png")
    example = Example(folder / "images" / "0.png", labels=tmp_path / "mask.png")
    load_outlined(Dataset(tmp_path / "d.json", [example]), 0.2, lambda message, hint: told.append(message))
    assert any("black-and-white mask" in message for message in told)


def test_nuclei_too_small_for_the_network_are_told_of(tmp_path):
    truth, clicks = discs(side=120, gap=12, radius=2)
    data = write_folder(tmp_path / "data", [stained(truth)], [clicks], [truth])
    run = FakeRun(tmp_path / "run", steps=1)
    train(run, data, config())
    assert any("only 4 px wide" in message for message in run.warnings)
    run = FakeRun(tmp_path / "again", steps=1)
    truth, clicks = discs(seed=1)
    train(run, write_folder(tmp_path / "more", [stained(truth)], [clicks], [truth]), config(anchor_px=32.0))
    assert any("smallest box to begin with is 32 px" in message for message in run.warnings)


def test_gaps_and_single_pixels_in_outlines_do_no_harm(tmp_path):
    truth, clicks = discs(seed=3)
    odd = truth.astype(np.uint16) * 7
    odd[0, 0], odd[130, 130:132] = 9000, 9001
    odd[60, 5], odd[100, 100] = odd.max(), odd.max()
    data = write_folder(tmp_path / "data", [stained(truth)], [clicks], [odd])
    run = FakeRun(tmp_path / "run", steps=3)
    train(run, data, config())
    assert all(np.isfinite(list(one.values())).all() for one in run.metrics)


def test_a_resumed_training_asks_for_no_imagenet_weights(folder, tmp_path, monkeypatch):
    """What is frozen, and what the optimiser holds, is the checkpoint's; whether they can be had now is no matter."""
    from napari_nucleidomain.networks import imagenet

    def there(name: str, file: str) -> dict[str, Any]:
        torch.manual_seed(5)
        net = torchvision.models.get_model(name)
        return net.state_dict()

    def away(name: str, file: str) -> dict[str, Any]:
        raise OSError("no internet")

    settings = config(backbone="resnet18", norm="frozen", imagenet=True, optimiser="sgd", rate=1e-6)
    for first, then, frozen in ((there, away, 2), (away, there, 0)):
        place = tmp_path / first.__name__
        monkeypatch.setattr(imagenet, "imagenet_state", first)
        halted = FakeRun(place, steps=2, stop_at=("detector", 0))
        with pytest.raises(StopRun):
            train(halted, open_dataset(folder), settings)
        monkeypatch.setattr(imagenet, "imagenet_state", then)
        resumed = FakeRun(place, steps=2, saved=halted.saved)
        train(resumed, open_dataset(folder), settings)
        assert resumed.build()[1].trained_on["frozen_stages"] == frozen
        assert not any("ImageNet" in message for message in resumed.warnings)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_the_papers_colours_take_any_number_of_channels(channels):
    torch.manual_seed(0)
    colours = paper_colours(channels)
    for _ in range(40):
        made = colours(torch.rand(channels, 32, 32))
        assert made.shape == (channels, 32, 32) and made.isfinite().all() and made.min() >= -0.5 and made.max() <= 1.5


def test_a_score_on_what_the_model_before_learned_from_says_so(folder, tmp_path):
    first = FakeRun(tmp_path / "first", steps=1)
    train(first, open_dataset(folder), config(keep_back=0.0))
    parent = model_of(first, tmp_path / "liver")
    for keep_back, flattered in ((0.2, True), (0.0, False)):
        second = FakeRun(tmp_path / f"second{keep_back}", steps=1, parent=parent)
        train(second, open_dataset(folder), config(keep_back=keep_back))
        card = second.build()[1]
        assert all(score.seen_in_training for score in card.scores) and bool(card.scores) == flattered
        assert any("learned from some of what it is checked with" in note for note in card.notes) == flattered
    honest = FakeRun(tmp_path / "honest", steps=1)
    train(honest, open_dataset(folder), config())
    child = FakeRun(tmp_path / "child", steps=1, parent=model_of(honest, tmp_path / "kidney"))
    train(child, open_dataset(folder), config())
    card = child.build()[1]
    assert card.scores and not any(score.seen_in_training for score in card.scores)
    # The same outlines are kept back, so the model before scores what its own card says.
    assert card.before == honest.build()[1].scores


def test_images_too_small_for_a_strip_check_as_wholes(tmp_path):
    truths = [discs(side=60, gap=20, radius=6, seed=k) for k in range(20)]
    data = write_folder(tmp_path / "d", [stained(t) for t, _ in truths], [c for _, c in truths], [t for t, _ in truths])
    lessons = load_outlined(data, 0.2, quiet)
    checked = sum(one.nuclei for one in lessons.check)
    assert lessons.kept_back and 30 <= checked <= 45
    assert not {one.name for one in lessons.check} & {one.name for one in lessons.teach}
