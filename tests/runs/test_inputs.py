"""What a training works on does not change under it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.contracts.events import Failed
from napari_nucleidomain.data.dataset import Dataset, open_dataset
from napari_nucleidomain.data.example import Example
from napari_nucleidomain.data.points import write_points
from napari_nucleidomain.inference.model_files import load_weights
from napari_nucleidomain.runs.context import CHECKPOINT_FILE
from napari_nucleidomain.runs.execute import ExitCode, execute
from napari_nucleidomain.runs.inputs import training_inputs
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.store import Project

from . import toy


@pytest.fixture
def seen(toy_method: None, monkeypatch: pytest.MonkeyPatch) -> list[Dataset]:
    """The dataset of every process of a training."""
    found: list[Dataset] = []
    real = toy.train

    def train(run: Any, dataset: Dataset, config: Any) -> None:
        found.append(dataset)
        real(run, dataset, config)

    monkeypatch.setattr(toy.SPEC.__class__, "resolve", lambda self, entry: train)
    return found


def clicks(*points: tuple[int, int]) -> str:
    return "index,axis-0,axis-1\n" + "".join(f"{k},{y},{x}\n" for k, (y, x) in enumerate(points))


def test_a_training_keeps_what_it_began_with(new_training: Any, dataset: Path, seen: list[Dataset]) -> None:
    area = dataset / "train" / "regions" / "a.geojson"
    area.parent.mkdir()
    square = [[0, 0], [0, 50], [50, 50], [50, 0], [0, 0]]
    area.write_text(json.dumps({"type": "Polygon", "coordinates": [square]}), encoding="utf-8")
    (dataset / "train" / "points" / "b.csv").write_text(clicks((5, 5)), encoding="utf-8")
    (dataset / "train" / "images" / "b.png").write_bytes(b"damaged")
    run = new_training(config={"stop_at": 5})
    with pytest.raises(KeyboardInterrupt):
        execute(run.path)
    expected, left_out = open_dataset(dataset).digest(), open_dataset(dataset).problems
    (dataset / "train" / "points" / "a.csv").write_text(clicks((1, 1)), encoding="utf-8")
    area.unlink()
    shutil.copy(dataset / "train" / "images" / "a.png", dataset / "train" / "images" / "b.png")
    assert execute(run.path) == ExitCode.SKIPPED, "as it would have been undisturbed: one image was left out"
    assert [one.digest() for one in seen] == [expected] * 2
    assert left_out and [one.problems for one in seen] == [left_out] * 2
    assert {one.image for one in seen[1]} == {dataset / "train" / "images" / "a.png"}, "images are not copied"


def test_an_image_that_is_away_loses_nothing(new_training: Any, dataset: Path, seen: list[Dataset]) -> None:
    run = new_training(config={"stop_at": 5})
    with pytest.raises(KeyboardInterrupt):
        execute(run.path)
    state = (run.path / CHECKPOINT_FILE).read_bytes()
    picture = dataset / "train" / "images" / "a.png"
    picture.rename(dataset / "away.png")
    assert execute(run.path) == ExitCode.USER
    last = run.last_event()
    assert isinstance(last, Failed) and "a.png is not there any more" in last.message
    assert (run.path / CHECKPOINT_FILE).read_bytes() == state
    (dataset / "away.png").rename(picture)
    assert execute(run.path) == ExitCode.DONE


def test_what_failed_before_it_learned_can_be_mended(new_training: Any, dataset: Path, seen: list[Dataset]) -> None:
    run = new_training(config={"steps": 0})
    assert execute(run.path) == ExitCode.USER
    job = json.loads((run.path / "run.json").read_text(encoding="utf-8"))
    (run.path / "run.json").write_text(json.dumps({**job, "config": {}}), encoding="utf-8")
    (dataset / "train" / "points" / "a.csv").write_text(clicks((1, 1), (2, 2), (3, 3)), encoding="utf-8")
    assert execute(run.path) == ExitCode.DONE
    points = seen[-1].all[0].load_points()
    assert points is not None and len(points) == 3


def test_a_run_of_an_earlier_version_goes_on(new_training: Any, dataset: Path, seen: list[Dataset]) -> None:
    run = new_training(config={"stop_at": 5})
    with pytest.raises(KeyboardInterrupt):
        execute(run.path)
    shutil.rmtree(run.path / "inputs")
    (run.path / "inputs.json").unlink()
    assert execute(run.path) == ExitCode.DONE
    assert seen[1].path == dataset
    assert not (run.path / "inputs").exists()


@pytest.mark.parametrize("alone", [False, True], ids=["the project", "the run alone"])
def test_a_moved_run_finds_its_images(
    project: Project, dataset: Path, tmp_path: Path, seen: list[Dataset], alone: bool
) -> None:
    shutil.move(dataset, project.data)
    train = project.data / "train"
    data = Dataset(project.data, [Example(train / "images" / "a.png", points=train / "points" / "a.csv")]).save()
    run = project.new_run(TrainJob(method="toy", data=str(data), name="toy", config={"stop_at": 5}))
    with pytest.raises(KeyboardInterrupt):
        execute(run.path)
    assert "images" not in {one.name for one in (run.path / "inputs").iterdir()}
    if alone:
        run.path.rename(tmp_path / "out")
        moved, home = tmp_path / "out", project.path
    else:
        project.path.rename(tmp_path / "deep")
        moved, home = tmp_path / "deep" / "runs" / run.name, tmp_path / "deep"
    (home / "data" / "train" / "points" / "a.csv").unlink()
    assert execute(moved) == ExitCode.DONE
    (example,) = seen[1]
    assert example.image == home / "data" / "train" / "images" / "a.png"
    assert example.points is not None and example.points.is_relative_to(moved)


def test_other_inputs_have_state_steps_and_clock_begin_anew(new_training: Any, seen: list[Dataset]) -> None:
    run, fresh = new_training(config={"stop_at": 5}), new_training(config={"key": "other"})
    with pytest.raises(KeyboardInterrupt):
        execute(run.path)
    checkpoints = toy.NumpyCheckpoints()
    state = checkpoints.load(run.path / CHECKPOINT_FILE)
    state["position"]["clock"] = 1e6
    checkpoints.save(state, run.path / CHECKPOINT_FILE)
    job = json.loads((run.path / "run.json").read_text(encoding="utf-8"))
    (run.path / "run.json").write_text(json.dumps({**job, "config": {"key": "other"}}), encoding="utf-8")
    assert execute(run.path) == execute(fresh.path) == ExitCode.DONE
    assert run.summary()["seconds"] < 1e6, "the time of what was dropped is not counted"
    one, other = load_weights(run.model_folder), load_weights(fresh.model_folder)
    assert all(np.array_equal(one[name], other[name]) for name in other)


def test_a_damaged_copy_is_never_trusted(new_training: Any, dataset: Path, seen: list[Dataset]) -> None:
    run = new_training(config={"stop_at": 5})
    with pytest.raises(KeyboardInterrupt):
        execute(run.path)
    state = (run.path / CHECKPOINT_FILE).read_bytes()
    copy, original = run.path / "inputs" / "points" / "a.csv", dataset / "train" / "points" / "a.csv"
    before = copy.read_bytes()
    for points in (copy, original):
        points.write_text(clicks((1, 1)), encoding="utf-8")
    assert execute(run.path) == ExitCode.USER
    last = run.last_event()
    assert isinstance(last, Failed) and "is damaged" in last.message
    assert (run.path / CHECKPOINT_FILE).read_bytes() == state
    original.write_bytes(before)
    assert execute(run.path) == ExitCode.DONE
    assert copy.read_bytes() == before


def test_the_names_of_images_have_no_part_in_a_training(tmp_path: Path) -> None:
    """The same images under names in another order are taken in the same order, and so is all that is drawn."""
    rng = np.random.default_rng(5)
    pictures = [rng.integers(0, 255, (40, 40), dtype=np.uint8) for _ in range(4)]
    orders = []
    for folder, names in (("first", "abcd"), ("second", "dbca")):
        where = tmp_path / folder
        for number, (name, pixels) in enumerate(zip(names, pictures, strict=True)):
            (where / "images").mkdir(parents=True, exist_ok=True)
            (where / "points").mkdir(exist_ok=True)
            tifffile.imwrite(where / "images" / f"{name}.tif", pixels)
            write_points(np.array([[5.0 + number, 5.0], [20.0, 20.0]]), where / "points" / f"{name}.csv")
        job = TrainJob(method="spn-ien", data=str(where), steps=1)
        run = Project.open(tmp_path / f"project-{folder}").new_run(job)
        orders.append([one.open().digest() for one in training_inputs(run, 0)])
    assert orders[0] == orders[1]
    assert len(set(orders[0])) == 4
