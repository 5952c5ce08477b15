"""The two-stage pipeline of AD-GAN (Table 10): a second network learns from images that the first one made.

    python benchmarks/adgan_two_stage.py MODEL [--set dsb2018_u2os] [--count 200] [--size 256,256]
                                         [--minutes 10 | --steps N] [--seeds 0] [--threads N]
                                         [--rows otsu adgan panoptic unet unet-annotated] [--work DIR] [--json NAME]

MODEL is a trained adgan model of the set. So many labelled images are made with it; `panoptic` (preset quick) and a
U-Net that paints ground, rims and cores are trained on them and on nothing else; all are scored on the test images of
the set beside `otsu` and the model itself. The rows `panoptic-annotated` and `unet-annotated` learn from the outlines
that people drew, as in the last row of the table. Goes on where it was stopped, row by row (--work).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import ternary_unet
from child import run_of
from common import HERE, data_folder, print_table, write_results
from rows import rows_so_far, scores_of

from napari_nucleidomain import __version__
from napari_nucleidomain.contracts import NucleiError, SynthesisWish, load_card
from napari_nucleidomain.contracts.files import write_json
from napari_nucleidomain.runs.job import SynthesizeJob, TrainJob
from napari_nucleidomain.runs.store import Project
from napari_nucleidomain.runs.synthesize import check_job

ROWS = ("otsu", "adgan", "panoptic", "unet", "panoptic-annotated", "unet-annotated")
_KEPT = ("pixel_dice", "f1@0.5", "aji", "n_true", "n_predicted")
_SHOWN = {"dice": "pixel_dice", "f1": "f1@0.5", "aji": "aji"}


def synthetic(project: Project, arguments: argparse.Namespace) -> Path:
    """The dataset that the model makes."""
    size = tuple(int(side) for side in arguments.size.split(","))
    out = arguments.work / "synthetic"
    job = SynthesizeJob(
        model=str(arguments.model.absolute()),
        out=str(out.absolute()),
        count=arguments.count,
        wish=SynthesisWish(shape=size),
        threads=arguments.threads,
        name="synthetic",
    )
    try:
        check_job(job)
    except NucleiError as error:
        raise SystemExit(str(error)) from error
    run_of(project, job)
    return out


def panoptic(project: Project, name: str, data: Path, arguments: argparse.Namespace, seed: int) -> dict[str, Any]:
    """A training and its scores."""
    job = TrainJob(
        method="panoptic",
        preset="quick",
        data=str(data.absolute()),
        name=name,
        seed=seed,
        minutes=None if arguments.steps else arguments.minutes,
        steps=arguments.steps,
        threads=arguments.threads,
    )
    run = run_of(project, job)
    assert run.model_folder is not None
    card = load_card(run.model_folder)
    return {
        "steps": card.steps,
        "train_s": card.seconds,
        "images": scores_of(str(run.model_folder), tests(arguments), _KEPT),
    }


def unet(data: Path, arguments: argparse.Namespace, seed: int) -> dict[str, Any]:
    """The same for the U-Net."""
    limits = {"minutes": None if arguments.steps else arguments.minutes, "steps": arguments.steps}
    made = ternary_unet.train(data, seed=seed, threads=arguments.threads, **limits)
    diameter = load_card(arguments.model).nucleus_diameter_px or 0.0
    scores = ternary_unet.scores_of(made.network, tests(arguments), diameter, _KEPT)
    return {"steps": made.steps, "train_s": made.seconds, "images": scores}


def tests(arguments: argparse.Namespace) -> list[Path]:
    """Images nobody has looked at."""
    return sorted((data_folder(arguments.data) / arguments.set / "test" / "images").iterdir())


def settings_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What rows must have in common to stand in one table."""
    names = ("set", "count", "size", "minutes", "steps", "threads")
    told = {name: getattr(arguments, name) for name in names}
    return told | {"model": load_card(arguments.model).name, "program": __version__}


def main() -> None:
    """Every row; table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder of a trained adgan model")
    parser.add_argument("--set", default="dsb2018_u2os")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--size", default="256,256")
    parser.add_argument("--minutes", type=float, default=10.0, help="of each training")
    parser.add_argument("--steps", type=int, help="instead of minutes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, help="all cores by default")
    parser.add_argument(
        "--rows", nargs="+", choices=ROWS, default=["otsu", "adgan", "panoptic", "unet", "unet-annotated"]
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, default=HERE / "out" / "adgan_two_stage")
    parser.add_argument("--json", default="adgan_two_stage")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    file = arguments.work / "rows.json"
    rows = rows_so_far(file, settings_of(arguments))
    project = Project.open(arguments.work / "project")
    for row in arguments.rows:
        for seed in [0] if row in ("otsu", "adgan") else arguments.seeds:
            key = f"{row} seed {seed}"
            if key not in rows:
                rows[key] = {"row": row, "seed": seed, **_made(project, row, seed, arguments)}
                write_json(file, {"settings": settings_of(arguments), "rows": rows})
    shown = []
    for made in rows.values():
        images = made["images"].values()
        means = {short: float(np.mean([one[key] for one in images])) for short, key in _SHOWN.items()}
        shown.append({key: made.get(key, "") for key in ("row", "seed", "steps", "train_s")} | means)
    print_table(shown)
    write_results(arguments.json, {**settings_of(arguments), "rows": list(rows.values())})


def _made(project: Project, row: str, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    if row in ("otsu", "adgan"):
        model = "otsu" if row == "otsu" else str(arguments.model)
        return {"images": scores_of(model, tests(arguments), _KEPT)}
    drawn = row.endswith("-annotated")
    data = data_folder(arguments.data) / arguments.set if drawn else synthetic(project, arguments)
    if row.startswith("unet"):
        return unet(data, arguments, seed)
    return panoptic(project, f"{row}-seed-{seed}", data, arguments, seed)


if __name__ == "__main__":
    main()
