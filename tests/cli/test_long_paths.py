"""Paths of 200 characters and more, with spaces and letters of other scripts, through every command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.data.labels_out import write_labels
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.portable import write_portable
from napari_nucleidomain.runs.store import Project

from . import tiny

_PARTS = ["Färbung 3 (Wdh.)", "данные лаборатории", "組織 切片", "été & hiver, 100 %"]


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """A folder whose path, with the files in it, is longer than 200 characters."""
    folder, number = tmp_path, 0
    while len(str(folder)) < 190:
        folder /= _PARTS[number % len(_PARTS)]
        number += 1
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def picture(deep: Path) -> Path:
    path = deep / "Schnitt 7 β-Aktin ñ.png"
    Picture.fromarray(tiny.image_of(tiny.labels_of(tiny.centres()))).save(path)
    return path


@pytest.mark.parametrize("kind", ["tif", "ome-tif", "zarr", "geojson", "png"])
def test_predict_and_read_back(run: Callable, deep: Path, picture: Path, kind: str) -> None:
    out = deep / "Ergebnis ü"
    said = run("predict", "otsu", picture, "--out", out, "--format", kind, "--project", deep / "Projekt", "--quiet")
    assert said.code == 0, said.err
    (made,) = [one for one in out.iterdir() if one.name.startswith("Schnitt 7 β-Aktin ñ")]
    assert len(str(made)) > 200
    assert len(np.unique(read_labels(made, shape=(96, 96)).labels)) > 20
    listed = json.loads(run("runs", "--json", "--project", deep / "Projekt").out)
    assert [one["state"] for one in listed] == ["finished"]


def test_export_evaluate_and_clean(run: Callable, deep: Path, picture: Path) -> None:
    labels = tiny.labels_of(tiny.centres())
    write_labels(labels, deep / "Schnitt 7 β-Aktin ñ.tif", format="tif")
    for ending in (".csv", ".geojson", ".ome.zarr"):
        said = run("export", deep / "Schnitt 7 β-Aktin ñ.tif", "--out", deep / f"Tabelle ü{ending}", "--image", picture)
        assert said.code == 0, said.err
        assert (deep / f"Tabelle ü{ending}").exists()
    said = run("evaluate", deep / "Schnitt 7 β-Aktin ñ.tif", deep / "Tabelle ü.geojson", "--json", deep / "Wert.json")
    assert said.code == 0, said.err
    assert run("runs", "--clean", "--yes", "--project", deep).code == 0


def test_job_folder(deep: Path, picture: Path) -> None:
    data = deep / "Daten" / "train"
    for name in ("images", "points"):
        (data / name).mkdir(parents=True)
    picture.rename(data / "images" / picture.name)
    tiny.write_clicks(data / "points" / f"{picture.stem}.csv", tiny.centres())
    project = Project.open(deep / "Projekt")
    job = TrainJob(
        method="spn-ien", data=str(data.parent), name="Leber ü", publish=str(project.models_folder / "Leber")
    )
    run = write_portable(job, deep / "Auftrag 1")
    assert len(str(run.path)) > 190 and (run.path / "job.sh").exists()
    assert (run.path / "data" / "images" / picture.name).exists()
