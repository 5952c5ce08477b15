"""The disk becomes full at every single write of a training and of a prediction: one clear message, nothing lost."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from napari_nucleidomain.contracts import ModelCard, WriteError, load_card
from napari_nucleidomain.contracts.events import Failed, Finished, Started, Warned
from napari_nucleidomain.contracts.files import write_atomic
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.data.labels_out import boxes
from napari_nucleidomain.data.labels_zarr import LabelsZarrWriter
from napari_nucleidomain.inference.model_files import load_weights, save_model
from napari_nucleidomain.inference.tile_store import TileStore
from napari_nucleidomain.instances.grid import Grid
from napari_nucleidomain.runs.context import FolderRun
from napari_nucleidomain.runs.event_log import EventWriter, read_events
from napari_nucleidomain.runs.execute import ExitCode, execute
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import ImageRef, PredictJob
from napari_nucleidomain.runs.store import Project
from napari_nucleidomain.training.state import TorchCheckpoints

from ..full_disk import FullDisk

_MOST = 400


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint at every step, and no waiting for the watcher's thread."""
    monkeypatch.setattr("napari_nucleidomain.runs.requests._LOOK_SECONDS", 0.005)
    monkeypatch.setattr(FolderRun, "_save_every", -1.0)
    monkeypatch.setattr(FolderRun, "_save_and_time", FolderRun.save_checkpoint)


def run_on(disk: FullDisk, run: RunFolder, writes: int) -> str:
    """Execute with place for so many writes; what the user is told, "" where all went well."""
    disk.fill_after(writes)
    try:
        code = execute(run.path)
    except WriteError as error:
        said = str(error)
    else:
        failures = [event for event in run.read_events()[0] if isinstance(event, Failed)]
        said = " ".join(f"{event.message} {event.hint}" for event in failures)
        # Where not even the last event found place the console has the words.
        assert code == (ExitCode.USER if disk.refused else ExitCode.DONE)
    disk.free()
    return said


def check_words(said: str) -> None:
    assert said.startswith("The disk is full: ")
    assert said.count("The disk is full") == 1
    assert "Free some space" in said


@pytest.mark.parametrize("spare_helps", [True, False])
def test_full_at_any_write_of_a_training(
    new_training: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, spare_helps: bool
) -> None:
    target = tmp_path / "models" / "liver"
    reference = new_training(config={"steps": 3}, publish=str(target))
    assert execute(reference.path) == ExitCode.DONE
    expected = load_weights(target)
    for writes in itertools.count():
        run = new_training(config={"steps": 3}, publish=str(target))
        with monkeypatch.context() as patch:
            disk = FullDisk(patch, tmp_path, run.path / "spare.bin" if spare_helps else None)
            said = run_on(disk, run, writes)
            begun = any(isinstance(event, Started) for event in run.read_events()[0])
        printed = capsys.readouterr()
        if not disk.refused:
            assert run.state == "finished"
            break
        if spare_helps and begun:
            check_words(said)
            assert run.state == "failed"
        else:
            # Not even the last word found a place: the console has it.
            check_words(said or printed.err.strip())
        assert "Traceback" not in printed.err
        for name, value in load_weights(target).items():
            np.testing.assert_array_equal(value, expected[name])
        assert execute(run.path) == ExitCode.DONE
        assert load_card(run.model_folder).name == "toy"
        for name, value in load_weights(run.model_folder).items():
            np.testing.assert_array_equal(value, expected[name], err_msg=f"full after {writes} writes")
        halves = [path for path in run.path.rglob("*") if path.name.startswith(".") or path.name == "spare.bin"]
        assert halves == []
        assert writes < _MOST
    assert writes > 30


