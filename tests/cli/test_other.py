"""`evaluate`, `export`, `models`, `runs`, `run` and the help."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_nucleidomain.cli.bars import Bar
from napari_nucleidomain.contracts.events import Question
from napari_nucleidomain.data.labels_io import read_labels, write_labels
from napari_nucleidomain.runs.event_log import EventWriter
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.store import Project

from . import tiny

LABELS = tiny.labels_of(tiny.centres())


def test_evaluate_folders(run: Callable, tmp_path: Path) -> None:
    for folder, names in (("mine", "abc"), ("truth", "abd")):
        for name in names:
            labels = LABELS[:50] if (folder, name) == ("truth", "b") else LABELS
            write_labels(labels, tmp_path / folder / f"{name}.tif", format="tif")
    said = run("evaluate", "mine", "truth", "--json", "scores.json")
    assert said.code == 3
    assert "no reference is named c" in said.err and "no prediction is named d" in said.err
    content = json.loads(Path("scores.json").read_text(encoding="utf-8"))
    assert list(content["images"]) == ["a"] and content["images"]["a"]["aji"] == 1.0
    assert len(content["problems"]) == 3, "the image of another size is left out"


def test_evaluate_outlines_and_clicks(run: Callable, tmp_path: Path) -> None:
    write_labels(LABELS, tmp_path / "mine.geojson", format="geojson")
    write_labels(LABELS, tmp_path / "truth.tif", format="tif")
    said = run("evaluate", "mine.geojson", "truth.tif", "--json", "s.json")
    assert said.code == 0, said.err
    assert json.loads(Path("s.json").read_text())["mean"]["aji"] == 1.0
    tiny.write_clicks(tmp_path / "clicks.csv", tiny.centres())
    assert run("evaluate", "truth.tif", "clicks.csv", "--json", "c.json").code == 0
    assert json.loads(Path("c.json").read_text())["mean"]["point_f1"] == 1.0
    assert run("evaluate", "truth.tif", "nowhere.tif").code == 2


@pytest.mark.parametrize("ending", [".csv", ".geojson", ".zip", ".ome.tif", ".ome.zarr", ".png"])
def test_export(run: Callable, tmp_path: Path, pictures: Path, ending: str) -> None:
    write_labels(LABELS, tmp_path / "l.tif", format="tif")
    said = run("export", "l.tif", "--out", f"made{ending}", "--image", pictures / "a.tif")
    assert said.code == 0, said.err
    if ending == ".csv":
        assert len(Path("made.csv").read_text(encoding="utf-8-sig").splitlines()) == 37
    else:
        assert np.array_equal(read_labels(f"made{ending}", shape=LABELS.shape).labels > 0, LABELS > 0)


def test_export_of_another_image(run: Callable, tmp_path: Path, pictures: Path) -> None:
    write_labels(LABELS[:50], tmp_path / "l.tif", format="tif")
    said = run("export", "l.tif", "--out", "m.csv", "--image", pictures / "a.tif")
    assert said.code == 2 and "50 × 96" in said.err and "96 × 96" in said.err


def test_models_and_runs(run: Callable, pictures: Path) -> None:
    assert "No models" in run("models").out
    assert "No runs" in run("runs").out
    run("predict", "otsu", pictures, "--out", "labels", "--quiet")
    listed = json.loads(run("runs", "--json").out)
    assert [one["state"] for one in listed] == ["finished"]
    said = run("runs", "--stop", listed[0]["folder"])
    assert said.code == 2 and "is not running" in said.err
    assert "not a run folder" in run("run", pictures).err


def test_question_of_a_run_is_shown_and_answered(run: Callable, tmp_path: Path) -> None:
    folder = RunFolder.create(Project(tmp_path / "p").runs_folder / "läuft", TrainJob(method="spn-ien", data="d"))
    refused = run("runs", "--answer", folder.path, "go_on")
    assert refused.code == 2 and "asks nothing" in refused.err
    picture = folder.path / "previews" / "question-first_look.png"
    EventWriter(folder.path).write(Question(id="first_look", text="Right so far?", picture=f"previews/{picture.name}"))
    assert "look at" not in run("runs", "--project", "p").out, "nothing was written"
    picture.parent.mkdir()
    picture.write_bytes(b"")
    told = run("runs", "--project", "p").out
    assert "asks: Right so far?" in told and f"look at: {picture}" in told
    assert json.loads(run("runs", "--project", "p", "--json").out)[0]["picture"] == str(picture)
    stream = io.StringIO()
    with Bar(folder, stream) as bar:
        bar._offset = 0
    assert f'Look at: "{picture}"' in stream.getvalue() and "runs --answer" in stream.getvalue()
    assert json.loads(run("runs", "--project", "p", "--json").out)[0]["question"] == "Right so far?"
    assert run("runs", "--answer", folder.path, "yes").code == 2
    assert run("runs", "--answer", folder.path, "go_on").code == 0
    assert "asks" not in run("runs", "--project", "p").out


def test_help_in_a_child_process() -> None:
    command = [sys.executable, "-m", "napari_nucleidomain.cli", "predict", "--help"]
    text = subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout
    for word in ("µm", "pixels", "exit status", "left out"):
        assert word in text


def test_export_to_an_unknown_ending_names_every_one_that_works(run: Callable, tmp_path: Path) -> None:
    said = run("export", tmp_path / "labels.tif", "--out", tmp_path / "nuclei.xlsx")
    assert said.code == 2
    for ending in (".csv", ".tif", ".ome.tif", ".png", ".ome.zarr", ".geojson"):
        assert ending in said.err
