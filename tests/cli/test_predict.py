"""`nucleidomain predict` in this process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.data.labels_io import read_labels, voxel_size
from napari_nucleidomain.data.tables import read_table
from napari_nucleidomain.instances.scores import score_labels

from . import tiny


@pytest.mark.parametrize(
    ("name", "ending"),
    [("tif", ".tif"), ("ome-tif", ".ome.tif"), ("zarr", ".ome.zarr"), ("geojson", ".geojson"), ("png", ".png")],
)
def test_every_format_holds_the_same_nuclei(run: Callable, pictures: Path, name: str, ending: str) -> None:
    said = run("predict", "otsu", pictures / "a.tif", "--out", "labels", "--format", name, "--quiet")
    assert said.code == 0, said.err
    labels = read_labels(Path("labels") / f"a{ending}", shape=(tiny.SIDE, tiny.SIDE)).labels
    assert score_labels(labels, tiny.labels_of(tiny.centres())).as_dict()["f1@0.5"] > 0.9
    assert "36 nuclei" in said.out


def test_model_predicts(run: Callable, model: Path, pictures: Path) -> None:
    said = run("predict", model, pictures / "a.tif", "--out", "labels", "--device", "cpu", "--quiet")
    assert said.code == 0, said.err
    assert read_labels("labels/a.tif").labels.shape == (tiny.SIDE, tiny.SIDE)


def test_bad_files_of_a_folder_are_named_and_the_rest_is_done(run: Callable, pictures: Path) -> None:
    (pictures / "notes.txt").write_text("not an image")
    whole = (pictures / "b.tif").read_bytes()
    (pictures / "cut.tif").write_bytes(whole[: len(whole) // 2])
    said = run("predict", "otsu", pictures, "--out", "labels", "--quiet")
    assert said.code == 3
    assert sorted(path.name for path in Path("labels").iterdir()) == ["a.tif", "b.tif"]
    for name in ("notes.txt", "cut.tif"):
        assert any(name in line for line in said.err.splitlines() if line.startswith("left out:")), said.err
    assert "Traceback" not in said.err


def test_only_bad_files(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not an image")
    said = run("predict", "otsu", "notes.txt", "--out", "labels", "--quiet")
    assert said.code == 2
    assert "notes.txt" in said.err


def test_channel_is_chosen(run: Callable, tmp_path: Path) -> None:
    labels = tiny.labels_of(tiny.centres())
    dark = np.random.default_rng(0).integers(0, 20, labels.shape).astype(np.uint8)
    tifffile.imwrite(
        tmp_path / "two.tif", np.stack([dark, tiny.image_of(labels)]), imagej=True, metadata={"axes": "CYX"}
    )
    said = run("predict", "otsu", "two.tif", "--out", "labels", "--channels", "1", "--quiet")
    assert said.code == 0, said.err
    assert score_labels(read_labels("labels/two.tif").labels, labels).as_dict()["f1@0.5"] > 0.9
    assert "counted from 0" in run("predict", "otsu", "two.tif", "--out", "o", "--channels", "red").err


def test_two_channels_for_a_model_of_one(run: Callable, model: Path, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "two.tif", np.zeros((2, 64, 64), np.uint8), imagej=True, metadata={"axes": "CYX"})
    said = run("predict", model, "two.tif", "--out", "labels", "--quiet")
    assert said.code == 2
    assert "has 2 channels, the model was trained on 1" in said.err


def test_plane_of_a_volume(run: Callable, model: Path, tmp_path: Path) -> None:
    labels = tiny.labels_of(tiny.centres())
    planes = np.stack([np.zeros(labels.shape, np.uint8), tiny.image_of(labels), np.zeros(labels.shape, np.uint8)])
    tifffile.imwrite(tmp_path / "volume.tif", planes, imagej=True, metadata={"axes": "ZYX"})
    said = run("predict", "otsu", "volume.tif", "--out", "labels", "--plane", 1, "--quiet")
    assert said.code == 0, said.err
    assert score_labels(read_labels("labels/volume.tif").labels, labels).as_dict()["f1@0.5"] > 0.9
    said = run("predict", "otsu", "volume.tif", "--out", "labels", "--plane", 7, "--quiet")
    assert said.code == 2 and "has no plane 7: it has 0 to 2" in said.err
    said = run("predict", model, "volume.tif", "--out", "labels", "--quiet")
    assert said.code == 2 and "Choose a plane" in said.err


def test_scale_is_said(run: Callable, model: Path, pictures: Path) -> None:
    plain = run("predict", model, pictures / "a.tif", "--out", "one", "--quiet")
    scaled = run("predict", model, pictures / "a.tif", "--out", "two", "--diameter", 18, "--quiet")
    assert plain.code == scaled.code == 0
    assert plain.out.partition("(")[2] != scaled.out.partition("(")[2]
    assert read_labels("two/a.tif").labels.shape == (tiny.SIDE, tiny.SIDE)
    assert run("predict", model, pictures / "a.tif", "--out", "three", "--pixel-size", 0.25, "--quiet").code == 0
    assert run("predict", model, pictures / "a.tif", "--out", "four", "--diameter", -3, "--quiet").code == 2


@pytest.mark.parametrize("kind", ["rgba", "16-bit", "nan", "pages", "one pixel"])
def test_unusual_images(run: Callable, tmp_path: Path, kind: str) -> None:
    labels = tiny.labels_of(tiny.centres())
    grey = tiny.image_of(labels)
    if kind == "rgba":
        tifffile.imwrite(
            tmp_path / "a.tif",
            np.dstack([grey, grey, grey, np.full_like(grey, 255)]),
            photometric="rgb",
            extrasamples=["unassalpha"],
        )
    elif kind == "16-bit":
        tifffile.imwrite(tmp_path / "a.tif", grey.astype(np.uint16) * 200)
    elif kind == "nan":
        pixels = grey.astype(np.float32)
        pixels[:4, :4] = np.nan
        tifffile.imwrite(tmp_path / "a.tif", pixels)
    elif kind == "pages":
        tifffile.imwrite(tmp_path / "a.tif", np.stack([grey] * 3), photometric="minisblack")
    else:
        tifffile.imwrite(tmp_path / "a.tif", grey[:1, :1])
    said = run("predict", "otsu", "a.tif", "--out", "labels", "--quiet")
    assert said.code == 0, said.err
    found = read_labels("labels/a.tif").labels
    assert found.shape[-2:] == ((1, 1) if kind == "one pixel" else labels.shape)


def test_what_is_not_there(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "is not there" in run("predict", "otsu", "nowhere.tif", "--out", "o").err
    assert "holds no files" in run("predict", "otsu", "empty", "--out", "o").err
    said = run("predict", "empty", "nowhere.tif", "--out", "o")
    assert said.code == 2 and said.err.startswith("nucleidomain: ")
    assert not (tmp_path / "nucleidomain-runs").exists(), "no run is made for a command that cannot work"


def test_a_stopped_prediction_says_how_to_go_on(run: Callable, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        # As if Ctrl+C had come before the first tile was kept.
        patch.setattr("napari_nucleidomain.runs.requests.Requests.stopped", True)
        said = run("predict", "otsu", pictures / "a.tif", "--out", "labels", "--quiet")
    assert said.code == 4
    assert not Path("labels/a.tif").exists()
    folder = said.err.split("nucleidomain run ")[1].split(" goes on")[0]
    assert run("run", folder).code == 0
    assert Path("labels/a.tif").exists()


def test_threads_must_be_some(run: Callable, pictures: Path, tmp_path: Path) -> None:
    said = run("predict", "otsu", pictures, "--out", "labels", "--threads", 0, "--quiet")
    assert said.code == 2 and "--threads must be more than 0" in said.err
    assert not (tmp_path / "nucleidomain-runs").exists()


def test_threads_are_those_asked_for(tmp_path: Path, model: Path) -> None:
    """In a process of its own, as the command is used: torch reads the number when it is loaded."""
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((32, 32), np.uint8))
    code = (
        "import sys; from napari_nucleidomain.cli import main; code = main(sys.argv[1:]);"
        "assert 'torch' in sys.modules; import os, torch;"
        "print('threads', torch.get_num_threads(), os.environ.get('OMP_NUM_THREADS')); sys.exit(code)"
    )
    command = ["predict", str(model), "a.tif", "--out", "o", "--threads", "1", "--device", "cpu", "--quiet"]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", code, *command], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "threads 1 None" in done.stdout, "and a script that goes on finds its own setting"


def test_voxels_of_a_volume(run: Callable, tmp_path: Path) -> None:
    """Balls seen by voxels four times as deep as wide: they are found, measured and exported as balls."""
    spacing = (2.0, 0.5, 0.5)
    z, y, x = np.mgrid[:16, :48, :48]
    labels = np.zeros(z.shape, np.uint32)
    for number, (row, column) in enumerate([(12, 12), (12, 36), (36, 12), (36, 36)], start=1):
        ball = ((z - 8) * 2.0) ** 2 + ((y - row) * 0.5) ** 2 + ((x - column) * 0.5) ** 2 <= 5.0**2
        labels[ball] = number
    tifffile.imwrite(tmp_path / "balls.tif", tiny.image_of(labels), photometric="minisblack", metadata=None)
    said = run("predict", "otsu", "balls.tif", "--out", "cubes", "--quiet")
    assert said.code == 0 and "No voxel size in the file" in said.err
    said = run("predict", "otsu", "balls.tif", "--out", "flat", "--pixel-size", 0.5, "--quiet")
    assert said.code == 0 and "You gave 0.5 µm" in said.err
    said = run(
        "predict", "otsu", "balls.tif", "--out", "sized", "--pixel-size", "2,0.5,0.5", "--format", "ome-tif", "--quiet"
    )
    assert said.code == 0 and "voxel" not in said.err, said.err
    assert voxel_size("sized/balls.ome.tif") == pytest.approx(spacing)
    assert score_labels(read_labels("sized/balls.ome.tif").labels, labels).as_dict()["f1@0.5"] == 1
    assert run("export", "sized/balls.ome.tif", "--out", "m.csv").code == 0
    table = read_table(Path("m.csv"))
    assert np.array(table["volume_um3"], float) == pytest.approx(4 / 3 * np.pi * 5.0**3, rel=0.2)
    assert run("export", "flat/balls.tif", "--out", "b.tif", "--pixel-size", 3).code == 2
    with pytest.raises(SystemExit):
        run("predict", "otsu", "balls.tif", "--out", "no", "--pixel-size", "2,0.5", "--quiet")
