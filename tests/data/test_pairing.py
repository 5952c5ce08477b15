"""Files and the images they belong to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.dataset import open_dataset
from napari_nucleidomain.data.labels_out import write_labels
from napari_nucleidomain.data.pairing import attachable, guess_files, kind_of, owner_of
from napari_nucleidomain.data.points import write_points

LABELS = np.zeros((20, 30), np.uint32)
LABELS[2:6, 2:6] = 1
LABELS[2:6, 6:9] = 2
POINTS = np.array([[3.0, 3.0], [3.0, 7.0]])


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("liver-1", "liver-1"),
        ("liver-1_cp_masks", "liver-1"),
        ("liver-1_rois", "liver-1"),
        ("Liver-1-nuclei", "liver-1"),
        ("liver-2_mask", None),
        ("liver-2_img_mask", "liver-2_img"),
        ("liver-10", None),
        ("_mask", None),
    ],
)
def test_owner(name: str, owner: str | None) -> None:
    assert owner_of(name, ["liver-1", "liver-2_img"]) == owner


def test_owner_with_endings_on_both_sides() -> None:
    assert owner_of("a_rois", ["a_nuclei", "b"]) == "a_nuclei"


def test_guesses() -> None:
    files = [Path(n) for n in ("mask_b.png", "a_seg.npy", "07 truth.zip", "unknown.csv")]
    found = guess_files(["a", "b", "field 7", "left alone"], files)
    assert [(g.file and g.file.name, g.why) for g in found] == [
        ("a_seg.npy", "same name"),
        ("mask_b.png", "name contains it"),
        ("07 truth.zip", "same number"),
        (None, ""),
    ]
    assert guess_files(["a"], [Path("x.png")])[0].why == "the only one"
    # Two files that could be meant are not guessed between, nor is one file given to two images.
    assert guess_files(["im_1", "x"], [Path("p1.png"), Path("q1.png")])[0].file is None
    assert [g.file for g in guess_files(["a 1", "b 1"], [Path("c1.png")])] == [None, None]
    assert guess_files(["10"], [Path("mask_100.png"), Path("y.png")])[0].file is None


def test_kinds(tmp_path: Path) -> None:
    assert kind_of(write_labels(LABELS, tmp_path / "a.zip")) == "labels"
    assert kind_of(write_points(POINTS, tmp_path / "b.zip")) == "points"
    assert kind_of(write_labels(LABELS, tmp_path / "a.geojson")) == "labels"
    assert kind_of(tmp_path / "any.csv") == "points" and kind_of(tmp_path / "any_seg.npy") == "labels"
    (tmp_path / "none.geojson").write_text('{"type": "FeatureCollection", "features": []}', encoding="utf-8")
    assert kind_of(tmp_path / "none.geojson") == "labels", "an image without nuclei, which counts"
    both = [{"type": "Point", "coordinates": [1, 1]}, {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9]]]}]
    (tmp_path / "both.geojson").write_text(json.dumps(both), encoding="utf-8")
    with pytest.raises(NucleiError, match="both points and outlines"):
        kind_of(tmp_path / "both.geojson")
    assert [attachable(Path(n)) for n in ("a.png", "a_mask.png", "a.zip", "a_seg.npy", "a.csv", ".b.csv", "a.txt")] == [
        False, True, True, True, True, False, False,
    ]  # fmt: skip


def test_datasets_of_these_formats(tmp_path: Path) -> None:
    """Folders images/, labels/, points/ with a zip, a _seg.npy and a mask of 0 and 255; each read as it should be."""
    for name in "abc":
        (tmp_path / "images").mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", np.full((20, 30), 9, np.uint8))
    (tmp_path / "labels").mkdir()
    write_labels(LABELS, tmp_path / "labels" / "a_rois.zip")
    np.save(tmp_path / "labels" / "b_seg.npy", {"masks": LABELS}, allow_pickle=True)
    tifffile.imwrite(tmp_path / "labels" / "c_mask.tif", np.where(LABELS > 0, 255, 0).astype(np.uint8))
    write_points(POINTS, tmp_path / "points" / "a.zip")
    dataset = open_dataset(tmp_path)
    assert not dataset.problems
    loaded = [example.load_labels() for example in dataset]
    np.testing.assert_array_equal(loaded[0], LABELS)
    np.testing.assert_array_equal(loaded[1], LABELS)
    np.testing.assert_array_equal(loaded[2], LABELS > 0)
    np.testing.assert_array_equal(dataset.all[0].load_points(), POINTS)
    (tmp_path / "labels" / "c_mask.tif").unlink()
    np.save(tmp_path / "labels" / "c_seg.npy", {"masks": LABELS[:5]}, allow_pickle=True)
    assert "5×30 pixels, but the image is 20×30" in open_dataset(tmp_path).problems[0][1]


def test_a_folder_of_cellpose(tmp_path: Path) -> None:
    """Images with what cellpose laid beside them: no image of their own, but its outlines."""
    tifffile.imwrite(tmp_path / "a.tif", np.full((20, 30), 9, np.uint8))
    tifffile.imwrite(tmp_path / "b.tif", np.full((20, 30), 9, np.uint8))
    np.save(tmp_path / "a_seg.npy", {"masks": LABELS}, allow_pickle=True)
    tifffile.imwrite(tmp_path / "b_cp_masks.tif", LABELS.astype(np.uint16))
    dataset = open_dataset(tmp_path)
    assert [one.name for one in dataset] == ["a", "b"] and not dataset.problems
    for example in dataset:
        np.testing.assert_array_equal(example.load_labels(), LABELS)


@pytest.mark.parametrize("images", [["a", "a_mask"], ["a_mask", "a"]])
def test_an_exact_name_goes_before_one_with_something_added(images: list[str]) -> None:
    exact, added = Path("A_Mask.png"), Path("a_labels.tif")
    assert dict(zip(images, [one.file for one in guess_files(images, [exact])], strict=True)) == {
        "a": None,
        "a_mask": exact,
    }
    found = guess_files(images, [added, exact])
    assert {name: one.file for name, one in zip(images, found, strict=True)} == {"a": added, "a_mask": exact}
