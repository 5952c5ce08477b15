"""One clear message for each fault, which names the remedy; and no run that nobody can use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from . import tiny


def colour_pictures(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        tifffile.imwrite(folder / f"{name}.tif", np.zeros((64, 64, 3), np.uint8), photometric="rgb")
    return folder


def runs_in(folder: Path) -> list[str]:
    runs = folder / "nucleidomain-runs" / "runs"
    return [one.name for one in runs.iterdir()] if runs.is_dir() else []


@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
@pytest.mark.parametrize("names", ["a", "abc"])
def test_wrong_channels_are_said_once_an_image(
    run: Callable, model: Path, tmp_path: Path, names: str, quiet: list[str]
) -> None:
    folder = colour_pictures(tmp_path / "colour", *names)
    said = run("predict", model, folder, "--out", "o", "--device", "cpu", *quiet)
    assert said.code == 2
    assert said.err.count("has 3 channels, the model was trained on 1") == 1, said.err
    assert said.err.count("--channels I)") == 1
    if len(names) > 1:
        assert "left out: 3 files (a.tif, b.tif, c.tif): each has 3 channels" in said.err
    assert said.err.count("nucleidomain: ") == 1 and "failed:" not in said.err
    assert ("None of the 3 images could be used.\n" in said.err) == (len(names) > 1)
    assert runs_in(tmp_path) == [] and "no run is kept" in said.err


def test_one_channel_is_not_told_to_choose_among_three(run: Callable, pictures: Path, tmp_path: Path) -> None:
    from napari_nucleidomain.contracts import NucleiError
    from napari_nucleidomain.data.images import open_image
    from napari_nucleidomain.inference.classical import ClassicalSegmenter
    from napari_nucleidomain.inference.segment import check_channels

    segmenter = ClassicalSegmenter(2)
    segmenter.spec = segmenter.spec.__class__(**{**vars(segmenter.spec), "channels": 3})
    with pytest.raises(NucleiError, match="has 1 channel, the model was trained on 3") as raised:
        check_channels(open_image(pictures / "a.tif"), segmenter)
    assert "which channel" not in raised.value.hint and "--channels" not in raised.value.hint


def test_a_file_left_out_is_said_once(run: Callable, pictures: Path, tmp_path: Path) -> None:
    (pictures / "empty.tif").touch()
    said = run("predict", "otsu", pictures, "--out", "o")
    assert said.code == 3
    assert said.err.count("is empty") == 1
    assert len(runs_in(tmp_path)) == 1, "what was found is kept"


def test_a_training_says_each_fault_once(run: Callable, tmp_path: Path) -> None:
    data = tiny.write_dataset(tmp_path / "data", tiny.image_of(tiny.labels_of(tiny.centres())), tiny.centres() + 1000)
    (data / "train" / "images" / "empty.tif").touch()
    said = run("train", "--data", data, "--out", "model", "--steps", 2, *tiny.SMALL, "--device", "cpu")
    assert said.code == 2
    assert said.err.count("36 of 36 clicks lie outside the image") == 1
    assert said.err.count("20 is the least") == 1
    assert said.err.count("empty.tif is empty") == 1
    assert runs_in(tmp_path) == []


def test_the_scale_is_said_once_and_not_for_otsu(run: Callable, model: Path, pictures: Path) -> None:
    said = run("predict", model, pictures, "--out", "o", "--device", "cpu", "--quiet")
    assert said.code == 0, said.err
    assert said.out.count("pixel size") == 1
    said = run("predict", "otsu", pictures, "--out", "p", "--quiet")
    assert said.code == 0 and "pixel size" not in said.out and "(" not in said.out
    said = run("predict", "otsu", pictures, "--out", "q", "--diameter", 9, "--quiet")
    assert said.out.count("does not know the size of its nuclei") == 1


def test_a_model_that_does_not_exist(run: Callable, pictures: Path, tmp_path: Path) -> None:
    said = run("predict", "nosuch", pictures, "--out", "o")
    assert said.code == 2
    assert "There is no model 'nosuch'" in said.err and "nucleidomain models" in said.err
    assert "card.json" not in said.err


def test_a_pickled_model_says_why_it_is_refused(run: Callable, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "evil.pth").write_bytes(b"\x80\x04.")
    said = run("predict", "evil.pth", pictures, "--out", "o")
    assert said.code == 2 and "may hold code" in said.err
    (tmp_path / "plain").mkdir()
    assert "may hold code" not in run("predict", "plain", pictures, "--out", "o").err


@pytest.mark.parametrize(
    ("pixels", "why"),
    [
        (np.zeros((64, 64), np.uint8), "Every pixel looked at is the same: there is probably nothing in it"),
        (np.full((64, 64), np.nan, np.float32), "None of its numbers is finite"),
    ],
    ids=["black", "nan"],
)
def test_a_blank_image_says_why_nothing_was_found(run: Callable, tmp_path: Path, pixels: np.ndarray, why: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    said = run("predict", "otsu", "a.tif", "--out", "o", "--device", "cpu", "--quiet")
    assert said.code == 0, "a field without nuclei is a result"
    assert said.err.startswith(f"! a: {why}") and said.err.count("\n") == 1
    assert "xport it again" in said.err
    assert "a.tif  0 nuclei" in said.out
