from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture

from napari_nucleidomain.runs import train as train_module
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.store import Project

from . import toy


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A dataset folder with one small image and its clicks."""
    root = tmp_path / "data set é"
    (root / "train" / "images").mkdir(parents=True)
    (root / "train" / "points").mkdir()
    rng = np.random.default_rng(0)
    Picture.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(root / "train" / "images" / "a.png")
    (root / "train" / "points" / "a.csv").write_text("index,axis-0,axis-1\n0,10,10\n1,40,30\n", encoding="utf-8")
    return root


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.open(tmp_path / "my project ü")


@pytest.fixture
def toy_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_module, "find_method", lambda name: toy.SPEC)
    monkeypatch.setattr(toy.SPEC.__class__, "resolve", lambda self, entry: toy.train)


@pytest.fixture
def new_training(project: Project, dataset: Path, toy_method: None) -> Any:
    def make(**changes: Any) -> Any:
        config = changes.pop("config", {})
        return project.new_run(TrainJob(method="toy", data=str(dataset), name="toy", config=config, **changes))

    return make
