"""`nucleidomain evaluate`: every kind of reference, and names that do not pair."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_nucleidomain.data.geojson import feature, write_features
from napari_nucleidomain.data.labels_io import write_labels
from napari_nucleidomain.data.points import write_points
from napari_nucleidomain.instances.scores import score_labels, score_points

from . import tiny

TRUTH = tiny.labels_of(tiny.centres())
# Some nuclei missing, one too large, one false: no score is at its best.
MINE = tiny.labels_of(tiny.centres()[3:], radius=5.5)


def mean(run: Callable, predicted: object, truth: object) -> dict[str, Any]:
    said = run("evaluate", predicted, truth, "--json", "s.json")
    assert said.code == 0, said.err
    return dict(json.loads(Path("s.json").read_text(encoding="utf-8"))["mean"])


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, labels in (("mine", MINE), ("truth", TRUTH)):
        for kind in ("tif", "geojson", "zip"):
            write_labels(labels, tmp_path / f"{name}.{kind}")
        np.save(tmp_path / f"{name}_seg.npy", {"masks": labels}, allow_pickle=True)
    return tmp_path


@pytest.mark.parametrize(
    ("mine", "truth"),
    [
        ("tif", "geojson"),
        ("geojson", "tif"),
        ("geojson", "geojson"),
        ("tif", "zip"),
        ("zip", "geojson"),
        ("zip", "zip"),
    ],
)
def test_outlines_score_as_labels(run: Callable, files: Path, mine: str, truth: str) -> None:
    expected = score_labels(MINE, TRUTH).as_dict()
    assert 0 < expected["aji"] < 1
    scores = mean(run, f"mine.{mine}", f"truth.{truth}")
    for name in ("aji", "aji_plus", "pq", "f1@0.5", "object_dice", "seg", "pixel_f1", "pixel_iou", "object_hausdorff"):
        assert scores[name] == pytest.approx(expected[name], abs=1e-9), name


def test_cellpose_against_a_zip(run: Callable, files: Path) -> None:
    assert mean(run, "mine_seg.npy", "truth.zip")["aji"] == pytest.approx(score_labels(MINE, TRUTH).as_dict()["aji"])


def test_a_black_and_white_mask_is_split_and_said(run: Callable, files: Path) -> None:
    write_labels(np.where(TRUTH > 0, 255, 0), files / "mask.tif")
    said = run("evaluate", "mine.tif", "mask.tif", "--json", "s.json")
    assert said.code == 0 and "mask.tif: It is a black-and-white mask" in said.err
    scores = json.loads(Path("s.json").read_text(encoding="utf-8"))["mean"]
    assert scores["pq"] > 0.3, "one nucleus of all pixels together would match none"


def test_names_of_other_programs(run: Callable, files: Path) -> None:
    for folder, name, labels in (("p", "a_rois.zip", MINE), ("t", "a_gt.tif", TRUTH)):
        write_labels(labels, files / folder / name)
    assert mean(run, "p", "t")["pq"] == pytest.approx(score_labels(MINE, TRUTH).as_dict()["pq"])


@pytest.mark.parametrize("clicks", ["csv", "geojson", "zip"])
@pytest.mark.parametrize("mine", ["tif", "geojson", "zip"])
def test_clicks_score_labels_and_outlines(run: Callable, files: Path, mine: str, clicks: str) -> None:
    write_points(tiny.centres(), files / f"clicks.{clicks}")
    expected = score_points(MINE, tiny.centres()).as_dict()
    assert 0 < expected["point_f1"] < 1
    scores = mean(run, f"mine.{mine}", f"clicks.{clicks}")
    assert {name: scores[name] for name in expected} == pytest.approx(expected)


def test_geojson_with_neither_or_both(run: Callable, files: Path) -> None:
    point = feature({"type": "Point", "coordinates": [5, 5]}, {})
    ring = feature({"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 0]]]}, {})
    write_features(files / "none.geojson", [])
    write_features(files / "both.geojson", [point, ring])
    assert "none.geojson holds no outlines and no points" in run("evaluate", "mine.tif", "none.geojson").err
    said = run("evaluate", "mine.tif", "both.geojson")
    assert said.code == 2
    assert "both points and outlines" in said.err
    assert "save one of them alone" in said.err


def test_outlines_of_another_image(run: Callable, files: Path) -> None:
    moved = np.zeros((300, 300), np.uint32)
    moved[200:296, 200:296] = TRUTH
    write_labels(moved, files / "moved.geojson", format="geojson")
    said = run("evaluate", "mine.tif", "moved.geojson")
    assert said.code == 2
    assert "36 of 36 outlines lie outside the image" in said.err
    assert "96×96" in said.err
    assert "of this very image" in said.err


def test_another_size_and_damaged_files(run: Callable, files: Path) -> None:
    write_labels(TRUTH[:50], files / "small.tif", format="tif")
    said = run("evaluate", "mine.tif", "small.tif")
    assert said.code == 2 and "96" in said.err and "50" in said.err
    (files / "cut.geojson").write_bytes((files / "truth.geojson").read_bytes()[:200])
    assert "cut.geojson cannot be read: it is damaged" in run("evaluate", "mine.tif", "cut.geojson").err
    write_points(np.column_stack([np.zeros(3), tiny.centres()[:3]]) + 1, files / "deep.csv")
    said = run("evaluate", "mine.tif", "deep.csv")
    assert said.code == 2 and "3 coordinates, the image has 2 axes" in said.err
    write_points(tiny.centres() + 1000, files / "far.csv")
    said = run("evaluate", "mine.tif", "far.csv")
    assert said.code == 2 and "36 of 36 clicks lie outside the image" in said.err and "another image" in said.err


def test_volumes_have_every_score_and_a_distance_only_in_micrometres(run: Callable, tmp_path: Path) -> None:
    truth = np.stack([np.zeros_like(TRUTH), TRUTH, TRUTH, np.zeros_like(TRUTH)])
    mine = np.roll(truth, 1, axis=0)
    write_labels(truth, tmp_path / "truth.tif", format="tif")
    write_labels(mine, tmp_path / "sized.ome.tif", format="ome-tif", pixel_size_um=(2.0, 0.5, 0.5))
    write_labels(mine, tmp_path / "silent.tif", format="tif")
    expected = score_labels(mine, truth, spacing=(2.0, 0.5, 0.5)).as_dict()
    assert mean(run, "sized.ome.tif", "truth.tif") == pytest.approx(expected)
    assert expected["object_hausdorff_um"] == pytest.approx(2)
    said = run("evaluate", "silent.tif", "truth.tif", "--json", "s.json")
    assert said.code == 0 and "no distance, as neither file says its voxel size" in said.err
    assert "op_csb" in said.out
    assert "hausdorff" not in Path("s.json").read_text(encoding="utf-8")


def put(folder: Path, *names: str) -> None:
    for name in names:
        write_labels(TRUTH, folder / name, format="png" if name.endswith("png") else "tif")


def test_folders_that_pair_badly_name_the_files(run: Callable, tmp_path: Path) -> None:
    put(tmp_path / "mine", "a.tif", "b.tif", "c.tif", "c.png")
    put(tmp_path / "truth", "a.png", "b_mask.tif", "d.tif")
    (tmp_path / "truth" / "notes.txt").write_text("from Anna")
    said = run("evaluate", "mine", "truth", "--json", "s.json")
    assert said.code == 3
    lines = [line for line in said.err.splitlines() if line.startswith("left out:")]
    for name, why in (
        ("mine/c.png", "no reference is named c"),
        ("mine/c.tif", "c.png has the same name and is used"),
        ("truth/d.tif", "no prediction is named d"),
        ("truth/notes.txt", "neither labels nor points"),
    ):
        assert any(str(Path(name)) in line and why in line for line in lines), (name, said.err)
    content = json.loads(Path("s.json").read_text(encoding="utf-8"))
    assert list(content["images"]) == ["a", "b"], "b_mask is the reference of b"
    assert len(content["problems"]) == len(lines) == 4


def test_folders_without_one_pair_name_the_files(run: Callable, tmp_path: Path) -> None:
    put(tmp_path / "mine", "liver-1.tif", "liver-2.tif")
    put(tmp_path / "truth", *(f"Liver {k}.tif" for k in range(1, 9)))
    said = run("evaluate", "mine", "truth")
    assert said.code == 2
    assert "predictions liver-1, liver-2; references Liver 1, Liver 2, Liver 3, Liver 4, Liver 5 and 3 more" in said.err
    assert "the same name" in said.err
    (tmp_path / "empty").mkdir()
    assert "references none" in run("evaluate", "mine", "empty").err
    assert "Give two files or two folders" in run("evaluate", "mine", "truth/Liver 1.tif").err


def test_a_pair_that_cannot_be_read_is_left_out(run: Callable, tmp_path: Path) -> None:
    put(tmp_path / "mine", "a.tif", "b.tif")
    put(tmp_path / "truth", "a.tif", "b.tif")
    whole = (tmp_path / "mine" / "b.tif").read_bytes()
    (tmp_path / "mine" / "b.tif").write_bytes(whole[: len(whole) // 2])
    said = run("evaluate", "mine", "truth")
    assert said.code == 3 and "b.tif is truncated" in said.err
    (tmp_path / "mine" / "a.tif").write_text("nothing")
    said = run("evaluate", "mine", "truth")
    assert said.code == 2 and "None of the 2 pairs can be compared" in said.err and "truncated" in said.err


def test_outlines_and_clicks_in_one_folder_have_all_means(run: Callable, tmp_path: Path) -> None:
    put(tmp_path / "mine", "a.tif", "b.tif")
    put(tmp_path / "truth", "b.tif")
    write_points(tiny.centres(), tmp_path / "truth" / "a.csv")
    scores = mean(run, "mine", "truth")
    assert scores["aji"] == scores["point_f1"] == 1.0
