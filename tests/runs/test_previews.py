"""A preview that cannot be written: the work goes on, unless the disk is full."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.contracts import files
from napari_nucleidomain.contracts.events import Failed, Preview, Warned
from napari_nucleidomain.runs.context import FolderRun
from napari_nucleidomain.runs.execute import ExitCode, execute
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import ImageRef, PredictJob
from napari_nucleidomain.runs.store import Project


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have the rename of every preview fail as the system does."""
    real = os.replace

    def go(number: int) -> None:
        def replace(source: Any, target: Any) -> None:
            if Path(target).parent.name == "previews":
                raise OSError(number, os.strerror(number), str(target))
            real(source, target)

        monkeypatch.setattr(files.os, "replace", replace)
        monkeypatch.setattr(files, "_ATTEMPTS", 1)

    return go


@pytest.fixture
def training(new_training: Any, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """One that shows a preview at each step."""
    real = FolderRun.metric

    def metric(self: FolderRun, **values: float) -> None:
        real(self, **values)
        self.preview("a.png", (0, 0), labels=np.zeros((4, 4), np.uint32), image=np.zeros((4, 4), np.float32))

    monkeypatch.setattr(FolderRun, "metric", metric)
    return new_training(config={"steps": 4})


def prediction(project: Project, folder: Path) -> RunFolder:
    """Of two images with a nucleus each."""
    y, x = np.mgrid[:64, :64]
    picture = np.where((y - 20) ** 2 + (x - 20) ** 2 < 80, 200, 20).astype(np.uint8)
    for name in "ab":
        tifffile.imwrite(folder / f"{name}.tif", picture)
    refs = [ImageRef(path=str(folder / f"{name}.tif")) for name in "ab"]
    return project.new_run(PredictJob(model="otsu", images=refs))


def told(run: RunFolder, kind: type) -> list[Any]:
    return [event for event in run.read_events()[0] if isinstance(event, kind)]


def test_training_goes_on_without_its_previews(training: RunFolder, refuse: Any) -> None:
    refuse(errno.EACCES)
    assert execute(training.path) == ExitCode.DONE
    assert training.model_folder is not None
    assert told(training, Preview) == []
    assert [event.message for event in told(training, Warned) if "preview" in event.message] != []
    assert len(told(training, Warned)) == 1, "said once, not at each step"


def test_prediction_goes_on_without_its_previews(project: Project, tmp_path: Path, refuse: Any) -> None:
    run = prediction(project, tmp_path)
    refuse(errno.EACCES)
    assert execute(run.path) == ExitCode.DONE
    assert [entry["nuclei"] for entry in run.summary()["images"]] == [1, 1]
    assert told(run, Preview) == []
    assert len([event for event in told(run, Warned) if "preview" in event.message]) == 1


def test_full_disk_is_said_at_a_preview(training: RunFolder, refuse: Any) -> None:
    refuse(errno.ENOSPC)
    assert execute(training.path) == ExitCode.USER
    assert told(training, Failed)[0].message.startswith("The disk is full")


def test_tiles_shown_on_the_way_go_when_the_image_is_done(project: Project, tmp_path: Path) -> None:
    run = prediction(project, tmp_path)
    (run.path / "previews").mkdir()
    mine = run.path / "previews" / "notes.npz"
    mine.write_bytes(b"")
    assert execute(run.path) == ExitCode.DONE
    assert told(run, Preview), "they were shown"
    assert list((run.path / "previews").iterdir()) == [mine]
