"""A training killed at random moments, in every stage and while it writes checkpoints, against an undisturbed one.

`python benchmarks/kill_resume.py`: tiny networks on a synthetic image, one thread, a budget of steps; a few minutes.
Checkpoints are written every 0.3 s instead of every 15 s, so that kills meet writes.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from common import print_table, write_results

from napari_nucleidomain.contracts.events import Progress, StageEvent
from napari_nucleidomain.inference.model_files import load_weights
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.store import Project

STAGES = ("labels", "SPN", "instances", "IEN")
# Seconds after a stage is seen to begin (or a write to begin) within which the kill falls.
SPAN = {"labels": 0.15, "SPN": 0.8, "instances": 0.15, "IEN": 0.8, "write": 0.004}
PLAN = (
    *(["labels"] * 3 + ["SPN", "write", "SPN", "write", "SPN", "write", "SPN"]),
    *(["instances"] * 3 + ["IEN", "write", "IEN", "write", "IEN", "write", "IEN"]),
)
CHILD = """
import sys
from napari_nucleidomain.runs import context
context._SAVE_SECONDS = context.FolderRun._save_every = 0.3
from napari_nucleidomain.cli import main
sys.exit(main(["run", sys.argv[1]]))
"""
SETTINGS: dict[str, Any] = {
    "network": "small",
    "width": 4,
    "depth": 2,
    "crop_px": 48,
    "batch": 2,
    "imagenet": False,
    "spn_steps": 500,
    "ien_steps": 500,
    "precision": "32-true",
}


def make_data(folder: Path) -> Path:
    """A grey image of 96 × 96 px with 36 discs, and their centres as clicks."""
    lattice = np.stack(np.meshgrid(*[np.arange(6) * 16 + 8] * 2, indexing="ij"), -1).reshape(-1, 2)
    y, x = np.mgrid[:96, :96]
    image = np.random.default_rng(0).integers(20, 50, (96, 96))
    for row, column in lattice:
        image[(y - row) ** 2 + (x - column) ** 2 <= 20] += 150
    for name in ("images", "points"):
        (folder / "train" / name).mkdir(parents=True)
    tifffile.imwrite(folder / "train" / "images" / "a.tif", image.astype(np.uint8))
    lines = ["index,axis-0,axis-1", *(f"{k},{r},{c}" for k, (r, c) in enumerate(lattice))]
    (folder / "train" / "points" / "a.csv").write_text("\n".join(lines) + "\n")
    return folder


def start(run: RunFolder) -> subprocess.Popen[bytes]:
    """The run in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with open(run.path / "child.log", "ab") as log:
        return subprocess.Popen([sys.executable, "-c", CHILD, str(run.path)], stdout=log, stderr=log, env=environment)


def kill_once(run: RunFolder, target: str, chance: random.Random) -> dict[str, Any]:
    """Start, wait for the target, wait a random while more, kill; what was going on then."""
    offset = run.read_events()[1]
    process = start(run)
    stage, step, began = "start", 0, time.monotonic()
    while process.poll() is None:
        events, offset = run.read_events(offset)
        for event in events:
            if isinstance(event, StageEvent) and event.state == "begun":
                stage, step = event.name, 0
            elif isinstance(event, Progress):
                stage, step = event.stage, event.step
        if target == "write":
            reached = stage in STAGES and bool(_asides(run))
        else:
            reached = stage in STAGES and STAGES.index(stage) >= STAGES.index(target)
        if reached:
            break
        time.sleep(0.0005)
    time.sleep(chance.uniform(0, SPAN[target]))
    alive = process.poll() is None
    process.kill()
    process.wait()
    inside_write = bool(_asides(run))
    for path in _asides(run):
        path.unlink()
    return {
        "target": target,
        "stage": stage,
        "step seen": step,
        "killed": alive,
        "half a checkpoint left": inside_write,
        "seconds": time.monotonic() - began,
    }


def _asides(run: RunFolder) -> list[Path]:
    """Checkpoints being written."""
    return list((run.path / "checkpoint").glob(".*"))


def weights(run: RunFolder) -> dict[str, np.ndarray]:
    """The run's model."""
    if run.model_folder is None:
        raise SystemExit(f"{run.path} has no model: it is {run.state}.\n{(run.path / 'child.log').read_text()}")
    return load_weights(run.model_folder)


def main() -> None:
    """Both runs, the table, the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=len(PLAN), help="the first so many of the planned kills")
    parser.add_argument("--steps", type=int, default=1000, help="steps of the training")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as place:
        project = Project.open(Path(place) / "project")
        job = TrainJob(
            method="spn-ien",
            preset="quick",
            config=SETTINGS,
            data=str(make_data(Path(place) / "data")),
            name="tiny",
            device="cpu",
            threads=1,
            steps=arguments.steps,
        )
        whole, broken = project.new_run(job), project.new_run(job)
        began = time.monotonic()
        start(whole).wait()
        undisturbed = time.monotonic() - began
        rows = [kill_once(broken, target, chance) for target in PLAN[: arguments.kills]]
        last = start(broken).wait()
        print_table(rows)
        one, other = weights(whole), weights(broken)
        equal = one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)
        result = {
            "kills": sum(row["killed"] for row in rows),
            "kills inside a checkpoint write": sum(row["half a checkpoint left"] for row in rows),
            "stages killed in": sorted({row["stage"] for row in rows if row["killed"]}),
            "last exit status": last,
            "weights equal": equal,
            "tensors": len(one),
            "undisturbed seconds": undisturbed,
        }
    print_table([result])
    write_results("kill_resume", {"rows": rows, "result": result, "settings": SETTINGS, "steps": arguments.steps})
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()
