"""Results of slides in the viewer: opened as pyramids, measured and saved without being held as a whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.data.labels_out import write_labels
from napari_nucleidomain.runs.execute import ExitCode, execute
from napari_nucleidomain.runs.job import ImageRef, PredictJob
from napari_nucleidomain.runs.store import Project
from napari_nucleidomain.widgets.export import Snapshot, measure_result, save_labels
from napari_nucleidomain.widgets.results import _pyramid, load_result, results_of

SHAPE = (700, 620)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Bright discs, larger than the pyramid's smallest level."""
    y, x = np.indices(SHAPE)
    image = np.random.default_rng(0).integers(10, 30, SHAPE)
    for row in range(25, SHAPE[0], 45):
        for column in range(25, SHAPE[1], 45):
            image[(y - row) ** 2 + (x - column) ** 2 <= 81] = 200
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, image.astype(np.uint8), resolution=(4e4, 4e4), resolutionunit="CENTIMETER")
    return path


def results(tmp_path: Path, picture: Path, box: list[list[int]] | None) -> list[Any]:
    """The same prediction kept in one piece, and as a slide's."""
    made = []
    for large_px in (1 << 26, 0):
        job = PredictJob(model="otsu", images=[ImageRef(path=str(picture))], box=box, large_px=large_px)
        run = Project.open(tmp_path / "project").new_run(job)
        assert execute(run.path) == ExitCode.DONE
        (stored,) = results_of(run)
        made.append(load_result(stored))
    return made


def test_a_slides_result_is_a_pyramid_read_when_looked_at(tmp_path: Path, picture: Path) -> None:
    small, large = results(tmp_path, picture, None)
    assert large.large
    assert not small.large
    assert [level.shape for level in large.labels] == [(700, 620), (350, 310)]
    assert not any(isinstance(level, np.ndarray) for level in large.labels)
    np.testing.assert_array_equal(large.labels[0][:], small.labels)
    np.testing.assert_array_equal(large.labels[1][:], small.labels[::2, ::2])
    np.testing.assert_array_equal(large.scores, small.scores)


@pytest.mark.parametrize("box", [None, [[100, 600], [50, 500]]])
def test_it_is_measured_and_saved_like_any_other(tmp_path: Path, picture: Path, box: list[list[int]] | None) -> None:
    snapshots = []
    for loaded in results(tmp_path, picture, box):
        snapshots.append(
            Snapshot(
                name="slide",
                labels=loaded.labels[0] if loaded.large else loaded.labels,
                origin=loaded.stored.origin,
                pixel_size_um=(0.25, 0.25),
                image=open_image(picture),
                plane=None,
                scores=loaded.scores,
                uncertainty=loaded.uncertainty,
            )
        )
    small, large = snapshots
    assert not isinstance(large.labels, np.ndarray)
    one, other = measure_result(small), measure_result(large)
    assert one.keys() == other.keys()
    assert len(one["id"]) > 50
    for name, column in one.items():
        np.testing.assert_allclose(other[name], column, rtol=1e-6, err_msg=name)
    for ending in (".tif", ".ome.zarr", ".geojson"):
        files = [save_labels(one, tmp_path / f"{k}{ending}") for k, one in enumerate(snapshots)]
        found = [read_labels(file, shape=SHAPE).labels for file in files]
        np.testing.assert_array_equal(found[0], found[1], err_msg=ending)
    # A picture of the image's size, whatever box was segmented.
    assert found[0].shape == SHAPE
    without = replace(large, image=None)
    assert "mean_intensity" not in measure_result(without)


def test_a_large_volume_is_a_pyramid_along_all_its_axes(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 9, (10, 21, 2100), dtype=np.uint32)
    full, *coarse = _pyramid(write_labels(labels, tmp_path / "deep.tif", format="tif"))
    np.testing.assert_array_equal(full[:], labels)
    np.testing.assert_array_equal(coarse[0], labels[::4, ::4, ::4])
    flat, *coarse = _pyramid(write_labels(labels[0], tmp_path / "flat.tif", format="tif"))
    np.testing.assert_array_equal(coarse[0], labels[0, ::4, ::4])
