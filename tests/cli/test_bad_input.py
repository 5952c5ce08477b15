"""Everything a person may hand over instead of good images, clicks, outlines or models: one message, nothing lost.

Images by themselves are tested in `tests/data/test_images_bad_input.py`; here is what becomes of them in a training, a
prediction and an export, beside good ones and alone.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.contracts import ModelCard, load_card, save_card
from napari_nucleidomain.data.labels_io import read_labels, write_labels
from napari_nucleidomain.inference import model_files
from napari_nucleidomain.inference.model_archive import pack_model

from . import tiny

QUICK = ["--steps", 2, "--device", "cpu", "--threads", 1, *tiny.SMALL]
POINTS = tiny.centres()
LABELS = tiny.labels_of(POINTS)
GREY = tiny.image_of(LABELS)
RGB = np.dstack([GREY, 255 - GREY, GREY // 2])


class Data:
    """A plain folder of training images, and the command that trains on it."""

    def __init__(self, root: Path, run: Callable) -> None:
        self.root, self._run = root / "my data é", run
        for name in ("images", "points", "labels"):
            (self.root / name).mkdir(parents=True)

    def image(self, name: str, pixels: np.ndarray, **how: Any) -> Path:
        path = self.root / "images" / name
        if path.suffix == ".npy":
            np.save(path, pixels)
        else:
            tifffile.imwrite(path, pixels, **how)
        return path

    def clicks(self, name: str, points: np.ndarray = POINTS) -> Path:
        return tiny.write_clicks(self.root / "points" / f"{name}.csv", points)

    def train(self, *more: object) -> Any:
        return self._run("train", "--data", self.root, "--out", "model", *QUICK, *more)


@pytest.fixture
def data(run: Callable, tmp_path: Path) -> Data:
    return Data(tmp_path, run)


# -- images that are unusual, and fine ---------------------------------------------------------------------------------

UNUSUAL: dict[str, tuple[np.ndarray, dict[str, Any], int, str]] = {
    # name -> pixels, how they are written, channels of the model, what is told
    "16-bit": (GREY.astype(np.uint16) * 200, {}, 1, ""),
    "float": (GREY.astype(np.float32) / 255, {}, 1, ""),
    "NaN": (np.where(np.arange(96)[:, None] < 5, np.nan, GREY.astype(np.float32)), {}, 1, "not finite (NaN"),
    "colour": (RGB, {"photometric": "rgb"}, 3, ""),
    "RGBA": (
        np.dstack([RGB, np.full_like(GREY, 255)]),
        {"photometric": "rgb", "extrasamples": ["unassalpha"]},
        3,
        "transparency and was left out",
    ),
    "2 channels": (np.stack([GREY, 255 - GREY]), {"imagej": True, "metadata": {"axes": "CYX"}}, 2, ""),
    "3 pages": (
        np.stack([GREY, 255 - GREY, GREY // 2]),
        {"photometric": "minisblack", "metadata": None},
        3,
        "3 pages could be either. Taken: channels",
    ),
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_unusual_images_teach_and_are_predicted(data: Data, run: Callable, kind: str) -> None:
    pixels, how, channels, told = UNUSUAL[kind]
    path = data.image("a.tif", pixels, **how)
    data.clicks("a")
    said = data.train()
    assert said.code == 0, said.err
    assert told in said.err
    card = load_card("model")
    assert card.channels == channels
    assert card.trained_on["clicks"] + card.trained_on["kept_back"] == len(POINTS)
    assert all(np.isfinite(value).all() for value in model_files.load_weights("model").values())
    said = run("predict", "model", path, "--out", "found", "--device", "cpu")
    assert said.code == 0, said.err
    assert told in said.err
    assert read_labels("found/a.tif").labels.shape == GREY.shape


def test_a_picture_smaller_than_a_tile_teaches(data: Data) -> None:
    data.image("a.tif", GREY[:40, :40])
    data.clicks("a", tiny.centres(25, 40))
    assert data.train().code == 0


# -- images that cannot be used ----------------------------------------------------------------------------------------


def spoil(path: Path, kind: str) -> None:
    """Make a file of an image that is none."""
    if kind == "empty file":
        path.touch()
    elif kind == "no pixels":
        np.save(path, np.zeros((0, 50), np.uint8))
    elif kind == "truncated":
        tifffile.imwrite(path, GREY)
        path.write_bytes(path.read_bytes()[:3000])
    elif kind == "text":
        path.write_text("a note with the name of an image")
    elif kind == "code":
        np.save(path, np.array([[print, 1]], dtype=object), allow_pickle=True)
    elif kind == "complex":
        np.save(path, GREY.astype(complex))
    else:
        path.write_bytes(b"ZISRAWFILE")


BAD = {
    "empty file": ("b.tif", "b.tif is empty (0 bytes)"),
    "no pixels": ("b.npy", "b has no pixels"),
    "truncated": ("b.tif", "b.tif is truncated"),
    "text": ("b.tif", "b.tif is damaged"),
    "code": ("b.npy", "can run code"),
    "complex": ("b.npy", "instead of numbers"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_image_is_named_and_the_others_are_used(data: Data, run: Callable, kind: str) -> None:
    name, message = BAD[kind]
    spoil(data.root / "images" / name, kind)
    data.clicks("b")
    # Alone: the first thing that is said is what is wrong with it.
    for said in (data.train(), run("predict", "otsu", data.root / "images", "--out", "found")):
        assert said.code == 2
        assert message in said.err
        assert "Traceback" not in said.err
    assert not Path("model").exists()
    # Beside a good one.
    data.image("a.tif", GREY)
    data.clicks("a")
    said = data.train()
    assert said.code == 3, "a file was left out"
    assert message in said.err and "left out" in said.err
    assert load_card("model").trained_on["images"] == ["a"]
    said = run("predict", "otsu", data.root / "images", "--out", "found")
    assert said.code == 3
    assert message in said.err
    assert [path.name for path in Path("found").iterdir()] == ["a.tif"]


def test_a_file_that_is_no_image_and_one_of_another_program(data: Data, run: Callable) -> None:
    data.image("a.tif", GREY)
    data.clicks("a")
    (data.root / "images" / "notes.txt").write_text("from Anna")
    (data.root / "images" / "Thumbs.db").write_text("Windows makes these")
    said = data.train()
    assert said.code == 3
    assert "notes.txt does not have the name of an image" in said.err
    assert "Thumbs.db" not in said.err
    spoil(data.root / "images" / "b.czi", "czi")
    said = run("predict", "otsu", data.root / "images" / "b.czi", "--out", "found")
    assert said.code == 2 and "Zeiss CZI" in said.err and "OME-TIFF" in said.err


@pytest.mark.parametrize("kind", ["constant", "nothing but NaN"])
def test_an_image_with_nothing_in_it(data: Data, run: Callable, kind: str) -> None:
    pixels = np.full(GREY.shape, 7, np.uint8) if kind == "constant" else np.full(GREY.shape, np.nan, np.float32)
    path = data.image("b.tif", pixels)
    data.clicks("b")
    said = data.train()
    assert said.code == 2
    assert "b: every pixel is the same, so there is nothing to learn from" in said.err
    assert "Only 0 clicks" in said.err
    data.image("a.tif", GREY)
    data.clicks("a")
    said = data.train()
    assert said.code == 0, said.err
    assert load_card("model").trained_on["images"] == ["a"]
    said = run("predict", "otsu", path, "--out", "found")
    assert said.code == 0 and "0 nuclei" in said.out
    assert ("probably nothing in it" if kind == "constant" else "None of its numbers is finite") in said.err


def test_volumes_and_channels_that_differ(data: Data, run: Callable) -> None:
    data.image("a.tif", np.stack([GREY] * 6), imagej=True, metadata={"axes": "ZYX"})
    data.clicks("a", np.column_stack([np.ones(len(POINTS)), POINTS]))
    said = data.train()
    assert said.code == 2 and "a is a volume" in said.err and "Choose one plane" in said.err
    data.image("a.tif", GREY)
    data.clicks("a")
    data.image("b.tif", RGB, photometric="rgb")
    data.clicks("b")
    said = data.train()
    assert said.code == 2
    assert "differ in channels: 1 and 3" in said.err
    assert "Choose the same channels in all of them" in said.err


@pytest.mark.parametrize(
    ("understanding", "message"),
    [
        ({"axes": "ZYX"}, "the image has 2"),
        ({"axes": "YYX"}, "named twice"),
        ({"channels": [4]}, "There is no channel 4"),
        ({"third_axis": "volume"}, "no axis that could be volume"),
        ({"pixel_size_um": -1}, "not valid"),
        ({"axis": "YX"}, "not valid"),
    ],
)
def test_wrong_axes_and_other_corrections_in_a_dataset_file(
    run: Callable, data: Data, understanding: dict[str, Any], message: str
) -> None:
    image, clicks = data.image("a.tif", GREY), data.clicks("a")
    entry = {"image": str(image), "points": str(clicks), "understanding": understanding}
    content = {"kind": "nucleidomain-dataset", "schema": 1, "examples": [entry]}
    Path("d.json").write_text(json.dumps(content), encoding="utf-8")
    said = run("train", "--data", "d.json", "--out", "model", *QUICK)
    assert said.code == 2
    assert message in said.err
    assert "Traceback" not in said.err


# -- clicks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "message", "remedy"),
    [
        (POINTS + 1000, "36 of 36 clicks lie outside the image", "its own clicks"),
        (POINTS * 2, "They probably belong to another image", "its own clicks"),
        (
            np.column_stack([np.arange(36), POINTS]),
            "The clicks have 3 coordinates, but the image has 2 axes",
            "axis-0 and axis-1 for a flat image",
        ),
        (POINTS[:1], "Only 1 click; 20 is the least that works", "Click more nuclei"),
        (np.array([[20.0, 20], [20, 40], [20, 60]]), "Only 3 clicks; 20 is the least that works", "Click more nuclei"),
        (POINTS[:0], "Only 0 clicks; 20 is the least that works", "Click 60 nuclei"),
    ],
)
def test_clicks_that_cannot_teach(data: Data, points: np.ndarray, message: str, remedy: str) -> None:
    data.image("a.tif", GREY)
    data.clicks("a", points)
    said = data.train()
    assert said.code == 2
    failure = said.err.partition("nucleidomain: ")[2]
    assert message in failure, "the reason stands in the last message itself"
    assert "20 is the least that works" in failure
    assert remedy in failure, "and what mends that very fault"
    assert not Path("model").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.csv is empty"),
        ("index,axis-0,axis-1\n0,1,two\n", "line 2, holds no point"),
        ("index,axis-0,axis-1\n0,nan,3\n", "a point without a place (NaN)"),
        ("name,size\na,3\n", "no columns axis-0 and axis-1"),
        ("\x00\xff", "a.csv"),
    ],
)
def test_tables_that_hold_no_clicks(data: Data, text: str, message: str) -> None:
    data.image("a.tif", GREY)
    (data.root / "points" / "a.csv").write_text(text, encoding="latin-1")
    said = data.train()
    assert said.code == 2
    assert message in said.err.partition("nucleidomain: ")[2]


def test_odd_clicks_are_told_and_the_rest_teaches(data: Data) -> None:
    data.image("a.tif", GREY)
    data.clicks("a", np.vstack([POINTS, POINTS[:1] + 1, [[500.0, 500.0]]]))
    said = data.train()
    assert said.code == 0, said.err
    assert "1 click lies outside the image" in said.err
    assert "2 clicks are less than 3 px apart" in said.err
    assert "remove one of them" in said.err
    card = load_card("model")
    assert card.trained_on["clicks"] + card.trained_on["kept_back"] == len(POINTS) + 1


def test_clicks_of_an_image_that_is_not_there(data: Data) -> None:
    data.image("a.tif", GREY)
    data.clicks("a")
    data.clicks("b")
    said = data.train()
    assert said.code == 3 and "There is no image b for it" in said.err


# -- outlines ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS[:50], "The outlines are 50×96 pixels, but the image is 96×96"),
        (LABELS / 3, "no label image"),
        (np.dstack([LABELS, LABELS * 2, LABELS]).astype(np.uint8), "colour picture of outlines"),
    ],
)
def test_outlines_that_do_not_fit(data: Data, labels: np.ndarray, message: str) -> None:
    data.image("a.tif", GREY)
    data.clicks("a")
    tifffile.imwrite(data.root / "labels" / "a.tif", labels, photometric="rgb" if labels.ndim == 3 else "minisblack")
    # Clicks teach without them when they are a size that does not fit; what cannot be read is found when it is needed.
    said = data.train("--set", "variant=fully")
    assert said.code == 2
    assert message in said.err
    assert "Traceback" not in said.err


def test_outlines_of_another_image_as_geojson(data: Data) -> None:
    data.image("a.tif", GREY)
    data.clicks("a")
    moved = np.zeros((400, 400), np.uint32)
    moved[300:396, 300:396] = LABELS
    write_labels(moved, data.root / "labels" / "a.geojson", format="geojson")
    said = data.train()
    assert said.code == 3
    assert "36 of 36 outlines lie outside the image" in said.err
    assert load_card("model").trained_on["images"] == ["a"]


# -- models ------------------------------------------------------------------------------------------------------------


class Trap:
    """Unpickling this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return (Path.touch, (self.path,))


