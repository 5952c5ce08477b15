"""Datasets: plain folders, the small file, problems, splits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.dataset import Dataset, open_dataset
from napari_nucleidomain.data.example import Example
from napari_nucleidomain.data.labels_io import write_labels
from napari_nucleidomain.data.points import write_points
from napari_nucleidomain.data.regions import Region, write_regions
from napari_nucleidomain.data.understanding import Understanding

RNG = np.random.default_rng(5)
POINTS = np.array([[5, 5], [20, 30], [35, 10]], float)


def _labels() -> np.ndarray:
    labels = np.zeros((40, 50), np.uint16)
    for k, (y, x) in enumerate(POINTS.astype(int), start=1):
        labels[y - 3 : y + 4, x - 3 : x + 4] = k
    return labels


def _image(path: Path, shape: tuple[int, ...] = (40, 50)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(imagecodecs.png_encode(RNG.integers(0, 255, shape, dtype=np.uint8)))
    return path


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A plain folder: two images to train, one to test, with an accent and a space in its path."""
    root = tmp_path / "mein Ordner é"
    for split, names in (("train", ["a", "b"]), ("test", ["c"])):
        for name in names:
            _image(root / split / "images" / f"{name}.png")
            write_points(POINTS, root / split / "points" / f"{name}.csv")
            write_labels(_labels(), root / split / "labels" / f"{name}.tif")
    write_regions([Region.box(0, 0, 20, 20)], root / "train" / "regions" / "a.geojson")
    return root


def test_plain_folder(plain: Path) -> None:
    dataset = open_dataset(plain)
    assert dataset.problems == []
    assert [(e.name, e.split) for e in dataset] == [("a", "train"), ("b", "train"), ("c", "test")]
    assert [e.name for e in dataset.examples("train", has="regions")] == ["a"]
    assert len(dataset.examples(has=("points", "labels"))) == 3
    assert dataset.examples("val") == []
    example = dataset.examples("train")[0]
    np.testing.assert_array_equal(example.load_points(), POINTS)
    np.testing.assert_array_equal(example.load_labels(), _labels())
    assert example.load_regions()[0].area == 400
    assert example.open().spatial_shape == (40, 50)


def test_folders_without_splits(plain: Path, tmp_path: Path) -> None:
    dataset = open_dataset(plain / "train")
    assert [(e.name, e.split, e.has("points")) for e in dataset] == [("a", "train", True), ("b", "train", True)]
    bare = open_dataset(plain / "train" / "images")
    assert len(bare) == 2
    assert not any(e.has("labels") for e in bare)
    (plain / "train" / "images" / "Thumbs.db").touch()
    (plain / "train" / "images" / ".hidden").touch()
    assert open_dataset(plain / "train").problems == []


def test_the_shared_layout_of_public_sets(tmp_path: Path) -> None:
    """Labels with a suffix of another program belong to their image."""
    for ending in ("_mask", "_labels"):
        _image(tmp_path / "images" / f"x{ending}y.png")
        write_labels(_labels(), tmp_path / "labels" / f"x{ending}y{ending}.png")
    dataset = open_dataset(tmp_path)
    assert dataset.problems == []
    assert len(dataset.examples(has="labels")) == 2


def test_file_round_trip_and_move(plain: Path, tmp_path: Path) -> None:
    dataset = open_dataset(plain)
    dataset.all[0] = dataset.all[0].changed(
        group="patient 1", domain="source", complete=False, understanding=Understanding(pixel_size_um=0.5, kind="h&e")
    )
    digest = dataset.digest()
    path = dataset.save()
    assert path == plain / "dataset.json"
    text = path.read_text(encoding="utf-8")
    assert "train/images/a.png" in text
    assert str(tmp_path) not in text
    again = open_dataset(plain)
    assert again.path == path
    assert again.all == dataset.all
    assert [one.complete for one in again.all][:2] == [False, None]
    moved = tmp_path / "elsewhere"
    shutil.move(plain, moved)
    found = open_dataset(moved / "dataset.json")
    assert found.all[0].image == moved / "train" / "images" / "a.png"
    assert found.all[0].understanding.kind == "h&e"
    assert found.digest() == digest
    assert [e.name for e in found.examples(domain="source")] == ["a"]


