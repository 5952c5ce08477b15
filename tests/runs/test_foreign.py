"""A run folder from somebody else: it writes and removes nothing outside itself unless a person says so."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.cli import main
from napari_nucleidomain.contracts import NucleiError, WritesOutside
from napari_nucleidomain.runs.cleanup import clean, removable
from napari_nucleidomain.runs.execute import ExitCode, execute
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.foreign import asked_for
from napari_nucleidomain.runs.job import ImageRef, PredictJob, TrainJob, load_job, save_job
from napari_nucleidomain.runs.launch import start
from napari_nucleidomain.runs.predict import _unique_names
from napari_nucleidomain.runs.store import Project
from napari_nucleidomain.runs.worker import WorkerClient


@pytest.fixture
def image(tmp_path: Path) -> Path:
    y, x = np.mgrid[:64, :64]
    picture = np.where((y - 20) ** 2 + (x - 20) ** 2 < 80, 200, 20) + (y % 7)
    tifffile.imwrite(tmp_path / "im.tif", picture.astype(np.uint8))
    return tmp_path / "im.tif"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """What must be untouched, whatever a run folder says."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True)
    (folder / ".ssh" / "id").write_text("key")
    (folder / "thesis.txt").write_text("ten years")
    before = content(folder)
    yield folder
    assert content(folder) == before


def content(folder: Path) -> dict[str, bytes | None]:
    return {str(one.relative_to(folder)): one.read_bytes() if one.is_file() else None for one in folder.rglob("*")}


def mailed(tmp_path: Path, image: Path, name: str = "", **job: Any) -> Path:
    """A run folder as it may come with a mail."""
    folder = tmp_path / "inbox" / "mailed"
    folder.mkdir(parents=True)
    told = {"schema_version": 1, "kind": "predict", "name": "a", "model": "otsu", "device": "cpu", "threads": 1}
    (folder / "run.json").write_text(json.dumps({**told, "images": [{"path": str(image), "name": name}], **job}))
    return folder


NAMES = (
    "../../../home",
    "/{home}",
    "..",
    ".",
    "a/../../../home",
    "..\\..\\home",
    "C:x",
    "a\0",
    "a\nb",
    "x" * 300,
    "NUL",
)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_that_are_paths_are_refused(
    tmp_path: Path, image: Path, home: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = mailed(tmp_path, image, name.replace("/{home}", str(home)))
    before = content(tmp_path)
    assert main(["run", str(folder)]) == ExitCode.USER
    said = capsys.readouterr().err
    why = "character that ends texts" if "\0" in name else "cannot be the name of a result"
    assert why in said and "Traceback" not in said
    assert content(tmp_path) == before


@pytest.mark.parametrize("path", ["..", "/", "/tmp/..", "."])
def test_results_of_odd_paths_have_a_plain_name(path: str) -> None:
    assert _unique_names([ImageRef(path=path)])[0] not in ("", ".", "..")


FOLDERS = ("previews", "result", "tiles", "tiles/im", "models", "checkpoint", "stages", "stages/a", "inputs", ".inputs")
FILES = ("log.txt", "run.json", "events.jsonl", "owner.json", "owner.lock", "spare.bin")


@pytest.mark.parametrize("place", [*FOLDERS, *FILES])
def test_links_are_not_followed(tmp_path: Path, image: Path, home: Path, place: str) -> None:
    folder = mailed(tmp_path, image)
    link = folder / place
    link.parent.mkdir(parents=True, exist_ok=True)
    aim = home / "thesis.txt" if place in FILES else home
    if place == "run.json":
        aim = tmp_path / "other.json"
        link.rename(aim)
    link.symlink_to(os.path.relpath(aim, link.parent))
    with pytest.raises(NucleiError, match="is a link"):
        execute(folder)
    with pytest.raises(NucleiError, match="is a link"):
        start(RunFolder(folder))
    assert not (folder / "result" / "im.json").exists()


def test_data_may_be_linked_to(tmp_path: Path, image: Path) -> None:
    folder = mailed(tmp_path, Path("data/im.tif"))
    (folder / "data").mkdir()
    (folder / "data" / "im.tif").symlink_to(image)
    assert execute(folder) == ExitCode.DONE


@pytest.mark.parametrize("out", ["{home}", "../../home", "../../home/new"])
def test_writing_outside_is_refused_until_it_is_allowed(
    tmp_path: Path, image: Path, home: Path, out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = mailed(tmp_path, image, out=out.format(home=home), written_in="/home/eve/mailed")
    before = content(tmp_path)
    assert main(["run", str(folder)]) == ExitCode.USER
    said = capsys.readouterr().err
    assert "--write-outside" in said and "home" in said
    assert content(tmp_path) == before
    # The home fixture compares: here the person wants it elsewhere.
    shutil.copytree(home, tmp_path / "wanted")
    told = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**told, "out": str(tmp_path / "wanted")}))
    assert main(["run", str(folder), "--write-outside"]) == ExitCode.DONE
    assert (tmp_path / "wanted" / "im.tif").exists() and (tmp_path / "wanted" / "thesis.txt").exists()
    # Said once, it holds for this folder, and for no copy of it.
    assert asked_for(RunFolder(folder)) == ()
    shutil.copytree(folder, tmp_path / "copy")
    assert asked_for(RunFolder(tmp_path / "copy"))


def test_inside_its_folder_it_may_write(tmp_path: Path, image: Path) -> None:
    folder = mailed(tmp_path, image, out="labels")
    assert execute(folder) == ExitCode.DONE
    assert (folder / "labels" / "im.tif").exists()