def changed(model: Path, folder: Path, **facts: Any) -> Path:
    """A copy of a model with another card."""
    copy = model_files.copy_model(model, folder)
    card = load_card(copy)
    save_card(ModelCard.model_validate({**card.model_dump(), **facts}), copy)
    return copy


def test_models_that_cannot_be_used(run: Callable, data: Data, model: Path, tmp_path: Path) -> None:
    """Each is refused by predict and as the beginning of a training, and the model that is there stays."""
    path = data.image("a.tif", GREY)
    data.clicks("a")
    assert data.train().code == 0
    kept = {file.name: file.read_bytes() for file in Path("model").iterdir()}

    def copy(name: str) -> Path:
        return model_files.copy_model(model, tmp_path / name)

    cut = copy("cut")
    (cut / "weights.safetensors").write_bytes((cut / "weights.safetensors").read_bytes()[:-100])
    code = copy("code")
    (code / "weights.safetensors").write_bytes(pickle.dumps(Trap(tmp_path / "code was run")))
    bare = copy("bare")
    (bare / "weights.safetensors").unlink()
    half = copy("half")
    (half / "card.json").write_text('{"name": "half", "meth', encoding="utf-8")
    later = copy("later")
    content = json.loads((later / "card.json").read_text(encoding="utf-8"))
    (later / "card.json").write_text(json.dumps({**content, "schema_version": 99}), encoding="utf-8")
    pickled = tmp_path / "model.pth"
    pickled.write_bytes(pickle.dumps(Trap(tmp_path / "code was run")))
    packed = pack_model(model, tmp_path / "packed")
    foreign = changed(model, tmp_path / "foreign", method="magic")
    wider = changed(model, tmp_path / "wider", config={**load_card(model).config, "width": 8})
    cases = {
        cut: "the file is cut short or of another kind",
        code: "never opened",
        bare: "has no weights.safetensors",
        half: "is damaged",
        later: "made by a later version",
        pickled: "is not a model: it has no card.json",
        packed: "unpack it (it is a zip) and give the folder",
        wider: "the weights",
        foreign: "magic",
    }
    for folder, message in cases.items():
        for said in (run("predict", folder, path, "--out", "found"), data.train("--from", folder, "--overwrite")):
            assert said.code == 2, folder.name
            assert message.lower() in said.err.lower() or (folder == wider and "other networks" in said.err), said.err
            assert "Traceback" not in said.err
    assert not (tmp_path / "code was run").exists()
    assert not Path("found").exists()
    assert {file.name: file.read_bytes() for file in Path("model").iterdir()} == kept


