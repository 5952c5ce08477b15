"""How good is it how soon: SPN+IEN on clicks, beside Otsu + watershed and beside its own first half.

    python benchmarks/quick_look.py                         four Kumar training images, 2 minutes
    python benchmarks/quick_look.py --set balanced          all twelve, 10 minutes
    python benchmarks/quick_look.py --set jittered|tnbc|u2os
    python benchmarks/quick_look.py --seeds 0 1 2           three trainings

Training wants a quiet machine, scoring does not care: `--keep FOLDER --train-only`, and later the same without it.

Scores: mean over the val and test images named in the result; the curve is scored on val images only.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import data_folder, print_table, write_results

from napari_nucleidomain.contracts.events import ModelReady, Preview, is_last
from napari_nucleidomain.data.dataset import Dataset
from napari_nucleidomain.data.example import Example
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.data.points import read_points, write_points
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.instances.scores import score_labels
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.launch import start
from napari_nucleidomain.runs.predict import LoadedModels
from napari_nucleidomain.runs.store import Project


@dataclass(frozen=True)
class Protocol:
    """One row of the issue's list of trials."""

    data: str
    minutes: float
    preset: str
    images: str = "all"
    jitter_px: float = 0.0
    missing: float = 0.0


SETS = {
    "quick": Protocol("kumar", 2.0, "quick", "one an organ"),
    "balanced": Protocol("kumar", 10.0, "balanced"),
    "jittered": Protocol("kumar", 2.0, "quick", "one an organ", jitter_px=3.0, missing=0.1),
    "tnbc": Protocol("tnbc", 2.0, "quick"),
    "u2os": Protocol("dsb2018_u2os", 2.0, "quick"),
}
WAYS: dict[str, dict[str, Any]] = {
    # The paper's rows of the first network: at one half.
    "SPN components": {"decoder": "components", "divide_above": 0.5},
    "SPN + watershed": {"decoder": "watershed", "divide_above": 0.5},
    # At the threshold of the second network: what of its lead is the threshold's?
    "SPN + watershed, same threshold": {"decoder": "watershed", "divide_above": 0.35},
    "SPN+IEN": {"decoder": "ien"},
}


def clicked(protocol: Protocol, data: Path, folder: Path, seed: int) -> Path:
    """A dataset file with the training images and their clicks, disturbed where the protocol says so."""
    root = data / protocol.data / "train"
    images = sorted(path for path in (root / "images").iterdir())
    if protocol.images == "one an organ":
        first: dict[str, Path] = {}
        for path in images:
            first.setdefault(path.name.split("_")[0], path)
        images = list(first.values())
    rng = np.random.default_rng(seed)
    examples = []
    for path in images:
        points = read_points(root / "points" / f"{path.stem}.csv")
        if protocol.missing:
            points = points[rng.random(len(points)) >= protocol.missing]
        if protocol.jitter_px:
            shape = np.array(open_image(path).spatial_shape)
            points = np.clip(points + rng.normal(0, protocol.jitter_px, points.shape), 0, shape - 1)
        examples.append(Example(path, points=write_points(points, folder / f"{path.stem}.csv")))
    return Dataset(folder / "dataset.json", examples).save()


def train(protocol: Protocol, dataset: Path, folder: Path, seed: int, every: float) -> dict[str, Any]:
    """Train in a process of its own, asking for a model every so often; returns times and snapshot folders."""
    project = Project.open(folder / "project")
    job = TrainJob(
        method="spn-ien", preset=protocol.preset, data=str(dataset), name="m", minutes=protocol.minutes, seed=seed
    )
    run = project.new_run(job)
    began = time.time()
    start(run)
    offset, asked, first, snapshots, over = 0, began + 5.0, None, [], None
    while over is None:
        time.sleep(0.1)
        events, offset = run.read_events(offset)
        for event in events:
            if isinstance(event, Preview) and first is None:
                first = event.time - began
            if isinstance(event, ModelReady):
                kept = folder / f"at-{event.time - began:.0f}"
                if (run.path / event.folder).exists():
                    shutil.copytree(run.path / event.folder, kept, dirs_exist_ok=True)
                    snapshots.append((event.time - began, kept))
            over = event if is_last(event) else over
        if time.time() - asked > every:
            run.request("use_now")
            asked = time.time()
    if over.kind != "finished":
        raise SystemExit(f"the training {over.kind}: {over}")
    return {
        "first_preview_s": first,
        "train_s": over.time - began,
        "snapshots": snapshots,
        "model": str(run.model_folder),
    }


