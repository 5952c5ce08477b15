"""`--pixel-size` of a training reaches its images, wherever they are opened, and so the card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.dataset import open_dataset
from napari_nucleidomain.runs.inputs import INPUTS, inputs_begun_with, training_inputs
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.store import Project


def _data(folder: Path) -> Path:
    for part in ("images", "points"):
        (folder / part).mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50), dtype=np.uint8)
    Pillow.fromarray(pixels).save(folder / "images" / "a.png")
    (folder / "points" / "a.csv").write_text("index,axis-0,axis-1\n0,9,9\n1,25,37\n")
    return folder


@pytest.mark.parametrize("sizes", [[0.5], [2.0, 0.5, 0.5]])
def test_images_of_a_training_know_the_size(tmp_path: Path, sizes: list[float]) -> None:
    data = _data(tmp_path / "data")
    job = TrainJob(method="spn-ien", data=str(data), pixel_size_um=sizes)
    run = Project.open(tmp_path / "project").new_run(job)
    for dataset in (
        training_inputs(run, 0),
        training_inputs(run, 0),
        inputs_begun_with(run),
        open_dataset(run.path / INPUTS),
    ):
        with dataset.all[0].open() as image:
            assert image.pixel_size_um == (0.5, 0.5) and image.pixel_size_source == "user"
    with open_dataset(data).all[0].open() as image:
        assert image.pixel_size_um is None, "the user's own files stay as they are"


def test_sizes_that_cannot_be(tmp_path: Path) -> None:
    from napari_nucleidomain.cli.train import new_job

    data = _data(tmp_path / "data")
    for size in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(NucleiError, match="--pixel-size"):
            new_job(data, tmp_path / "model", method="spn-ien", pixel_size=(size,))
    assert new_job(data, tmp_path / "model", method="spn-ien", pixel_size=(0.25,)).pixel_size_um == [0.25]
    assert new_job(data, tmp_path / "model", method="spn-ien").pixel_size_um is None
