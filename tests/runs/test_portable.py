"""A job folder for a cluster: it runs after it was moved and everything it was made of is gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Picture

from napari_nucleidomain.cli import main
from napari_nucleidomain.contracts import ModelCard, NucleiError, StopRun
from napari_nucleidomain.data.dataset import Dataset, open_dataset
from napari_nucleidomain.data.example import Example
from napari_nucleidomain.inference.model_files import load_weights, save_model
from napari_nucleidomain.runs.execute import ExitCode
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.portable import portable_size, write_portable
from napari_nucleidomain.runs.store import Project


@pytest.fixture
def desk(project: Project, tmp_path: Path, toy_method: None) -> TrainJob:
    """Two images of one name on two disks, one used twice, with clicks and an area; and a model to continue from."""
    rng = np.random.default_rng(0)
    examples = []
    for number in (1, 2):
        image = tmp_path / f"disk {number}" / "Gewebe ü.png"
        image.parent.mkdir()
        Picture.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(image)
        points = project.data / "points" / f"{number}.csv"
        points.parent.mkdir(parents=True, exist_ok=True)
        points.write_text(f"index,axis-0,axis-1\n0,{10 * number},10\n", encoding="utf-8")
        examples.append(Example(image=image, points=points))
    square = [[0, 0], [0, 50], [50, 50], [50, 0], [0, 0]]
    area = project.data / "regions" / "1.geojson"
    area.parent.mkdir()
    area.write_text(json.dumps({"type": "Polygon", "coordinates": [square]}), encoding="utf-8")
    examples[0] = examples[0].changed(regions=area)
    examples.append(examples[0].changed(split="val"))
    data = Dataset(project.data, examples).save(home=project.path)
    parent = save_model(
        project.models_folder / "old", {"a": np.ones(2, np.float32)}, ModelCard(name="old", method="toy")
    )
    return TrainJob(
        method="toy",
        data=str(data),
        name="liver",
        parent=str(parent),
        publish=str(project.models_folder / "liver"),
        config={"steps": 4},
        device="cuda:1",
        background=True,
    )


def test_runs_elsewhere_when_the_originals_are_gone(desk: TrainJob, project: Project, tmp_path: Path) -> None:
    expected = open_dataset(desk.data).digest()
    written = write_portable(desk, tmp_path / "liver-job")
    assert written.path == tmp_path / "liver-job"
    (tmp_path / "scratch").mkdir()
    shutil.move(tmp_path / "liver-job", tmp_path / "scratch" / "job")
    for folder in (project.path, tmp_path / "disk 1", tmp_path / "disk 2"):
        shutil.rmtree(folder)
    run = RunFolder(tmp_path / "scratch" / "job")
    job: Any = run.job
    assert (job.device, job.background, job.publish) == ("auto", False, None)
    dataset = open_dataset(job.data)
    assert not dataset.problems
    assert dataset.digest() == expected
    assert [example.name for example in dataset] == ["Gewebe ü"] * 3
    assert len(list((run.path / "data" / "images").rglob("*.png"))) == 2
    assert load_weights(job.parent)["a"].tolist() == [1.0, 1.0]
    assert main(["run", str(run.path)]) == ExitCode.DONE
    assert not project.path.exists()
    imported = Project.open(tmp_path / "home").import_model(run.path / "liver.nucleidomain")
    assert imported.name == "liver"
    found, made = load_weights(imported.folder), load_weights(run.model_folder or "")
    assert all(np.array_equal(found[name], made[name]) for name in made)


def test_model_file_that_is_gone_is_made_again(desk: TrainJob, tmp_path: Path) -> None:
    run = write_portable(desk, tmp_path / "job")
    assert main(["run", str(run.path)]) == ExitCode.DONE
    (run.path / "liver.nucleidomain").unlink()
    assert main(["run", str(run.path)]) == ExitCode.DONE
    assert (run.path / "liver.nucleidomain").exists()


def test_no_written_path_leads_out(desk: TrainJob, tmp_path: Path) -> None:
    run = write_portable(desk, tmp_path / "job")
    stored = json.loads((run.path / "run.json").read_text(encoding="utf-8"))
    assert (stored["data"], stored["parent"]) == ("data/dataset.json", "parent")
    for example in json.loads((run.path / "data" / "dataset.json").read_text(encoding="utf-8"))["examples"]:
        for kind in ("image", "points", "regions"):
            assert not example.get(kind, "").startswith(("/", ".."))


def test_size_is_known_before(desk: TrainJob, tmp_path: Path) -> None:
    size = portable_size(desk)
    told: list[int] = []
    run = write_portable(desk, tmp_path / "job", told.append)
    parent = sum(file.stat().st_size for file in (run.path / "parent").iterdir())
    assert told[-1] == size - parent


def test_folder_in_use_is_refused_and_a_stop_leaves_nothing(desk: TrainJob, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(NucleiError, match="not empty"):
        write_portable(desk, tmp_path / "full")
    calls = iter([False, False, True])
    with pytest.raises(StopRun):
        write_portable(desk, tmp_path / "job", stop=lambda: next(calls))
    assert list((tmp_path / "job").iterdir()) == []
    (tmp_path / "disk 2" / "Gewebe ü.png").unlink()
    with pytest.raises(NucleiError, match="cannot be read"):
        write_portable(desk, tmp_path / "job")
    assert list((tmp_path / "job").iterdir()) == []


def test_stack_in_several_files_is_copied_whole(desk: TrainJob, tmp_path: Path) -> None:
    names = ["z0.ome.tif", "z1.ome.tif"]
    (tmp_path / "stack").mkdir()
    planes = "".join(
        f'<TiffData IFD="0" FirstZ="{z}" PlaneCount="1"><UUID FileName="{name}">urn:uuid:{z}</UUID></TiffData>'
        for z, name in enumerate(names)
    )
    for z, name in enumerate(names):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:{z}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" '
            f'SizeX="32" SizeY="32" SizeZ="2" SizeC="1" SizeT="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
            f"{planes}</Pixels></Image></OME>"
        )
        pixels = np.full((32, 32), z + 1, np.uint8)
        tifffile.imwrite(tmp_path / "stack" / name, pixels, description=xml, metadata=None)
    whole = Example(image=tmp_path / "stack" / names[0])
    with whole.open() as image:
        assert image.spatial_shape == (2, 32, 32), "the test's file is read as one stack"
    examples = [*open_dataset(desk.data), whole]
    data = Dataset(tmp_path / "more", examples).save()
    run = write_portable(desk.model_copy(update={"data": str(data)}), tmp_path / "job")
    shutil.rmtree(tmp_path / "stack")
    copied = open_dataset(run.job.data).all  # type: ignore[union-attr]
    with next(one for one in copied if one.image.name == names[0]).open() as image:
        assert image.read().max(axis=(1, 2)).ravel().tolist() == [1, 2]
