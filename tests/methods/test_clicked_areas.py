"""Regions far apart on one image: each is read, taught and checked for itself."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import tifffile

from napari_nucleidomain.data.dataset import open_dataset
from napari_nucleidomain.data.regions import Region, write_regions
from napari_nucleidomain.methods.spn_ien.clicked import load_clicked
from napari_nucleidomain.methods.spn_ien.train import train

from .fake_run import FakeRun
from .scenes import discs, stained, write_folder
from .test_spn_ien_training import config


def test_regions_far_apart_are_read_one_by_one(tmp_path: Path) -> None:
    corner, own = discs(300, 26, 8)
    side = 1400
    truth = np.zeros((side, side), np.int32)
    truth[:300, :300], truth[-300:, -300:] = corner, np.where(corner > 0, corner + corner.max(), 0)
    elsewhere = np.array([[700.0, 700.0], [40.0, 1300.0]])
    clicks = np.concatenate([own, own + side - 300, elsewhere])
    write_folder(tmp_path, [stained(truth)], [clicks], [truth])
    (tmp_path / "regions").mkdir()
    boxes = [Region.box(0, 0, 150, 300), Region.box(side - 300, side - 300, side, side), Region.box(160, 0, 300, 300)]
    write_regions([*boxes, Region.box(1300, 100, 1400, 200)], tmp_path / "regions" / "0.geojson")
    warnings: list[str] = []
    first, second = load_clicked(open_dataset(tmp_path), config(), lambda message, hint: warnings.append(message))
    assert [first.origin, second.origin] == [(0, 0), (side - 364, side - 364)]
    assert first.pixels.shape[:2] == first.inside.shape == second.inside.shape == (364, 364)
    assert first.name == second.name == "0"
    assert sum("2 clicks lie outside every region" in message for message in warnings) == 1
    assert sum("an area holds no click" in message for message in warnings) == 1
    taught = []
    for one in (first, second):
        assert one.check_box is not None
        strip = np.array([start for start, _ in one.check_box])
        taught += [one.points + one.origin, one.check_points + strip]
        rows, columns = one.origin
        raw = one.image.read(((rows, rows + 364), (columns, columns + 364)))
        np.testing.assert_allclose(one.pixels, raw / 255, atol=1e-6)
    inside = [((clicks > box.vertices.min(0)) & (clicks < box.vertices.max(0))).all(1) for box in boxes]
    assert sorted(map(tuple, np.concatenate(taught))) == sorted(map(tuple, clicks[np.any(inside, 0)]))


def test_many_small_areas_still_keep_some_clicks_back(tmp_path: Path) -> None:
    patch, own = discs(110, 26, 8)
    truth, clicks = np.zeros((1310, 400), np.int32), []
    (tmp_path / "regions").mkdir()
    for top in (0, 400, 800, 1200):
        truth[top : top + 110, :110] = np.where(patch > 0, patch + top, 0)
        clicks.append(own + np.array([top, 0]))
    write_folder(tmp_path, [stained(truth)], [np.concatenate(clicks)], [truth])
    write_regions([Region.box(t, 0, t + 110, 110) for t in (0, 400, 800, 1200)], tmp_path / "regions" / "0.geojson")
    areas = load_clicked(open_dataset(tmp_path), config(), lambda message, hint: None)
    assert len(areas) == 4
    assert sum(one.check_box is not None for one in areas) == 1
    assert all(len(one.points) >= len(own) // 2 for one in areas)


def test_one_image_of_two_areas_trains(tmp_path: Path) -> None:
    patch, own = discs()
    truth = np.zeros((700, 140), np.int32)
    truth[:140], truth[-140:] = patch, np.where(patch > 0, patch + patch.max(), 0)
    write_folder(tmp_path, [stained(truth)], [np.concatenate([own, own + np.array([560, 0])])], [truth])
    (tmp_path / "regions").mkdir()
    write_regions([Region.box(0, 0, 140, 140), Region.box(560, 0, 700, 140)], tmp_path / "regions" / "0.geojson")
    run = FakeRun(tmp_path / "run", steps=4)
    train(run, open_dataset(tmp_path), config())
    weights, card = run.build()
    assert set(card.trained_on["images"]) == {"0"}
    assert card.trained_on["clicks"] + card.trained_on["kept_back"] == 2 * len(own)
    assert all(np.isfinite(value).all() for value in weights.values())


def test_outlines_with_huge_numbers_teach_as_others_do(tmp_path: Path) -> None:
    truth, clicks = discs(140, 26, 8)
    painted = truth.astype(np.uint32)
    painted[painted == 3] = 4_000_000_000
    painted[painted == 5] = 300_000_000
    found = []
    for name, labels in (("plain", truth), ("painted", painted)):
        write_folder(tmp_path / name, [stained(truth)], [clicks], [truth])
        # TIFF, for a PNG holds no such number.
        for old in (tmp_path / name / "labels").glob("*"):
            old.unlink()
        tifffile.imwrite(tmp_path / name / "labels" / "0.tif", labels.astype(np.uint32))
        for old in (tmp_path / name / "points").glob("*"):
            old.unlink()
        tracemalloc.start()
        found += load_clicked(open_dataset(tmp_path / name), config(variant="fully"), lambda message, hint: None)
        assert tracemalloc.get_traced_memory()[1] < 100e6
        tracemalloc.stop()
    plain, other = found
    assert plain.labels is not None
    assert other.labels is not None
    assert other.labels.max() == plain.labels.max()
    assert sorted(map(tuple, np.concatenate([other.points, other.check_points]))) == sorted(
        map(tuple, np.concatenate([plain.points, plain.check_points]))
    )
