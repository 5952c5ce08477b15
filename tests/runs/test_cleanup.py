"""Clean-up removes what can be made again or is not needed any more, and nothing else."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Picture

from napari_nucleidomain.cli import main
from napari_nucleidomain.inference.model_files import load_weights
from napari_nucleidomain.runs.cleanup import clean, disk_use, removable, size_of
from napari_nucleidomain.runs.execute import ExitCode, execute
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import ImageRef, PredictJob
from napari_nucleidomain.runs.ownership import Ownership
from napari_nucleidomain.runs.store import Project


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}


def kinds(project: Project) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in removable(project):
        found.setdefault(one.kind, set()).update(path.name for path in one.paths)
    return found


@pytest.fixture
def trained(new_training: Any, project: Project) -> RunFolder:
    """A finished training with a published model and a preview."""
    run = new_training(config={"steps": 3}, publish=str(project.models_folder / "liver"))
    assert execute(run.path) == ExitCode.DONE
    (run.path / "previews").mkdir(exist_ok=True)
    (run.path / "previews" / "preview-0.npz").write_bytes(b"p" * 1000)
    return run


def predicted(project: Project, tmp_path: Path, picture: Any = None, **changes: Any) -> RunFolder:
    path = tmp_path / "cells é.png"
    pixels = np.full((64, 64), 10, np.uint8)
    pixels[10:26, 20:36] = 200
    (picture or Picture.fromarray(pixels)).save(path)
    run = project.new_run(PredictJob(model="otsu", images=[ImageRef(path=str(path))], name="otsu", **changes))
    assert execute(run.path) == ExitCode.DONE
    return run


def test_a_finished_training_keeps_model_curves_and_log(trained: RunFolder, project: Project) -> None:
    assert kinds(project) == {"previews": {"previews"}, "working files": {"checkpoint", "stages"}}
    models, events = files_of(project.models_folder), (trained.path / "events.jsonl").read_bytes()
    weights = load_weights(trained.model_folder or "")
    expected = sum(one.size for one in removable(project))
    before = disk_use(project)
    freed, problems = clean(removable(project))
    assert (freed, problems) == (expected, [])
    assert before.total - disk_use(project).total == expected
    assert files_of(project.models_folder) == models
    assert (trained.path / "events.jsonl").read_bytes() == events
    assert load_weights(trained.model_folder or "").keys() == weights.keys()
    assert trained.state == "finished" and execute(trained.path) == ExitCode.DONE
    assert removable(project) == []


def test_what_may_go_on_keeps_its_checkpoint(new_training: Any, project: Project) -> None:
    run = new_training(config={"steps": 5, "stop_at": 2})
    with pytest.raises(KeyboardInterrupt):
        execute(run.path)
    (run.path / "previews").mkdir(exist_ok=True)
    (run.path / "previews" / "preview-0.npz").write_bytes(b"p")
    assert run.state == "interrupted" and kinds(project) == {"previews": {"previews"}}
    clean(removable(project))
    assert execute(run.path) == ExitCode.DONE


def test_a_run_that_works_is_left_alone(trained: RunFolder, project: Project) -> None:
    found = removable(project)
    ownership = Ownership(trained.path)
    assert removable(project) == []
    before = files_of(trained.path)
    freed, problems = clean(found)
    assert freed == 0 and len(problems) == len(found) and "being worked on" in problems[0]
    assert files_of(trained.path) == before
    ownership.release()


def test_only_copies_of_results_can_go(project: Project, tmp_path: Path) -> None:
    predicted(project, tmp_path)
    assert "copies" not in kinds(project), "the only copy"
    predicted(project, tmp_path, out=str(tmp_path / "png"), format="png")
    assert "copies" not in kinds(project), "numbers are lost in a PNG"
    run = predicted(project, tmp_path, out=str(tmp_path / "saved"))
    assert kinds(project)["copies"] == {"cells é.labels.tif"}
    corrected = run.result_folder / "cells é.found.tif"
    corrected.write_bytes(b"what the program found")
    assert "copies" not in kinds(project), "changed by hand since"
    corrected.unlink()
    (tmp_path / "saved" / "cells é.tif").rename(tmp_path / "elsewhere.tif")
    assert "copies" not in kinds(project), "not where it was saved any more"
    (tmp_path / "elsewhere.tif").rename(tmp_path / "saved" / "cells é.tif")
    clean([one for one in removable(project) if one.kind == "copies"])
    assert execute(run.path) == ExitCode.DONE and run.state == "finished"
    assert (tmp_path / "saved" / "cells é.tif").exists()


def change_labels(file: Path) -> None:
    labels = tifffile.imread(file)
    labels[0, 0] = 7
    tifffile.imwrite(file, labels)


def test_a_result_that_was_saved_over_is_no_copy(project: Project, tmp_path: Path) -> None:
    out = tmp_path / "saved"
    first = predicted(project, tmp_path, out=str(out))
    picture = Picture.open(tmp_path / "cells é.png").transpose(Picture.Transpose.ROTATE_90)
    second = predicted(project, tmp_path, out=str(out), picture=picture)
    found = [one for one in removable(project) if one.kind == "copies"]
    assert [one.run for one in found] == [second.path], "the first one's result lies nowhere else"
    (first_labels, second_labels) = (run.result_folder / "cells é.labels.tif" for run in (first, second))
    change_labels(out / "cells é.tif")
    assert "copies" not in kinds(project), "changed by hand"
    # Listed before that, removed after it; a program that keeps the file's time is seen as well.
    freed, problems = clean(found)
    assert freed == 0 and "other labels now" in problems[0]
    assert first_labels.exists() and second_labels.exists()


def test_the_same_result_saved_twice_is_a_copy(project: Project, tmp_path: Path) -> None:
    for _ in range(2):
        predicted(project, tmp_path, out=str(tmp_path / "saved"), format="zarr")
    found = [one for one in removable(project) if one.kind == "copies"]
    assert len(found) == 2
    assert clean(found) == (sum(one.size for one in found), [])


def test_leftovers_and_never_clicks(project: Project) -> None:
    points = project.data / "points"
    points.mkdir(parents=True)
    old = time.time() - 7200
    for name in ("a.csv", ".a.0123abcd.csv", ".mine.csv", ".b.89abcdef.csv"):
        (points / name).write_text("x")
    for name in ("a.csv", ".a.0123abcd.csv", ".mine.csv"):
        os.utime(points / name, (old, old))
    (project.runs_folder / ".deleted-1").mkdir(parents=True)
    (project.runs_folder / ".deleted-1" / "log.txt").write_text("x")
    assert kinds(project) == {"halves": {".a.0123abcd.csv", ".deleted-1"}}
    clean(removable(project))
    assert sorted(one.name for one in points.iterdir()) == [".b.89abcdef.csv", ".mine.csv", "a.csv"]


def test_links_are_not_followed(project: Project, trained: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "a.tif").write_bytes(b"x" * 5000)
    try:
        (trained.path / "previews" / "link").symlink_to(tmp_path / "precious")
    except OSError:
        pytest.skip("no links here")
    assert size_of(trained.path / "previews") < 5000
    clean(removable(project))
    assert (tmp_path / "precious" / "a.tif").exists()


def test_command(trained: RunFolder, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--clean", "--project", str(project.path)]) == 0
    said = capsys.readouterr().out
    assert "previews of trainings" in said and "add --yes" in said and trained.has_checkpoint
    assert main(["runs", "--clean", "--yes", "--json", "--project", str(project.path)]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["freed"] == sum(one["bytes"] for one in content["removable"]) > 1000
    assert not trained.has_checkpoint
    assert main(["runs", "--clean", "--project", str(project.path)]) == 0
    assert "nothing to remove" in capsys.readouterr().out
    assert main(["runs", "--yes", "--project", str(project.path)]) == 2
    assert main(["runs", "--clean", "--project", str(project.path / "nowhere")]) == 2