def test_a_model_of_another_method_or_channel_count(run: Callable, data: Data, model: Path, tmp_path: Path) -> None:
    path = data.image("a.tif", RGB, photometric="rgb")
    data.clicks("a")
    said = data.train("--from", model)
    assert said.code == 2
    assert "was trained on 1 channels, these images have 3" in said.err
    assert "begin a new model" in said.err
    said = run("predict", model, path, "--out", "found")
    assert said.code == 2
    assert "a has 3 channels, the model was trained on 1" in said.err
    assert "Choose which channel to use" in said.err
    other = changed(model, tmp_path / "other", method="style", name="other")
    said = data.train("--from", other)
    assert said.code == 2
    assert "The model other was made by the method style; spn-ien cannot continue from it" in said.err
    assert "leave --from out" in said.err
    said = run("predict", other, path, "--out", "found")
    assert said.code == 2
    assert "no method 'style' here" in said.err and "A newer version may have it" in said.err


@pytest.mark.parametrize(
    ("device", "message"),
    [("cuda", "Choose cpu"), ("cuda:7", "Choose cpu"), ("mps", "Choose cpu"), ("tpu", "no device")],
)
def test_a_device_that_is_not_there(run: Callable, data: Data, model: Path, device: str, message: str) -> None:
    import torch

    if (device == "cuda" and torch.cuda.is_available()) or (device == "mps" and torch.backends.mps.is_available()):
        pytest.skip("it is there")
    path = data.image("a.tif", GREY)
    data.clicks("a")
    for said in (
        run("train", "--data", data.root, "--out", "model", "--steps", 2, *tiny.SMALL, "--device", device),
        run("predict", model, path, "--out", "found", "--device", device),
    ):
        assert said.code == 2
        assert device.partition(":")[0].replace("mps", "Apple") in said.err
        assert message in said.err
    assert not Path("model").exists()


