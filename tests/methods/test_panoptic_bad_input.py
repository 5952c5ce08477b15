"""What a person gives the panoptic method that teaches nothing, or not what they think: it is said, and what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.dataset import open_dataset
from napari_nucleidomain.methods.panoptic.train import train

from .fake_run import FakeRun
from .scenes import discs, stained, write_folder
from .test_panoptic_training import config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    truth, clicks = discs(seed=0)
    write_folder(tmp_path / "data", [stained(truth)], [clicks], [truth])
    return tmp_path / "data"


def test_a_training_that_diverges_says_so_and_keeps_finite_weights(folder, tmp_path):
    run = FakeRun(tmp_path / "run", steps=60)
    wild = config(optimiser="sgd", rate=5000.0, schedule="drops", gradient_limit=0.0)
    with pytest.raises(NucleiError, match="diverged") as caught:
        train(run, open_dataset(folder), wild)
    assert "(rate)" in caught.value.hint and sum("was skipped" in one for one in run.warnings) == 1
    weights, card = run.build()
    assert card.steps < 50 and all(np.isfinite(one).all() for one in weights.values())