@pytest.mark.parametrize("key", ["publish", "pack"])
def test_a_training_from_elsewhere_replaces_no_model(tmp_path: Path, home: Path, key: str) -> None:
    folder = tmp_path / "inbox" / "mailed"
    folder.mkdir(parents=True)
    told = {"schema_version": 1, "kind": "train", "method": "spn-ien", "data": "data", key: "../../home"}
    (folder / "run.json").write_text(json.dumps(told))
    with pytest.raises(WritesOutside) as error:
        execute(folder)
    assert [one.name for one in error.value.targets] == ["home"]
    assert sorted(one.name for one in folder.iterdir()) == ["run.json"]


def test_a_run_put_into_a_project_does_not_replace_its_models(project: Project, tmp_path: Path, image: Path) -> None:
    folder = mailed(tmp_path, image, out="../../models/liver", written_in="/home/eve/p/runs/x", project="guessed")
    inside = project.runs_folder / "x"
    shutil.copytree(folder, inside)
    with pytest.raises(WritesOutside):
        execute(inside)
    with pytest.raises(WritesOutside):
        WorkerClient(project).submit(RunFolder(inside))
    assert not (project.path / "worker" / "queue").exists()


def test_own_runs_write_where_they_were_told(project: Project, tmp_path: Path, image: Path) -> None:
    job = PredictJob(model="otsu", images=[ImageRef(path=str(image))], out=str(tmp_path / "out"))
    run = project.new_run(job)
    assert asked_for(run) == () and execute(run.path) == ExitCode.DONE
    # In the project, moved as a whole, it may go on; outside it is asked.
    inner = project.new_run(TrainJob(method="toy", data="d", publish=str(project.models_folder / "liver")))
    project.path.rename(tmp_path / "moved")
    assert asked_for(RunFolder(tmp_path / "moved" / "runs" / inner.name)) == ()
    assert asked_for(RunFolder(tmp_path / "moved" / "runs" / run.name)) == (tmp_path / "out",)


def test_a_project_of_an_earlier_version_gets_an_id(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "project.json").write_text('{"schema_version": 1, "created": "x"}')
    job = Project.open(tmp_path / "p").new_run(TrainJob(method="toy", data="d")).job
    told = json.loads((tmp_path / "p" / "project.json").read_text())
    assert job.project == told["id"] and told["created"] == "x"
    Project.open(tmp_path / "p")
    assert json.loads((tmp_path / "p" / "project.json").read_text()) == told


def test_a_pointer_to_a_model_stays_inside(tmp_path: Path, image: Path, home: Path) -> None:
    folder = mailed(tmp_path, image)
    for name in ("card.json", "weights.safetensors"):
        (tmp_path / "elsewhere").mkdir(exist_ok=True)
        (tmp_path / "elsewhere" / name).write_text("{}")
    for told in (
        "../../elsewhere",
        str(tmp_path / "elsewhere"),
        "models/../../../elsewhere",
        "models/..",
        "models/",
        3,
    ):
        (folder / "model.json").write_text(json.dumps({"folder": told}))
        assert RunFolder(folder).model_folder is None


def test_hard_links_are_parted(tmp_path: Path, image: Path, home: Path) -> None:
    folder = mailed(tmp_path, image)
    os.link(home / "thesis.txt", folder / "log.txt")
    assert execute(folder) == ExitCode.DONE
    assert (folder / "log.txt").read_text().startswith("ten years")


@pytest.mark.parametrize("how", ["the folder is a link", "the file is a link", "one file, two names"])
def test_removed_copies_are_copies(project: Project, tmp_path: Path, image: Path, how: str) -> None:
    """Labels reached by two paths are one file, and stay."""
    out = tmp_path / "out"
    run = project.new_run(PredictJob(model="otsu", images=[ImageRef(path=str(image))], out=str(out)))
    assert execute(run.path) == ExitCode.DONE
    copies = [one for one in removable(project) if one.kind == "copies"]
    kept = run.result_folder / "im.labels.tif"
    assert [one.paths for one in copies] == [(kept,)]
    mine = out / "im.tif"
    if how == "the folder is a link":
        shutil.rmtree(run.result_folder)
        mine.rename(out / "im.labels.tif")
        mine.symlink_to("im.labels.tif")
        run.result_folder.symlink_to(out)
    elif how == "the file is a link":
        kept.rename(tmp_path / "kept.tif")
        kept.symlink_to(tmp_path / "kept.tif")
        mine.unlink()
        os.link(tmp_path / "kept.tif", mine)
    else:
        mine.unlink()
        os.link(kept, mine)
    clean([one for one in removable(project) if one.kind == "copies"])
    assert tifffile.imread(mine).max() == 1 and kept.exists()


@pytest.mark.parametrize("place", ["data", "data/points", "data/labels", "worker", "viewer"])
def test_a_project_with_links_where_clicks_are_written_is_refused(tmp_path: Path, home: Path, place: str) -> None:
    project = Project.open(tmp_path / "p")
    (project.path / place).parent.mkdir(parents=True, exist_ok=True)
    (project.path / place).symlink_to(home)
    with pytest.raises(NucleiError, match="is a link"):
        Project.open(tmp_path / "p")


def test_a_damaged_job_says_where(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"schema_version": 1, "kind": "predict", "model": "otsu", "images": 5}')
    with pytest.raises(NucleiError, match=r"predict > images: "):
        load_job(tmp_path)


def test_the_job_knows_its_place(project: Project, tmp_path: Path) -> None:
    save_job(TrainJob(method="toy", data="d"), tmp_path)
    assert load_job(tmp_path).project is None and load_job(tmp_path).written_in == str(tmp_path)
