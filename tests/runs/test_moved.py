"""A project that is moved or copied: trainings go on, predictions stay finished, and the original is left alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.cli import main
from napari_nucleidomain.contracts import MethodSpec, NucleiError, WritesOutside
from napari_nucleidomain.inference.model_files import load_weights
from napari_nucleidomain.runs.context import FolderRun
from napari_nucleidomain.runs.execute import ExitCode, execute
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.foreign import allow_writing_outside
from napari_nucleidomain.runs.job import ImageRef, PredictJob, TrainJob, load_job
from napari_nucleidomain.runs.store import Project
from napari_nucleidomain.runs.worker import Worker, WorkerClient
from napari_nucleidomain.widgets.results import find_results

from . import toy

_RESOLVE = MethodSpec.resolve


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def used(project: Project, dataset: Path, toy_method: None, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with its data inside, a training that was stopped and a prediction that finished."""
    monkeypatch.setattr(
        MethodSpec, "resolve", lambda self, entry: toy.train if self is toy.SPEC else _RESOLVE(self, entry)
    )
    shutil.move(dataset, project.data)
    y, x = np.mgrid[:64, :64]
    picture = np.where((y - 20) ** 2 + (x - 20) ** 2 < 80, 200, 20) + (y % 7)
    tifffile.imwrite(project.path / "slide ü.tif", picture.astype(np.uint8))
    publish = str(project.models_folder / "liver")
    training = project.new_run(
        TrainJob(method="toy", data=str(project.data), name="liver", publish=publish, config={"steps": 20})
    )
    real, calls = FolderRun.metric, [0]

    def metric(self: FolderRun, **values: float) -> None:
        real(self, **values)
        calls[0] += 1
        if calls[0] == 7:
            self._requests.stop()

    monkeypatch.setattr("napari_nucleidomain.runs.requests._LOOK_SECONDS", 0.005)
    with monkeypatch.context() as patch:
        patch.setattr(FolderRun, "metric", metric)
        assert execute(training.path) == ExitCode.STOPPED
    refs = [ImageRef(path=str(project.path / "slide ü.tif"))]
    predicted = project.new_run(PredictJob(model="otsu", images=refs, out=str(project.path / "out"), name="otsu"))
    assert execute(predicted.path) == ExitCode.DONE
    return project


def kinds(project: Project) -> tuple[RunFolder, RunFolder]:
    runs = {run.job.kind: run for run in project.runs()}
    return runs["train"], runs["predict"]


def test_moved_project_goes_on(used: Project, tmp_path: Path, capsys: Any) -> None:
    used.path.rename(tmp_path / "elsewhere")
    moved = Project.open(tmp_path / "elsewhere")
    training, predicted = kinds(moved)
    assert (training.state, predicted.state) == ("stopped", "finished")
    assert main(["run", str(predicted.path)]) == ExitCode.DONE
    assert "finished already" in capsys.readouterr().out
    labels = Path(predicted.summary()["images"][0]["labels"])
    assert labels.exists() and labels.is_relative_to(moved.path)
    (stored,) = find_results(moved, moved.path / "slide ü.tif")
    assert stored.labels_file.exists() and stored.image == moved.path / "slide ü.tif"
    assert execute(training.path) == ExitCode.DONE
    assert [model.name for model in moved.models()] == ["liver"]
    assert Path(training.job.publish) == moved.models_folder / "liver"
    assert moved.free_model_name("liver") == "liver-2"
    assert not used.path.exists(), "nothing may be written where the project was"


def test_prediction_in_a_moved_project_makes_only_what_is_gone(used: Project, tmp_path: Path) -> None:
    used.path.rename(tmp_path / "elsewhere")
    _, predicted = kinds(Project.open(tmp_path / "elsewhere"))
    Path(predicted.summary()["images"][0]["labels"]).unlink()
    assert execute(predicted.path) == ExitCode.DONE
    assert (tmp_path / "elsewhere" / "out" / "slide ü.tif").exists()