@pytest.mark.parametrize("form", ["tif", "png", "geojson", "zarr"])
def test_full_at_any_write_of_a_prediction(
    project: Project, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    y, x = np.mgrid[:64, :64]
    files = []
    for name in ("a", "b") if form == "tif" else ("a",):
        picture = np.where((y - 20) ** 2 + (x - 20) ** 2 < 80, 200, 20) + (y % 7)
        tifffile.imwrite(tmp_path / f"{name}.tif", picture.astype(np.uint8))
        files.append(ImageRef(path=str(tmp_path / f"{name}.tif")))
    out = tmp_path / "out"
    job = PredictJob(model="otsu", images=files, out=str(out), format=form)
    first = project.new_run(job)
    assert execute(first.path) == ExitCode.DONE
    written = {name: read_back(Path(entry["labels"])) for name, entry in named(first).items()}
    for writes in itertools.count():
        run = project.new_run(job)
        with monkeypatch.context() as patch:
            disk = FullDisk(patch, tmp_path, run.path / "spare.bin")
            said = run_on(disk, run, writes)
        if not disk.refused:
            break
        printed = capsys.readouterr().err
        check_words(said or printed.strip())
        assert "Traceback" not in printed
        assert not [event for event in run.read_events()[0] if isinstance(event, Warned)], "said once, not per image"
        for name, entry in named(first).items():
            assert read_back(Path(entry["labels"])) == written[name], "the labels that were there stay whole"
        assert sorted(path.name for path in out.iterdir() if path.name.startswith(".")) == []
        assert execute(run.path) == ExitCode.DONE
        assert {name: entry["nuclei"] for name, entry in named(run).items()} == {
            name: entry["nuclei"] for name, entry in named(first).items()
        }
        assert writes < _MOST
    assert writes > 10


def named(run: RunFolder) -> dict[str, Any]:
    return {entry["name"]: entry for entry in run.summary()["images"]}


def read_back(path: Path) -> bytes:
    if path.suffix == ".geojson":
        return path.read_bytes()
    return np.asarray(read_labels(path).labels).astype(np.uint32).tobytes()


def test_full_inside_a_real_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch reports a full disk as "unexpected pos 64 vs 0"."""
    path = tmp_path / "checkpoint" / "latest.ckpt"
    checkpoints = TorchCheckpoints()

    def keep(number: int) -> None:
        state = {"position": {"number": number}, "tracked": {"net": {"w": torch.full((64, 1024), float(number))}}}
        write_atomic(path, lambda aside: checkpoints.save(state, aside))

    keep(1)
    disk = FullDisk(monkeypatch, tmp_path)
    for writes in range(_MOST):
        disk.fill_after(writes)
        try:
            keep(2)
        except WriteError as error:
            assert "The disk is full: latest.ckpt" in str(error)
        else:
            break
        disk.free()
        assert checkpoints.load(path)["position"] == {"number": 1}
        assert [file.name for file in path.parent.iterdir()] == ["latest.ckpt"]
    assert writes > 2
    assert checkpoints.load(path)["position"] == {"number": 2}


def test_full_inside_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "models" / "my liver [1]"
    save_model(folder, {"w": np.ones((64, 1024), np.float32)}, ModelCard(name="old", method="toy"))
    disk = FullDisk(monkeypatch, tmp_path)
    for writes in range(_MOST):
        disk.fill_after(writes)
        try:
            save_model(folder, {"w": np.zeros((64, 1024), np.float32)}, ModelCard(name="new", method="toy"))
        except WriteError as error:
            assert str(error).startswith(f"The disk is full: {folder.name} could not be written to {folder.parent}.")
        else:
            break
        disk.free()
        assert load_card(folder).name == "old"
        assert load_weights(folder)["w"].min() == 1
        assert [one.name for one in folder.parent.iterdir()] == [folder.name]
    assert writes > 2
    assert load_card(folder).name == "new"


def test_half_an_event_does_not_spoil_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = EventWriter(tmp_path)
    writer.write(Started())
    disk = FullDisk(monkeypatch, tmp_path)
    disk.fill_after(0)
    with pytest.raises(WriteError, match=r"The disk is full: events\.jsonl"):
        writer.write(Warned(message="a long message " * 20))
    disk.free()
    writer.write(Finished())
    assert [event.kind for event in read_events(tmp_path)[0]] == ["started", "finished"]


def test_no_run_folder_is_left_where_it_could_not_be_written(
    project: Project, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for writes in (0, 1):
        with monkeypatch.context() as patch:
            FullDisk(patch, project.path).fill_after(writes)
            with pytest.raises(WriteError, match="The disk is full"):
                project.new_run(PredictJob(model="otsu", images=[]))
    assert list(project.runs_folder.glob("*")) == []


@pytest.mark.parametrize("writes", [0, 1, 3, 7])
def test_a_large_label_image_says_that_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """It is written chunk by chunk; a mapped file that met a full disk would end the process without a word."""
    grid = Grid((300, 200), (64, 64), (8, 8))
    disk = FullDisk(monkeypatch, tmp_path)
    disk.fill_after(writes)
    with pytest.raises(WriteError, match="The disk is full"):
        canvas = TileStore(tmp_path / "tiles", large=0).canvas(grid, (0, 0), (300, 200))
        for tile in grid:
            canvas[tile.core] = np.full([piece.stop - piece.start for piece in tile.core], tile.index + 1, np.uint32)
    assert disk.refused
    disk.free()
    canvas = TileStore(tmp_path / "tiles", large=0).canvas(grid, (0, 0), (300, 200))
    for tile in grid:
        canvas[tile.core] = np.full([piece.stop - piece.start for piece in tile.core], tile.index + 1, np.uint32)
    assert set(np.unique(canvas[:, :])) == {tile.index + 1 for tile in grid}


@pytest.mark.parametrize("writes", [0, 2, 6])
def test_labels_of_a_slide_say_that_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    disk = FullDisk(monkeypatch, tmp_path)
    disk.fill_after(writes)
    with pytest.raises(WriteError, match="The disk is full"):
        writer = LabelsZarrWriter(tmp_path / "slide.ome.zarr", (1200, 1200))
        for box in boxes((1200, 1200), 512):
            writer[box] = np.ones([piece.stop - piece.start for piece in box], np.uint32)
        writer.finish()
    assert disk.refused
