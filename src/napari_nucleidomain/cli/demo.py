"""`nucleidomain demo`: the whole loop on a bundled image, with or without a person watching."""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from napari_nucleidomain.contracts import NucleiError, load_card
from napari_nucleidomain.contracts.files import write_atomic, write_json
from napari_nucleidomain.data.dataset import Dataset
from napari_nucleidomain.data.example import Example
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.data.points import write_points
from napari_nucleidomain.data.regions import Region, write_regions
from napari_nucleidomain.data.samples import Sample, load_sample
from napari_nucleidomain.instances.scores import Scores, score_labels
from napari_nucleidomain.runs.execute import ExitCode
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import ImageRef, PredictJob, TrainJob
from napari_nucleidomain.runs.store import Project

from .running import run_here

_SAMPLE = "hne"
_VIEWER_SECONDS = 120.0
_SHOWN = ("aji", "pq", "f1@0.5", "pixel_dice")


def command(arguments: argparse.Namespace) -> int:
    """Train on the clicks of the left half, predict all of it, score the right half beside the classical method."""
    out = arguments.out.absolute()
    sample = load_sample(_SAMPLE)
    middle = sample.image.shape[1] // 2
    project = Project.open(out / "project")
    data = half_dataset(sample, out / "clicks", middle)
    watched = not arguments.no_viewer and viewer_possible()
    run = project.new_run(_training(data, project, arguments.minutes, watched))
    (out / "done.json").unlink(missing_ok=True)
    viewer = start_viewer(out, run, stay=arguments.stay) if watched else None
    print(f"Training on {_clicks(sample, middle)} clicks in the left half of {sample.info.title}.", flush=True)
    code = run_here(run, started=time.monotonic())
    if code != ExitCode.DONE or run.model_folder is None:
        _end(viewer)
        return code
    print(load_card(run.model_folder).line())
    scores = {}
    for model, name in (("otsu", "otsu"), (project.models_folder / "demo", "spn-ien")):
        labels = predict(project, model, sample.path, out / "labels" / name)
        scores[name] = score_labels(labels[:, middle:], sample.labels[:, middle:])
        if name == "spn-ien":
            write_overlay(sample, labels, out / "overlay.png")
    report(scores, out)
    write_json(out / "done.json", {"labels": str(out / "labels" / "spn-ien" / f"{sample.path.stem}.tif")})
    _wait_for(viewer, out, stay=arguments.stay)
    return ExitCode.DONE


def half_dataset(sample: Sample, folder: Path, middle: int) -> Path:
    """The left half's clicks and a region round it, as a dataset file."""
    left = sample.points[sample.points[:, 1] < middle - 0.5]
    points = write_points(left, folder / "clicks.csv")
    regions = write_regions([Region.box(0, 0, sample.image.shape[0], middle)], folder / "region.geojson")
    example = Example(sample.path, points=points, regions=regions)
    return Dataset(folder / "dataset.json", [example]).save()


def _clicks(sample: Sample, middle: int) -> int:
    return int((sample.points[:, 1] < middle - 0.5).sum())


def _training(data: Path, project: Project, minutes: float, watched: bool) -> TrainJob:
    if not minutes > 0:
        raise NucleiError("--minutes must be more than 0.", "")
    return TrainJob(
        method="spn-ien",
        preset="quick",
        data=str(data),
        name="demo",
        minutes=minutes,
        background=watched,
        publish=str(project.models_folder / "demo"),
    )


def predict(project: Project, model: Path | str, image: Path, out: Path) -> np.ndarray:
    """Labels of one image, through a run like any other; ndarray (H, W)."""
    job = PredictJob(model=str(model), images=[ImageRef(path=str(image))], out=str(out), name=Path(model).name)
    run = project.new_run(job)
    if run_here(run, started=time.monotonic(), quiet=True) != ExitCode.DONE:
        raise NucleiError("The prediction failed.", f"See {run.log}.")
    return read_labels(Path(run.summary()["images"][0]["labels"])).labels


def report(scores: dict[str, Scores], out: Path) -> None:
    """Print both rows and write `scores.json`."""
    rows = {name: score.as_dict() for name, score in scores.items()}
    print("\nright half, never seen" + "".join(f"{name:>12}" for name in _SHOWN))
    for name, row in rows.items():
        print(f"{name:<22}" + "".join(f"{row[shown]:12.3f}" for shown in _SHOWN))
    better = rows["spn-ien"]["aji"] > rows["otsu"]["aji"]
    print("The model trained on clicks is better." if better else "The classical method is better on this half.")
    write_json(out / "scores.json", {"on": "right half", **rows})


def write_overlay(sample: Sample, labels: np.ndarray, path: Path) -> Path:
    """The image with every nucleus' outline in yellow and the line between the halves."""
    from PIL import Image as Picture
    from skimage.segmentation import find_boundaries

    picture = np.array(sample.image[..., :3], np.uint8)
    picture[find_boundaries(labels, mode="inner")] = (255, 230, 0)
    picture[:, sample.image.shape[1] // 2] = (0, 0, 0)
    return write_atomic(path, lambda aside: Picture.fromarray(picture).save(aside))


def viewer_possible() -> bool:
    """Whether there is a napari and a screen; says what is missing."""
    if importlib.util.find_spec("napari") is None:
        print('napari is not installed: no viewer. `pip install "napari-nucleidomain[all]"` brings it.')
        return False
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        print("There is no screen: no viewer.")
        return False
    return True


def start_viewer(out: Path, run: RunFolder, *, stay: bool) -> subprocess.Popen[bytes]:
    """Open napari beside the training."""
    arguments = [sys.executable, "-m", "napari_nucleidomain.widgets.demo", str(out), str(run.path)]
    with open(out / "viewer.log", "wb") as log:
        return subprocess.Popen([*arguments, *(["--stay"] if stay else [])], stdout=log, stderr=log)


def _wait_for(viewer: subprocess.Popen[bytes] | None, out: Path, *, stay: bool) -> None:
    if viewer is None:
        print(f"Written to {out}: labels/, overlay.png, scores.json")
        return
    try:
        viewer.wait(None if stay else _VIEWER_SECONDS)
    except subprocess.TimeoutExpired:
        _end(viewer)
    picture = out / "viewer.png"
    print(f"Written to {out}: labels/, overlay.png, scores.json" + (", viewer.png" if picture.exists() else ""))
    if not picture.exists():
        print(f"The viewer made no picture; see {out / 'viewer.log'}", file=sys.stderr)


def _end(viewer: subprocess.Popen[bytes] | None) -> None:
    if viewer is not None and viewer.poll() is None:
        viewer.terminate()
