"""`nucleidomain synthesize`: what it writes, says and refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from napari_nucleidomain.data.dataset import open_dataset

from ..methods.tiny_adgan import untrained

Run = Callable[..., Any]
FEW = ("--count", 2, "--size", "64x72", "--device", "cpu", "--threads", 1)


def test_a_dataset_is_made_and_gone_on_with(run: Run, tmp_path: Path) -> None:
    untrained(tmp_path / "made here")
    said = run("synthesize", "made here", "--out", "bilder ü", *FEW, "--nuclei", "3-5", "--diameter", 18)
    assert said.code == 0, said.err
    assert "images of 64 × 72 px, 3 to 5 nuclei of 18 to 18 px" in said.out
    assert "2 images with labels" in said.out
    dataset = open_dataset(tmp_path / "bilder ü")
    assert [one.open().spatial_shape for one in dataset.examples(split="train", has="labels")] == [(64, 72)] * 2
    first = sorted((tmp_path / "bilder ü").rglob("*.tif"))[0].read_bytes()
    again = ("--count", 3, *FEW[2:], "--nuclei", "3-5", "--diameter", "18-18", "--quiet")
    said = run("synthesize", "made here", "--out", "bilder ü", *again)
    assert said.code == 0, said.err
    assert len(open_dataset(tmp_path / "bilder ü")) == 3
    assert sorted((tmp_path / "bilder ü").rglob("*.tif"))[0].read_bytes() == first


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (("--count", 0), "0 images cannot be made"),
        (("--size", "64,64,64"), "flat images"),
        (("--diameter", "100"), "larger than the image"),
        (("--nuclei", "9000"), "find no room"),
        (("--seed", -1), "--seed must be"),
        (("--threads", 0), "--threads must be"),
    ],
)
def test_bad_wishes_leave_no_run(run: Run, tmp_path: Path, changes: tuple[Any, ...], words: str) -> None:
    untrained(tmp_path / "m")
    said = run("synthesize", "m", "--out", "out", *FEW, *changes)
    assert said.code == 2
    assert words in said.err
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "nucleidomain-runs" / "runs").exists()


def test_models_of_other_methods_are_refused(run: Run, model: Path) -> None:
    assert "makes no images" in run("synthesize", model, "--out", "out", *FEW).err
    assert "makes no images" in run("synthesize", "otsu", "--out", "out", *FEW).err
    assert "There is no model" in run("synthesize", "nowhere", "--out", "out", *FEW).err


@pytest.mark.parametrize(
    ("flag", "text"), [("--size", "12"), ("--size", "a,b"), ("--nuclei", "a-b"), ("--diameter", "")]
)
def test_what_is_no_number_is_said(run: Run, capsys: pytest.CaptureFixture[str], flag: str, text: str) -> None:
    with pytest.raises(SystemExit):
        run("synthesize", "m", "--out", "out", *FEW, flag, text)
    assert "as in" in capsys.readouterr().err