def test_copy_leaves_the_original_alone(used: Project, tmp_path: Path) -> None:
    before = content(used.path)
    shutil.copytree(used.path, tmp_path / "copy")
    copy = Project.open(tmp_path / "copy")
    training, predicted = kinds(copy)
    # Only the copy's clicks change: a training that read the original's would not notice.
    (copy.data / "train" / "points" / "a.csv").write_text("index,axis-0,axis-1\n0,5,5\n", encoding="utf-8")
    shutil.rmtree(copy.path / "out")
    assert execute(training.path) == ExitCode.DONE
    assert execute(predicted.path) == ExitCode.DONE
    assert content(used.path) == before
    assert load_weights(copy.models_folder / "liver")
    assert find_results(copy, used.path / "slide ü.tif") == []


def test_waiting_prediction_of_a_copy_is_the_copys(used: Project, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(WorkerClient, "_ensure", lambda self: None)
    waiting = used.new_run(PredictJob(model="otsu", images=[ImageRef(path=str(used.path / "slide ü.tif"))]))
    WorkerClient(used).submit(waiting)
    shutil.copytree(used.path, tmp_path / "copy")
    Worker(Project.open(tmp_path / "copy"), idle_seconds=0.2).serve()
    assert RunFolder(tmp_path / "copy" / "runs" / waiting.name).state == "finished"
    assert waiting.state == "waiting"


def test_paths_outside_the_project_and_of_earlier_versions_stay(used: Project, tmp_path: Path) -> None:
    outside = tmp_path / "microscope" / "a.tif"
    made = used.new_run(PredictJob(model="otsu", images=[ImageRef(path=str(outside))], out=str(tmp_path / "labels")))
    training, _ = kinds(used)
    old = json.loads((training.path / "run.json").read_text(encoding="utf-8"))
    assert "\\" not in old["data"] and not Path(old["data"]).is_absolute()
    old["data"], old["publish"] = str(used.data), str(used.models_folder / "liver")
    del old["written_in"]
    (training.path / "run.json").write_text(json.dumps(old), encoding="utf-8")
    used.path.rename(tmp_path / "elsewhere")
    job: Any = load_job(tmp_path / "elsewhere" / "runs" / made.name)
    assert (job.model, job.images[0].path, job.out) == ("otsu", str(outside), str(tmp_path / "labels"))
    job = load_job(tmp_path / "elsewhere" / "runs" / training.name)
    assert job.data == str(used.data)


def test_run_taken_out_of_its_project_finds_what_it_left(used: Project, tmp_path: Path) -> None:
    training, _ = kinds(used)
    training.path.rename(tmp_path / "alone")
    with pytest.raises(WritesOutside) as error:
        execute(tmp_path / "alone")
    assert error.value.targets == (used.models_folder / "liver",), "a person is asked before that is replaced"
    allow_writing_outside(RunFolder(tmp_path / "alone"))
    assert execute(tmp_path / "alone") == ExitCode.DONE
    assert (used.models_folder / "liver" / "card.json").exists()


def test_finished_run_stays_finished_when_its_inputs_go_too(used: Project) -> None:
    training, predicted = kinds(used)
    assert execute(training.path) == ExitCode.DONE
    nuclei = predicted.summary()["images"][0]["nuclei"]
    shutil.rmtree(used.data)
    shutil.rmtree(used.path / "out")
    (used.path / "slide ü.tif").unlink()
    assert execute(training.path) == ExitCode.DONE, "its model is there; its data are not needed"
    with pytest.raises(NucleiError, match="is finished, but"):
        execute(predicted.path)
    shutil.rmtree(used.models_folder / "liver")
    with pytest.raises(NucleiError, match="is finished, but"):
        execute(training.path)
    assert (training.state, predicted.state) == ("finished", "finished")
    assert predicted.summary()["images"][0]["nuclei"] == nuclei