def test_file_beside_its_images(plain: Path, tmp_path: Path) -> None:
    """Paths lead out of the dataset's folder with ``..``, and backslashes of Windows are understood."""
    path = open_dataset(plain).save(tmp_path / "sets" / "one.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["examples"][0]["image"] == "../mein Ordner é/train/images/a.png"
    content["examples"][0]["image"] = content["examples"][0]["image"].replace("/", "\\")
    path.write_text(json.dumps(content))
    assert open_dataset(path).all[0].image == plain / "train" / "images" / "a.png"


def test_bad_files_are_reported_and_skipped(plain: Path) -> None:
    """One of each; the good ones stay."""
    train = plain / "train"
    whole = (train / "images" / "a.png").read_bytes()
    (train / "images" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (train / "images" / "empty.tif").touch()
    (train / "images" / "text.tif").write_text("hello")
    (train / "images" / "notes.txt").write_text("hello")
    (train / "images" / "broken.zarr").mkdir()
    write_labels(np.ones((7, 7), int), train / "labels" / "b.tif")
    write_points(POINTS * 50, train / "points" / "b.csv")
    write_points(POINTS, train / "points" / "nobody.csv")
    write_regions([Region.box(500, 500, 600, 600)], train / "regions" / "b.geojson")
    (plain / "test" / "points" / "c.csv").write_text("x")
    dataset = open_dataset(plain)
    assert [e.name for e in dataset] == ["a", "b", "c"]
    problems = {path.name: message for path, message in dataset.problems}
    assert "truncated" in problems.pop("cut.png")
    assert "empty" in problems.pop("empty.tif")
    assert "damaged" in problems.pop("text.tif")
    assert "name of an image" in problems.pop("notes.txt")
    assert "it is a folder" in problems.pop("broken.zarr")
    assert problems.pop("b.tif").startswith("The outlines are 7×7 pixels, but the image is 40×50.")
    assert "They probably belong to another image" in problems.pop("b.csv")
    assert "no image nobody" in problems.pop("nobody.csv")
    assert "regions lie outside" in problems.pop("b.geojson")
    assert "no columns" in problems.pop("c.csv")
    assert problems == {}
    assert not dataset.all[1].has("labels") and not dataset.all[1].has("points") and not dataset.all[1].has("regions")
    with pytest.raises(NucleiError, match="7×7"):
        Example(train / "images" / "b.png", labels=train / "labels" / "b.tif").load_labels()


def test_two_images_of_one_name(plain: Path) -> None:
    tifffile.imwrite(plain / "train" / "images" / "a.tif", np.zeros((40, 50), np.uint8))
    dataset = open_dataset(plain)
    assert len(dataset) == 3
    assert "another image of this name" in dataset.problems[0][1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "damaged"),
        ("[]", "no dataset file"),
        ('{"kind": "other", "examples": []}', "no dataset file"),
        ('{"kind": "nucleidomain-dataset", "schema": 2, "examples": []}', "later version.*format is 2, known is 1"),
        ('{"kind": "nucleidomain-dataset", "examples": []}', "does not say its format"),
        ('{"kind": "nucleidomain-dataset", "schema": 1, "examples": []}', "no images that can be used"),
        ('{"kind": "nucleidomain-dataset", "schema": 1, "examples": [{}]}', "names no image"),
    ],
)
def test_bad_dataset_files(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(NucleiError, match=message):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"split": "holdout"}, "A split is train, val or test"),
        ({"domain": "moon"}, "source or target"),
        ({"colour": 1}, "unknown field 'colour'"),
        ({"points": 3}, "points is no path"),
        ({"understanding": {"axes": 3}}, "not valid"),
        ({"understanding": {"axes": "ZYX"}}, "are 3, but the image has 2"),
        ({"points": "gone.csv"}, "is not there"),
        ({"image": "gone.png"}, "is not there"),
    ],
)
def test_bad_entries_are_skipped(plain: Path, entry: dict, message: str) -> None:
    path = open_dataset(plain).save()
    content = json.loads(path.read_text(encoding="utf-8"))
    content["examples"][1].update(entry)
    path.write_text(json.dumps(content))
    dataset = open_dataset(plain)
    assert any(message in text for _, text in dataset.problems)
    assert {"a", "c"} <= {e.name for e in dataset}


def test_absent_and_useless_paths(tmp_path: Path) -> None:
    with pytest.raises(NucleiError, match="is not there"):
        open_dataset(tmp_path / "gone")
    with pytest.raises(NucleiError, match="no images that can be used") as caught:
        open_dataset(tmp_path)
    assert "images/, points/ and labels/" in caught.value.hint
    _image(tmp_path / "a.png")
    with pytest.raises(NucleiError):
        open_dataset(tmp_path / "a.png")


