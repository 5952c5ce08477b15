"""A viewer that is killed while corrections are put among the training images: nothing that was done is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_nucleidomain.data.dataset import open_dataset
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.runs.store import Project
from napari_nucleidomain.widgets.results import find_results
from napari_nucleidomain.widgets.storage import read_entries

SCRIPT = Path(__file__).with_name("correcting.py")
PAINTED = 3


@pytest.mark.parametrize("step", ["painted", "adding", "added"])
def test_a_viewer_killed_while_corrections_are_used(tmp_path, image_file, nuclei, step):
    labels = nuclei[2].astype(np.uint32)
    np.save(tmp_path / "labels.npy", labels)
    folder = tmp_path / "Projekt Ü"
    command = [sys.executable, str(SCRIPT), str(folder), str(image_file), str(tmp_path / "labels.npy"), step]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as viewer:
        assert viewer.stdout is not None
        said = next((line.strip() for line in viewer.stdout if line.startswith("at ")), "it ended")
        viewer.kill()
    assert said == f"at {step}"
    project = Project.open(folder)
    (stored,) = find_results(project, image_file)
    painted = np.where(labels == PAINTED, 0, labels)
    np.testing.assert_array_equal(read_labels(stored.labels_file).labels, painted, err_msg="what was painted")
    np.testing.assert_array_equal(read_labels(stored.found_file).labels, labels, err_msg="what the program found")
    ((entry,), _) = read_entries(project)
    if step == "added":
        assert entry.corrections is not None, "on disk before it was said to be"
    if entry.corrections is not None:
        (example,) = open_dataset(project.data / "dataset.json").all
        known = example.load_corrections()
        where = labels == PAINTED
        assert known.inside[where].all() and (known.labels[where] == 0).all()
    # A half-written version is nobody's: the next one finds its place beside it.
    for file in (project.data / "corrections").glob("*.tif"):
        assert read_labels(file).labels.shape == labels.shape
