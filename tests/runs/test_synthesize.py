"""Synthesis as a run: a dataset that trains as it is, stopped, killed, gone on with, and refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_nucleidomain.contracts import ModelCard, NucleiError, SynthesisWish, WriteError
from napari_nucleidomain.contracts.events import Failed, Progress, Warned
from napari_nucleidomain.contracts.files import write_json
from napari_nucleidomain.data.dataset import Dataset, open_dataset
from napari_nucleidomain.data.example import Example
from napari_nucleidomain.inference.model_files import save_model
from napari_nucleidomain.methods.adgan.synthesize import AdganSynthesis
from napari_nucleidomain.runs import synthesize as module
from napari_nucleidomain.runs import train as train_module
from napari_nucleidomain.runs.execute import ExitCode, execute
from napari_nucleidomain.runs.job import SynthesizeJob
from napari_nucleidomain.runs.store import Project
from napari_nucleidomain.runs.synthesize import ABOUT, check_job

from ..methods.tiny_adgan import untrained
from . import toy

SMALL = SynthesisWish(shape=(64, 64))


def job_of(project: Project, count: int = 3, name: str = "tiny", **changes: Any) -> SynthesizeJob:
    folder = project.models_folder / name
    if not folder.exists():
        untrained(folder)
    values = {"out": str(project.path / "made é"), "wish": SMALL, "device": "cpu", **changes}
    return SynthesizeJob(model=str(folder), count=count, name=name, **values)


def contents(job: SynthesizeJob) -> dict[str, bytes]:
    return {str(p.relative_to(job.out)): p.read_bytes() for p in sorted(Path(job.out).rglob("*")) if p.is_file()}


def test_a_run_makes_a_dataset_with_outlines(project: Project) -> None:
    run = project.new_run(job_of(project))
    assert execute(run.path) == ExitCode.DONE
    assert run.summary() == {"synthetic": str(project.path / "made é"), "made": 3}
    dataset = open_dataset(project.path / "made é")
    assert not dataset.problems
    assert len(dataset.examples(split="train", has="labels")) == 3
    image, labels = dataset.all[0].open(), dataset.all[0].load_labels()
    assert tuple(image.spatial_shape) == labels.shape == (64, 64)
    assert image.pixel_size_um == pytest.approx((0.5, 0.5))
    about = json.loads((project.path / "made é" / ABOUT).read_text(encoding="utf-8"))
    assert about["model"]["name"] == "tiny"
    assert "not taken with a microscope" in about["synthetic"]
    assert [event.step for event in run.read_events()[0] if isinstance(event, Progress)][-1] == 3


def test_volumes_keep_their_voxel_size(project: Project) -> None:
    untrained(project.models_folder / "deep", 3)
    job = job_of(project, 1, "deep", wish=SynthesisWish(shape=(12, 40, 40)))
    assert execute(project.new_run(job).path) == ExitCode.DONE
    image = open_dataset(job.out).all[0].open()
    assert image.spatial_shape == (12, 40, 40)
    assert image.pixel_size_um == pytest.approx((1.0, 0.5, 0.5))


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_what_is_there_is_not_made_again(project: Project, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    whole = job_of(project, out=str(project.path / "whole"))
    execute(project.new_run(whole).path)
    job = job_of(project)
    run = project.new_run(job)
    make, made = AdganSynthesis.make, []

    def counted(self: AdganSynthesis, *arguments: Any) -> Any:
        made.append(1)
        if len(made) == 2:
            if how == "kill":
                raise KeyboardInterrupt
            run.request("stop")
            while not (run.read_control() is None or _obeyed(run)):
                pass
        return make(self, *arguments)

    monkeypatch.setattr(AdganSynthesis, "make", counted)
    if how == "kill":
        with pytest.raises(KeyboardInterrupt):
            execute(run.path)
        half = Path(job.out) / "train" / "images" / ".synthetic-00002.0a1b2c3d.tif"
        half.write_bytes(b"half")
    else:
        assert execute(run.path) == ExitCode.STOPPED
        assert run.summary()["made"] == 2
    before = len(made)
    run.forget_request()
    assert execute(run.path) == ExitCode.DONE
    assert len(made) - before == (2 if how == "kill" else 1)
    ours, theirs = contents(job), contents(whole)
    assert ours.keys() == theirs.keys()
    assert all(ours[name] == theirs[name] for name in ours)


def test_the_system_may_end_it_and_it_goes_on(project: Project) -> None:
    run = project.new_run(job_of(project))
    assert execute(run.path, watch=lambda requests: requests.interrupt()) == ExitCode.INTERRUPTED
    assert run.state == "interrupted"
    assert execute(run.path) == ExitCode.DONE
    assert run.summary()["made"] == 3


def _obeyed(run: Any) -> bool:
    return any(event.kind == "acknowledged" for event in run.read_events()[0])


def test_more_of_the_same_are_added_and_finished_is_finished(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    run = project.new_run(job_of(project, 2))
    execute(run.path)
    before = contents(run.job)  # type: ignore[arg-type]
    more = project.new_run(job_of(project, 3))
    assert execute(more.path) == ExitCode.DONE
    after = contents(more.job)  # type: ignore[arg-type]
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 2
    monkeypatch.setattr(module, "write_grey", None)
    assert execute(more.path) == ExitCode.DONE


def test_folders_and_models_that_will_not_do(project: Project) -> None:
    execute(project.new_run(job_of(project, 1)).path)
    with pytest.raises(NucleiError, match="another model, seed or other settings"):
        check_job(job_of(project, 1, seed=1))
    with pytest.raises(NucleiError, match="another model, seed or other settings"):
        check_job(job_of(project, 1, wish=SynthesisWish(shape=(64, 68))))
    with pytest.raises(NucleiError, match="0 images"):
        check_job(job_of(project, 0))
    with pytest.raises(NucleiError, match="holds something else"):
        check_job(job_of(project, 1, out=str(project.models_folder)))
    file = project.path / "file"
    file.write_text("")
    with pytest.raises(NucleiError, match="is a file"):
        check_job(job_of(project, 1, out=str(file)))
    card = ModelCard(name="other", method="panoptic", channels=1)
    save_model(project.models_folder / "other", {"a": np.zeros(1, np.float32)}, card)
    with pytest.raises(NucleiError, match="makes no images"):
        check_job(job_of(project, 1, "other"))


def test_a_full_disk_leaves_whole_images_and_it_goes_on(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_of(project)
    run = project.new_run(job)
    write = module.write_grey

    def full(pixels: Any, path: Path, size: Any) -> Any:
        if path.name.endswith("2.tif"):
            raise WriteError("The disk is full.", "Free some space.")
        return write(pixels, path, size)

    with monkeypatch.context() as patched:
        patched.setattr(module, "write_grey", full)
        assert execute(run.path) == ExitCode.USER
    event = run.last_event()
    assert isinstance(event, Failed)
    assert "goes on from what was saved last" in event.hint
    assert len(open_dataset(job.out).all) == 1
    assert execute(run.path) == ExitCode.DONE
    assert len(open_dataset(job.out).examples(has="labels")) == 3


def test_a_crowd_is_told_of(project: Project) -> None:
    run = project.new_run(job_of(project, 1, wish=SynthesisWish(shape=(64, 64), nuclei=(30, 30))))
    execute(run.path)
    assert any("found room" in getattr(event, "message", "") for event in run.read_events()[0])


@pytest.mark.parametrize("needs", ["nothing", "labels"])
def test_a_training_without_annotation_leaves_made_images_out(
    needs: str, new_training: Any, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where they are all that there is it says so, and a method that learns from outlines takes them."""
    seen: list[list[str]] = []

    def train(context: Any, given: Any, config: toy.ToyConfig) -> None:
        seen.append(sorted(example.image.name for example in given))
        toy.train(context, given, config)

    monkeypatch.setattr(train_module, "find_method", lambda name: replace(toy.SPEC, needs=needs))
    monkeypatch.setattr(toy.SPEC.__class__, "resolve", lambda self, entry: train)
    made = dataset / "made" / "train" / "images"
    made.mkdir(parents=True)
    shutil.copy(dataset / "train" / "images" / "a.png", made / "synthetic-00001.png")
    write_json(dataset / "made" / ABOUT, {})
    examples = [Example(image=folder / name) for folder, name in ((made, "synthetic-00001.png"),)]
    real = Example(image=dataset / "train" / "images" / "a.png")
    both = Dataset(dataset / "both.json", [*examples, real]).save()
    alone = Dataset(dataset / "alone.json", [*examples, real.changed(split="val")]).save()
    told = []
    for file in (both, alone):
        run = new_training(config={"steps": 1})
        run = run.create(run.path.with_name(file.stem), run.job.model_copy(update={"data": str(file)}))
        assert execute(run.path) == ExitCode.DONE
        told.append([f"{one.message} {one.hint}" for one in run.read_events()[0] if isinstance(one, Warned)])
    if needs == "labels":
        assert seen == [["a.png", "synthetic-00001.png"]] * 2 and told == [[], []]
        return
    assert seen == [["a.png"], ["a.png", "synthetic-00001.png"]]
    assert "1 synthetic image is left out" in told[0][0] and "panoptic" in told[0][0]
    assert "All training images were made by a model" in told[1][0] and "panoptic" in told[1][0]