def test_digest_follows_content_only(plain: Path) -> None:
    first = open_dataset(plain).digest()
    assert open_dataset(plain).digest() == first
    points = plain / "train" / "points" / "a.csv"
    write_points(POINTS + 1, points)
    changed = open_dataset(plain).digest()
    assert changed != first
    write_points(POINTS, points)
    (plain / "train" / "images" / "a.png").rename(plain / "train" / "images" / "z.png")
    for kind, ending in (("points", "csv"), ("labels", "tif"), ("regions", "geojson")):
        (plain / "train" / kind / f"a.{ending}").rename(plain / "train" / kind / f"z.{ending}")
    assert open_dataset(plain).digest() == first
    shutil.move(plain / "train" / "images" / "b.png", plain / "test" / "images" / "b.png")
    assert open_dataset(plain).digest() != first


def test_split_by_group_keeps_groups_together() -> None:
    examples = [Example(Path(f"{k}.png"), group=f"p{k % 11}" if k % 3 else "") for k in range(90)]
    dataset = Dataset(Path("d"), examples)
    for seed in range(5):
        drawn = dataset.split_by_group({"train": 0.6, "val": 0.2, "test": 0.2}, seed)
        assert [e.image for e in drawn] == [e.image for e in examples]
        splits: dict[str, set[str]] = {}
        for e in drawn:
            if e.group:
                splits.setdefault(e.group, set()).add(e.split)
        assert all(len(s) == 1 for s in splits.values())
        assert 44 <= len(drawn.examples("train")) <= 64
        assert drawn.all == dataset.split_by_group({"train": 0.6, "val": 0.2, "test": 0.2}, seed).all
    assert {e.split for e in dataset.split_by_group({"train": 1})} == {"train"}
    with pytest.raises(ValueError, match="shares"):
        dataset.split_by_group({"holdout": 1})


def test_groups_in_two_splits_are_named() -> None:
    a, b = Example(Path("a.png"), group="p"), Example(Path("b.png"), group="p", split="test")
    dataset = Dataset(Path("d"), [a, b, Example(Path("c.png"), split="val"), Example(Path("d.png"), group="q")])
    assert dataset.divided_groups() == {"p": ["test", "train"]}
    assert dataset.split_by_group().divided_groups() == {}


def test_masks_are_split_into_nuclei(tmp_path: Path) -> None:
    image = _image(tmp_path / "a.png")
    path = tmp_path / "m.png"
    path.write_bytes(imagecodecs.png_encode(((_labels() > 0) * 255).astype(np.uint8)))
    np.testing.assert_array_equal(Example(image, labels=path).load_labels(), _labels())


def test_planes_of_a_stack(tmp_path: Path) -> None:
    """Clicks and outlines of the plane that is used."""
    stack = RNG.integers(0, 255, (9, 40, 50), dtype=np.uint8)
    np.save(tmp_path / "s.npy", stack)
    deep = np.vstack([np.c_[np.full(3, 4.0), POINTS], [[5, 1, 1]]])
    labels = np.zeros((9, 40, 50), np.uint16)
    labels[4] = _labels()
    write_regions(
        [Region.box(0, 0, 20, 20, (4, 5)), Region.box(0, 0, 9, 9, (0, 2)), Region.box(5, 5, 9, 9)],
        tmp_path / "r.geojson",
    )
    example = Example(
        tmp_path / "s.npy",
        write_points(deep, tmp_path / "p.csv"),
        write_labels(labels, tmp_path / "l.tif"),
        tmp_path / "r.geojson",
        understanding=Understanding(third_axis="planes", plane=4),
    )
    np.testing.assert_array_equal(example.load_points(), POINTS)
    np.testing.assert_array_equal(example.load_labels(), _labels())
    assert [r.area for r in example.load_regions()] == [400, 16]
    volume = example.changed(understanding=Understanding())
    np.testing.assert_array_equal(volume.load_points(), deep)
    assert volume.load_labels().shape == (9, 40, 50)
    assert len(volume.load_regions()) == 3
    Dataset(tmp_path, [example]).save()
    assert open_dataset(tmp_path).problems == []
    wrong = Example(_image(tmp_path / "flat.png"), tmp_path / "p.csv")
    with pytest.raises(NucleiError, match="3 coordinates, but the image has 2 axes"):
        wrong.load_points()