# -- export ------------------------------------------------------------------------------------------------------------


def test_exports_that_cannot_be_made(run: Callable, tmp_path: Path) -> None:
    write_labels(LABELS, tmp_path / "l.tif", format="tif")
    write_labels(LABELS, tmp_path / "l.geojson", format="geojson")
    write_labels(LABELS, tmp_path / "l.zip")
    write_labels(np.stack([LABELS] * 3), tmp_path / "deep.tif", format="tif")
    tifffile.imwrite(tmp_path / "colour.tif", RGB, photometric="rgb")
    tifffile.imwrite(tmp_path / "part.tif", LABELS / 7)
    (tmp_path / "cut.tif").write_bytes((tmp_path / "l.tif").read_bytes()[:-200])
    (tmp_path / "notes.txt").write_text("no labels")
    # Of four pixels each: with one it would be a ramp, and refused as a picture.
    many = np.kron(np.arange(300 * 300, dtype=np.uint32).reshape(300, 300), np.ones((2, 2), np.uint32))
    write_labels(many, tmp_path / "many.tif", format="tif")
    (tmp_path / "kept.png").write_bytes(b"older")
    for labels, out, message in (
        ("nowhere.tif", "o.csv", "is not there"),
        ("notes.txt", "o.csv", "notes.txt is not an image"),
        ("cut.tif", "o.csv", "cut.tif is truncated"),
        ("colour.tif", "o.csv", "colour picture of outlines"),
        ("part.tif", "o.csv", "no label image"),
        ("l.tif", "o.docx", ".docx"),
        ("l.geojson", "o.csv", "without the size of their image"),
        ("l.zip", "o.csv", "without the size of their image"),
        ("deep.tif", "o.geojson", "cannot hold a volume"),
        ("many.tif", "kept.png", "65,535"),
    ):
        said = run("export", labels, "--out", out)
        assert said.code == 2, (labels, said.err)
        assert message in said.err, (labels, said.err)
        assert said.err.count("\n") >= 2, "what to do stands under it"
        assert not Path("o.csv").exists() and not Path("o.geojson").exists()
    assert (tmp_path / "kept.png").read_bytes() == b"older"
    said = run("export", "l.tif", "--out", "o.csv", "--pixel-size", -1)
    assert said.code == 2 and "more than 0" in said.err
    said = run("export", "l.tif", "--out", "o.csv", "--image", "notes.txt")
    assert said.code == 2 and "notes.txt is not an image" in said.err


@pytest.mark.parametrize("labels", ["l.geojson", "l.zip"])
def test_outlines_are_exported_with_their_image(run: Callable, tmp_path: Path, labels: str) -> None:
    write_labels(LABELS, tmp_path / labels)
    tifffile.imwrite(tmp_path / "a.tif", GREY)
    assert run("export", labels, "--out", "o.tif", "--image", "a.tif").code == 0
    np.testing.assert_array_equal(read_labels("o.tif").labels, LABELS)
