"""What the panoptic method learns in twenty minutes from random weights, row by row of the paper's Table 3.

    python benchmarks/panoptic.py [--sets dsb2018_u2os kumar+tnbc] [--rows full baseline] [--seeds 0]
                                  [--minutes 20 | --steps N] [--threads N] [--preset quick] [--work DIR]

A set is the outlined training images of one folder of the data, or of several joined by +; images for checking are
those of val. Each row is a training in a process of its own, as a person's would be, followed by its model's scores on
the test images, beside `otsu` on the same images in the same call. The curve is the score on the val images while it
learned. Goes on where it was stopped, row by row (--work); a training that was interrupted goes on, too.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from child import work
from common import HERE, data_folder, print_table, write_results
from rows import rows_so_far, scores_of

from napari_nucleidomain import __version__
from napari_nucleidomain.contracts.events import Metric
from napari_nucleidomain.contracts.files import write_json
from napari_nucleidomain.data.dataset import Dataset, open_dataset
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.store import Project

# Rows of the paper's Table 3.
ROWS: dict[str, dict[str, Any]] = {
    "full": {},
    "baseline": {"feature_fusion": False, "semantic_branch": False, "mask_generator": "plain"},
    "ab1": {"semantic_branch": False, "mask_generator": "plain"},
    "ab3": {"feature_fusion": False, "mask_generator": "plain"},
    "ab2": {"mask_generator": "plain"},
}
_KEPT = ("aji", "pq", "f1@0.5", "pixel_f1", "n_true", "n_predicted")


def joined(root: Path, name: str, folder: Path) -> Path:
    """A dataset file of the train and val images of the folders."""
    examples = []
    for part in name.split("+"):
        found = open_dataset(root / part, check=False)
        examples += [one.changed(points=None) for one in found.all if one.split in ("train", "val")]
    folder.mkdir(parents=True, exist_ok=True)
    return Dataset(folder / f"{name.replace('+', '-')}.json", examples).save()


def test_images(root: Path, name: str) -> list[Path]:
    """Images nobody has looked at."""
    return [path for part in name.split("+") for path in sorted((root / part / "test" / "images").iterdir())]


def train(project: Project, name: str, dataset: Path, arguments: argparse.Namespace, row: str, seed: int) -> RunFolder:
    """Train, or go on with a training that was interrupted."""
    begun = [run for run in project.runs() if run.job.name == name]
    if begun:
        run = begun[0]
    else:
        job = TrainJob(
            method="panoptic",
            preset=arguments.preset,
            config={**ROWS[row], **dict(pair.split("=", 1) for pair in arguments.set)},
            data=str(dataset),
            name=name,
            seed=seed,
            minutes=None if arguments.steps else arguments.minutes,
            steps=arguments.steps,
            threads=arguments.threads,
        )
        run = project.new_run(job)
    watched = work(run)
    if watched.last is None or watched.last.kind != "finished":
        raise SystemExit(f"the training ended as {watched.last}; see {run.log}")
    return run


def curve(run: RunFolder) -> list[dict[str, float]]:
    """Seconds and scores on the val images."""
    metrics = [event for event in run.read_events()[0] if isinstance(event, Metric) and "outlines_aji" in event.values]
    return [
        {
            "seconds": one.seconds,
            "step": float(one.step),
            "aji": one.values["outlines_aji"],
            "f1": one.values["outlines_f1"],
        }
        for one in metrics
    ]


def settings_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What rows must have in common to stand in one table."""
    return {
        "preset": arguments.preset,
        "minutes": None if arguments.steps else arguments.minutes,
        "steps": arguments.steps,
        "threads": arguments.threads,
        "set": arguments.set,
        "program": __version__,
    }


def main() -> None:
    """Rows of every set; table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=["dsb2018_u2os", "kumar+tnbc"])
    parser.add_argument("--rows", nargs="+", default=["full", "baseline"], choices=list(ROWS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--threads", type=int, help="of each training; all cores by default")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings that differ from the preset"
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, default=HERE / "out" / "panoptic")
    parser.add_argument("--json", default="panoptic")
    arguments = parser.parse_args()
    root = data_folder(arguments.data)
    arguments.work.mkdir(parents=True, exist_ok=True)
    file = arguments.work / "rows.json"
    rows = rows_so_far(file, settings_of(arguments))
    project = Project.open(arguments.work / "project")
    for name in arguments.sets:
        images, dataset = test_images(root, name), joined(root, name, arguments.work)
        for row, seed in [("otsu", 0), *((row, seed) for seed in arguments.seeds for row in arguments.rows)]:
            key = f"{name} {row}" + (f" seed {seed}" if row != "otsu" else "")
            if key in rows:
                continue
            made: dict[str, Any] = {"set": name, "row": row, "seed": seed}
            if row == "otsu":
                made["images"] = scores_of("otsu", images, _KEPT)
            else:
                run = train(project, key.replace(" ", "-"), dataset, arguments, row, seed)
                card = json.loads((run.model_folder / "card.json").read_text())
                made |= {"steps": card["steps"], "train_s": card["seconds"], "curve": curve(run)}
                made["images"] = scores_of(str(run.model_folder), images, _KEPT)
            rows[key] = made
            write_json(file, {"settings": settings_of(arguments), "rows": rows})
    shown = []
    for made in rows.values():
        images_of = made["images"].values()
        means = {key: float(np.mean([one[key] for one in images_of])) for key in _KEPT[:4]}
        shown.append({key: made.get(key, "") for key in ("set", "row", "seed", "steps", "train_s")} | means)
    print_table(shown)
    write_results(arguments.json, {**settings_of(arguments), "rows": list(rows.values())})


if __name__ == "__main__":
    main()