def score(model: Path | str, images: list[Path], settings: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Scores of each image by name."""
    segmenter, _ = LoadedModels().get(str(model), "auto", settings)
    rows = {}
    for path in images:
        began = time.perf_counter()
        found = segment(open_image(path), segmenter, Scale(1.0, "as it is"))
        seconds = time.perf_counter() - began
        truth = read_labels(next((path.parent.parent / "labels").glob(f"{path.stem}.*"))).labels
        row = score_labels(found.labels, truth, hausdorff=False).as_dict()
        rows[path.stem] = {name: row[name] for name in ("aji", "pq", "f1@0.5", "pixel_f1")} | {"seconds": seconds}
    return rows


def mean(rows: dict[str, dict[str, float]], name: str) -> float:
    """Mean over images."""
    return float(np.mean([row[name] for row in rows.values()]))


def seed_rows(protocol: Protocol, model: str, images: list[Path]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A row for each way, and the scores of each image."""
    rows, each = [], {}
    for label, (path, settings) in {
        "otsu": ("otsu", {}),
        **{label: (model, way) for label, way in WAYS.items()},
    }.items():
        each[label] = score(path, images, settings)
        columns = ("aji", "pq", "f1@0.5", "pixel_f1", "seconds")
        rows.append({"method": label} | {column: mean(each[label], column) for column in columns})
    return rows, each


def curve_of(snapshots: list[tuple[float, str]], val: list[Path]) -> list[dict[str, Any]]:
    """AJI on the val images against seconds since *Train*, by each way that the model of that moment has."""
    floor = mean(score("otsu", val, {}), "aji")
    points = []
    for seconds, model in snapshots:
        chosen = LoadedModels().get(str(model), "auto")[0].decoder  # type: ignore[attr-defined]
        point: dict[str, Any] = {"seconds": round(seconds), "chosen": chosen, "otsu": floor}
        for label, way in WAYS.items():
            known = way["decoder"] != "ien" or _has_ien(Path(model))
            point[label] = mean(score(model, val, way), "aji") if known else None
        points.append(point)
    return points


def _has_ien(model: Path) -> bool:
    from napari_nucleidomain.inference.model_files import load_weights

    return any(name.startswith("ien.") for name in load_weights(model))


def trained_in(folder: Path, protocol: Protocol, data: Path, seed: int, every: float) -> dict[str, Any]:
    """Train in a folder, or say what an earlier call trained there."""
    done = folder / "trained.json"
    if not done.exists():
        dataset = clicked(protocol, data, folder / "clicks", seed)
        done.write_text(json.dumps(train(protocol, dataset, folder, seed, every), default=str), encoding="utf-8")
    trained: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
    return trained


def main() -> None:
    """Train, score, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", default="quick", choices=SETS)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--every", type=float, help="seconds between points of the curve")
    parser.add_argument("--minutes", type=float, help="instead of the protocol's")
    parser.add_argument("--keep", type=Path, help="folder for the trained models; those there are not trained again")
    parser.add_argument("--train-only", action="store_true", help="score later, with the same --keep")
    parsed = parser.parse_args()
    protocol = SETS[parsed.set]
    if parsed.minutes:
        protocol = Protocol(**{**protocol.__dict__, "minutes": parsed.minutes})
    data = data_folder(parsed.data)
    val = sorted((data / protocol.data / "val" / "images").iterdir())
    test = sorted((data / protocol.data / "test" / "images").iterdir())
    every = parsed.every or protocol.minutes * 60 / 6
    with tempfile.TemporaryDirectory() as name:
        keep = parsed.keep or Path(name)
        folders = {seed: keep / f"{parsed.set}-{seed}" for seed in parsed.seeds}
        trained = {seed: trained_in(folder, protocol, data, seed, every) for seed, folder in folders.items()}
        if parsed.train_only:
            return
        seeds = []
        for seed, one in trained.items():
            rows, images = seed_rows(protocol, one["model"], val + test)
            times = {"first_preview_s": one["first_preview_s"], "train_s": one["train_s"]}
            seeds.append({"seed": seed, **times, "rows": rows, "images": images})
            print(f"{parsed.set}, seed {seed}: first preview {one['first_preview_s']:.1f} s, {one['train_s']:.0f} s")
            print_table(rows)
        curve = curve_of(trained[parsed.seeds[0]]["snapshots"], val)
    print_table(curve)
    summary = [summarised(label, [one["rows"] for one in seeds]) for label in ("otsu", *WAYS)]
    print_table(summary)
    content = {"protocol": protocol.__dict__, "test_images": [path.stem for path in test]}
    write_results(f"quick_look_{parsed.set}", {**content, "summary": summary, "curve": curve, "seeds": seeds})


def summarised(label: str, seeds: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Mean and standard deviation of the AJI over seeds."""
    values = [row["aji"] for rows in seeds for row in rows if row["method"] == label]
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {"method": label, "aji": float(np.mean(values)), "sd": spread, "seeds": len(values)}


if __name__ == "__main__":
    main()
