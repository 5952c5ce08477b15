"""What a careless command line could destroy or misunderstand: labels over images, empty paths, absurd numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_nucleidomain.runs.execute import ExitCode, execute
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import ImageRef, PredictJob
from napari_nucleidomain.runs.predict import label_files

from . import tiny

PICTURE = tiny.image_of(tiny.labels_of(tiny.centres()))


def test_labels_never_replace_the_images(run: Callable, pictures: Path) -> None:
    before = [path.read_bytes() for path in sorted(pictures.iterdir())]
    said = run("predict", "otsu", pictures, "--out", pictures, "--quiet")
    assert said.code == 2
    assert "would replace the image" in said.err
    assert [path.read_bytes() for path in sorted(pictures.iterdir())] == before
    assert not Path("nucleidomain-runs").exists()


def test_nor_in_a_run_that_was_not_made_here(tmp_path: Path, pictures: Path) -> None:
    image = pictures / "a.tif"
    before = image.read_bytes()
    job = PredictJob(model="otsu", images=[ImageRef(path=str(image))], out=str(pictures))
    folder = RunFolder.create(tmp_path / "run", job)
    assert execute(folder.path) == ExitCode.USER
    assert image.read_bytes() == before


def test_nor_other_files_among_the_images(run: Callable, pictures: Path) -> None:
    Image.fromarray(PICTURE).save(pictures / "c.png")
    tifffile.imwrite(pictures / "c.tif", PICTURE)
    said = run("predict", "otsu", pictures / "c.png", "--out", pictures, "--quiet")
    assert said.code == 2
    assert "lies among the images" in said.err
    assert np.array_equal(tifffile.imread(pictures / "c.tif"), PICTURE)
    assert run("predict", "otsu", pictures / "c.png", "--out", pictures / "out", "--quiet").code == 0
    assert run("predict", "otsu", pictures / "c.png", "--out", pictures / "out", "--quiet").code == 0, "labels may be"


def test_two_images_of_one_name_are_told_apart(run: Callable, pictures: Path) -> None:
    Image.fromarray(PICTURE).save(pictures / "b.png")
    said = run("predict", "otsu", pictures, "--out", "out", "--quiet")
    assert said.code == 0
    second = next(line for line in said.out.splitlines() if "b-2.tif" in line)
    assert str(pictures / "b.tif") in second
    job = PredictJob(model="otsu", images=[ImageRef(path="x/Liver.tif"), ImageRef(path="y/liver.tif")], out="out")
    assert [file.name for file in label_files(job)] == ["Liver.tif", "liver-2.tif"], "one file to Windows and to a Mac"


def test_export_replaces_neither_image_nor_labels(run: Callable, pictures: Path, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "labels.tif", tiny.labels_of(tiny.centres()))
    before = (pictures / "a.tif").read_bytes()
    said = run("export", "labels.tif", "--image", pictures / "a.tif", "--out", pictures / "a.tif")
    assert said.code == 2
    assert "would replace the image" in said.err
    assert (pictures / "a.tif").read_bytes() == before
    assert "would replace the labels" in run("export", "labels.tif", "--out", "labels.tif").err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--pixel-size=0",), "--pixel-size must be more than 0"),
        (("--pixel-size=1e-9",), "--pixel-size must be more than 0 and in µm"),
        (("--pixel-size=inf",), "--pixel-size"),
        (("--diameter=-3",), "--diameter must be more than 0 and in pixels"),
        (("--diameter=nan",), "--diameter"),
    ],
)
def test_absurd_sizes(run: Callable, pictures: Path, arguments: tuple[str, ...], words: str) -> None:
    said = run("predict", "otsu", pictures, "--out", "out", *arguments)
    assert said.code == 2
    assert words in said.err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--minutes", "inf"), "--minutes must be a number more than 0"),
        (("--minutes", "0"), "--minutes must be a number more than 0"),
        (("--steps", "2", "--seed", "-1"), "--seed"),
        (("--steps", "2", "--seed", str(2**70)), "--seed"),
    ],
)
def test_absurd_budgets_and_seeds(run: Callable, pictures: Path, arguments: tuple[str, ...], words: str) -> None:
    said = run("train", "--data", pictures, "--out", "model", *arguments)
    assert said.code == 2
    assert words in said.err


def test_an_image_is_no_dataset(run: Callable, pictures: Path) -> None:
    said = run("train", "--data", pictures / "a.tif", "--out", "model", "--steps", 2)
    assert said.code == 2
    assert "is no dataset" in said.err


def test_empty_paths_are_not_the_present_folder(run: Callable, pictures: Path) -> None:
    assert "is empty" in run("predict", "otsu", "", "--out", "out").err
    for arguments in (("predict", "otsu", pictures, "--out", ""), ("train", "--data", pictures, "--out", "")):
        with pytest.raises(SystemExit) as ended:
            run(*arguments)
        assert ended.value.code == 2


def test_out_is_a_folder(run: Callable, pictures: Path) -> None:
    said = run("predict", "otsu", pictures / "a.tif", "--out", pictures / "b.tif")
    assert said.code == 2
    assert "is a file" in said.err
