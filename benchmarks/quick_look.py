"""How good is it how soon: SPN+IEN on clicks, beside Otsu + watershed and beside its own first half.

    python benchmarks/quick_look.py                         four Kumar training images, 2 minutes
    python benchmarks/quick_look.py --set balanced          all twelve, 10 minutes
    python benchmarks/quick_look.py --set jittered|tnbc|u2os

Scores: mean over the val and test images named in the result; the curve is scored on val images only.
"""

from __future__ import annotations

import argparse
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
DECODERS = {"SPN components": "components", "SPN + watershed": "watershed", "SPN+IEN": "ien"}


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
    return {"first_preview_s": first, "train_s": over.time - began, "snapshots": snapshots, "model": run.model_folder}


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


def main() -> None:
    """Train, score, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", default="quick", choices=SETS)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=float, help="seconds between points of the curve")
    parser.add_argument("--minutes", type=float, help="instead of the protocol's")
    parsed = parser.parse_args()
    protocol = SETS[parsed.set]
    if parsed.minutes:
        protocol = Protocol(**{**protocol.__dict__, "minutes": parsed.minutes})
    data = data_folder(parsed.data)
    val = sorted((data / protocol.data / "val" / "images").iterdir())
    test = sorted((data / protocol.data / "test" / "images").iterdir())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = clicked(protocol, data, folder / "clicks", parsed.seed)
        every = parsed.every or protocol.minutes * 60 / 6
        trained = train(protocol, dataset, folder, parsed.seed, every)
        curve = []
        for seconds, model in trained["snapshots"]:
            chosen = LoadedModels().get(str(model), "auto")[0].decoder  # type: ignore[attr-defined]
            curve.append({"seconds": round(seconds), "decoder": chosen, "aji_val": mean(score(model, val, {}), "aji")})
        rows, images = [], {}
        for label, (model, settings) in {
            "otsu": ("otsu", {}),
            **{label: (trained["model"], {"decoder": decoder}) for label, decoder in DECODERS.items()},
        }.items():
            images[label] = score(model, val + test, settings)
            rows.append(
                {"method": label}
                | {column: mean(images[label], column) for column in ("aji", "pq", "f1@0.5", "pixel_f1", "seconds")}
            )
    print(f"{parsed.set}: first preview after {trained['first_preview_s']:.1f} s, trained {trained['train_s']:.0f} s")
    print_table(curve)
    print_table(rows)
    write_results(
        f"quick_look_{parsed.set}",
        {
            "protocol": protocol.__dict__,
            "seed": parsed.seed,
            "first_preview_s": trained["first_preview_s"],
            "train_s": trained["train_s"],
            "curve": curve,
            "rows": rows,
            "images": images,
        },
    )


if __name__ == "__main__":
    main()
