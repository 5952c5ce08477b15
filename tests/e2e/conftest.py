"""A small training in processes of its own, and one that nothing disturbed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_nucleidomain.inference.model_files import load_weights
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.store import Project

from . import processes
from .scene import write_scene

SETTINGS: dict[str, Any] = {
    "network": "small",
    "width": 4,
    "depth": 2,
    "crop_px": 48,
    "batch": 2,
    "imagenet": False,
    "restarts": 1,
    "precision": "32-true",
    "spn_steps": 60,
    "ien_steps": 60,
}


class Trainings:
    """Makes trainings that are all alike."""

    def __init__(self, folder: Path) -> None:
        self._project = Project.open(folder / "my project é")
        self._data = write_scene(folder / "data")

    def new(self, **changes: Any) -> RunFolder:
        """A run folder."""
        job = {"method": "spn-ien", "preset": "quick", "data": str(self._data), "name": "tiny", "config": SETTINGS}
        return self._project.new_run(TrainJob(**{**job, "device": "cpu", "threads": 1, "steps": 120, **changes}))


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Trainings:
    return Trainings(tmp_path_factory.mktemp("e2e"))


@pytest.fixture(scope="module")
def undisturbed(trainings: Trainings) -> dict[str, np.ndarray]:
    """Weights of the training that nobody disturbed."""
    run = trainings.new()
    process = processes.start(run)
    assert process.wait(300) == 0, processes.said_by(run)
    assert run.model_folder is not None
    return load_weights(run.model_folder)
