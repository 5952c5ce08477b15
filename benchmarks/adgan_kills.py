"""An AD-GAN training killed at random moments, and while it writes checkpoints, against an undisturbed one.

`python benchmarks/adgan_kills.py [--kills 8]`: tiny networks on made-up images, one thread, a budget of steps. A
checkpoint is written every 0.05 s instead of every 15 s, so that every life has some and kills meet writes. Weights of
both trainings are compared bit by bit. Then it is asked to stop at random moments: seconds to its end, and whether the
model it left can be opened.
"""

from __future__ import annotations

import argparse
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
from kill_resume import CHILD

from napari_nucleidomain.contracts import load_card
from napari_nucleidomain.contracts.events import Finished, Progress, Stopped
from napari_nucleidomain.inference.model_files import load_weights
from napari_nucleidomain.methods.adgan.segment import load
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.store import Project

_TINY: dict[str, Any] = {
    "width": 4,
    "blocks": 1,
    "style_width": 8,
    "crop_px": 48,
    "batch": 2,
    "pool": 4,
    "work_diameter_px": 12.0,
    "precision": "32-true",
}


def write_images(folder: Path) -> Path:
    """Two images of bright discs."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    rows, columns = np.mgrid[:160, :160]
    for k in range(2):
        image = rng.normal(300, 40, (160, 160))
        for y in range(16, 160, 28):
            for x in range(16, 160, 28):
                cy, cx = np.array([y, x]) + rng.uniform(-4, 4, 2)
                image[(rows - cy) ** 2 + (columns - cx) ** 2 <= 64] += 1500
        tifffile.imwrite(folder / "images" / f"{k}.tif", image.clip(0).astype(np.uint16))
    return folder


def begin(run: RunFolder) -> subprocess.Popen[bytes]:
    """A process that executes the run."""
    return subprocess.Popen([sys.executable, "-c", CHILD, str(run.path)], stdout=subprocess.DEVNULL)


def steps_seen(run: RunFolder) -> int:
    """Of the latest progress told."""
    told = [one.step for one in run.read_events()[0] if isinstance(one, Progress) and one.stage == "translate"]
    return told[-1] if told else 0


def ended(run: RunFolder) -> bool:
    """Whether it is complete."""
    return any(isinstance(one, Finished) for one in run.read_events()[0])


def killed(run: RunFolder, kills: int, steps: int, rng: random.Random) -> list[int]:
    """Kill it so many times, each time further on; then let it end. Steps at which it was killed."""
    at = []
    for number in range(kills):
        goal = int(steps * (number + rng.random()) / (kills + 1))
        process = begin(run)
        while process.poll() is None and steps_seen(run) < goal:
            time.sleep(0.005)
        time.sleep(rng.random() * 0.2)
        process.kill()
        process.wait()
        at.append(steps_seen(run))
        if ended(run):
            break
    begin(run).wait()
    return at


def main() -> None:
    """Table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--stops", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as place:
        data = write_images(Path(place) / "data")
        project = Project.open(Path(place) / "project")

        def new(name: str) -> RunFolder:
            job = TrainJob(method="adgan", preset="quick", config=_TINY, data=str(data), name=name)
            return project.new_run(job.model_copy(update={"steps": arguments.steps, "threads": 1}))

        whole, parts = new("whole"), new("parts")
        begin(whole).wait()
        at = killed(parts, arguments.kills, arguments.steps, rng)
        ours, theirs = (load_weights(run.model_folder) for run in (whole, parts))
        equal = sum(np.array_equal(ours[name], theirs[name]) for name in ours)
        stops = []
        for number in range(arguments.stops):
            run = new(f"stop-{number}")
            process = begin(run)
            goal = int(arguments.steps * (number + 0.5) / arguments.stops)
            while process.poll() is None and steps_seen(run) < goal:
                time.sleep(0.005)
            asked = time.monotonic()
            run.request("stop")
            process.wait()
            seconds = time.monotonic() - asked
            stopped = any(isinstance(one, Stopped) for one in run.read_events()[0])
            load(run.model_folder, load_card(run.model_folder), "cpu")
            stops.append({"at step": goal, "stopped": stopped, "seconds": seconds, "model opens": True})
    row = {
        "kills": len(at),
        "at steps": at,
        "tensors": len(ours),
        "equal": equal,
        "same names": set(ours) == set(theirs),
    }
    print_table([row])
    print_table(stops)
    write_results("adgan_kills", {**row, "stops": stops})


if __name__ == "__main__":
    main()
