"""A training killed at random moments, in every stage and while it writes checkpoints, against an undisturbed one.

`python benchmarks/kill_resume.py`: tiny networks on a synthetic image, one thread, a budget of steps; a few minutes.
A checkpoint is written every 0.05 s instead of every 15 s, so that every life has some and kills meet writes.
Then trainings are asked to stop in every stage: seconds to the acknowledgement and to the end of the process, and
whether the model it left predicts. `--real` does the second part with the preset `quick` on four Kumar images.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import data_folder, print_table, write_results

from napari_nucleidomain.contracts import load_card
from napari_nucleidomain.contracts.events import Acknowledged, CheckpointSaved, Event, Progress, StageEvent, Stopped
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.inference.model_files import load_weights
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.methods.spn_ien.segment import load
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.store import Project

# The tests' small training: what is measured here is what they prove.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "e2e"))
from scene import write_scene

STAGES = ("labels", "SPN", "instances", "IEN")
# Seconds after the moment aimed at within which the kill falls. The two stages without steps last a few hundredths of a
# second with these networks, a write some thousandths.
SPAN = {"start": 0.3, "labels": 0.02, "SPN": 0.05, "instances": 0.01, "IEN": 0.05, "write": 0.0005}
PLAN = (
    *("labels", "labels", "labels", "write labels"),
    *("SPN", "write SPN", "SPN", "write SPN", "SPN", "write SPN"),
    *("instances", "instances", "instances", "write instances"),
    *("IEN", "write IEN", "IEN", "write IEN", "IEN", "write IEN"),
)
CHILD = """
import sys, time
started = time.monotonic()
from napari_nucleidomain.runs import context
context._SAVE_SECONDS = context.FolderRun._save_every = 0.05
context.FolderRun._save_and_time = context.FolderRun.save_checkpoint
from napari_nucleidomain.cli import main
sys.exit(main(["run", sys.argv[1]], started=started))
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


def start(run: RunFolder, child: str = CHILD) -> subprocess.Popen[bytes]:
    """The run in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with open(run.path / "child.log", "ab") as log:
        return subprocess.Popen([sys.executable, "-c", child, str(run.path)], stdout=log, stderr=log, env=environment)


class Watch:
    """Where a run is, by its events; each is read once."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.offset = run.read_events()[1]
        self.stage, self.step = "start", 0
        self.events: list[Event] = []

    def look(self) -> None:
        """Read what is new."""
        events, self.offset = self.run.read_events(self.offset)
        self.events += events
        for event in events:
            if isinstance(event, StageEvent) and event.state == "begun":
                self.stage, self.step = event.name, 0
            elif isinstance(event, Progress | CheckpointSaved):
                self.stage, self.step = event.stage, event.step

    def reached(self, target: str, step: int = 0) -> bool:
        """Whether the stage is at this step, or a later one has begun; "start" is reached at once."""
        if target == "start" or self.stage not in STAGES:
            return target == "start"
        later = STAGES.index(self.stage) - STAGES.index(target)
        return later > 0 or (later == 0 and self.step >= step)


def kill_once(run: RunFolder, target: str, step: int, chance: random.Random) -> dict[str, Any]:
    """Start, wait for the stage, its step and maybe a write, wait a random while more, kill; what was going on then."""
    watch = Watch(run)
    process = start(run)
    began = time.monotonic()
    write, _, stage = target.rpartition(" ")
    while process.poll() is None:
        watch.look()
        if watch.reached(stage, step) and (not write or halves(run)):
            break
        time.sleep(0.0002)
    time.sleep(chance.uniform(0, SPAN["write" if write else stage]))
    alive = process.poll() is None
    process.kill()
    process.wait()
    watch.look()
    return {
        "aimed at": target,
        "from step": step,
        "killed": alive,
        "in stage": watch.stage,
        "last step reported": watch.step,
        "inside a checkpoint write": bool(halves(run)),
        "after s": round(time.monotonic() - began, 3),
    }


def moments(plan: Sequence[str], steps: int, chance: random.Random) -> list[tuple[str, int]]:
    """A random step for each kill; those of one stage fall into its equal parts in turn."""
    found = []
    for number, target in enumerate(plan):
        stage = target.split()[-1]
        same = [k for k, other in enumerate(plan) if other.split()[-1] == stage]
        part = steps / 2 / len(same)
        step = int((same.index(number) + chance.random()) * part * 0.95) if stage in ("SPN", "IEN") else 0
        found.append((target, step))
    return found


def halves(run: RunFolder) -> list[Path]:
    """Checkpoints being written, or left half-written."""
    return list((run.path / "checkpoint").glob(".*"))


def weights(run: RunFolder) -> dict[str, np.ndarray]:
    """The run's model."""
    if run.model_folder is None:
        raise SystemExit(f"{run.path} has no model: it is {run.state}.\n{(run.path / 'child.log').read_text()}")
    return load_weights(run.model_folder)


def kills(new: Callable[[], RunFolder], plan: Sequence[tuple[str, int]], chance: random.Random) -> dict[str, Any]:
    """Both trainings and the table of kills."""
    whole, broken = new(), new()
    began = time.monotonic()
    start(whole).wait()
    undisturbed = time.monotonic() - began
    rows = [{"kill": number, **kill_once(broken, *moment, chance)} for number, moment in enumerate(plan, 1)]
    last = start(broken).wait()
    print_table(rows)
    one, other = weights(whole), weights(broken)
    result = {
        "kills": sum(row["killed"] for row in rows),
        "inside a checkpoint write": sum(row["inside a checkpoint write"] for row in rows),
        **{stage: sum(row["in stage"] == stage for row in rows) for stage in STAGES},
        "last exit status": last,
        "undisturbed seconds": round(undisturbed, 2),
        "tensors": len(one),
        "weights equal bit for bit": one.keys() == other.keys()
        and all(np.array_equal(one[name], other[name]) for name in one),
    }
    print_table([result])
    return {"rows": rows, "result": result}


def stop_once(run: RunFolder, target: str, chance: random.Random) -> dict[str, Any]:
    """Start, wait for the stage and a step or two, ask for a stop; seconds to answer and end, and the model."""
    watch = Watch(run)
    process = start(run, CHILD.replace("0.05", "15.0"))
    step = chance.randrange(1, 10) if target in ("SPN", "IEN") else 0
    while process.poll() is None and not watch.reached(target, step):
        watch.look()
        time.sleep(0.001)
    time.sleep(chance.uniform(0, SPAN[target]))
    asked = time.time()
    run.request("stop")
    process.wait()
    ended = time.time()
    watch.look()
    answers = [event.time for event in watch.events if isinstance(event, Acknowledged)]
    last = [event for event in watch.events if isinstance(event, Stopped)]
    return {
        "aimed at": target,
        "in stage": watch.stage,
        "acknowledged s": round(answers[0] - asked, 3) if answers else None,
        "process ended s": round(ended - asked, 3),
        "exit status": process.returncode,
        "model": bool(last and last[0].model),
        "model predicts": predicts(run),
    }


def predicts(run: RunFolder) -> bool | None:
    """Whether the model loads and segments a piece of the image it was trained on; None where there is none."""
    if run.model_folder is None:
        return None
    job = run.job
    assert isinstance(job, TrainJob)
    image = open_image(next((Path(job.data) / "train" / "images").iterdir()))
    card = load_card(run.model_folder)
    box = tuple((0, min(side, 256)) for side in image.spatial_shape)
    found = segment(image, load(run.model_folder, card, "cpu"), Scale(1.0, ""), box=box)  # type: ignore[arg-type]
    return found.labels.shape == tuple(stop for _, stop in box)


def stops(new: Callable[[], RunFolder], times: int, chance: random.Random) -> dict[str, Any]:
    """The table of stops."""
    rows = [stop_once(new(), target, chance) for target in ("start", *STAGES) for _ in range(times)]
    print_table(rows)
    answers = [row["acknowledged s"] for row in rows]
    result = {
        "stops": len(rows),
        "acknowledged": sum(answer is not None for answer in answers),
        "slowest acknowledgement s": max((answer for answer in answers if answer is not None), default=None),
        "slowest end s": max(row["process ended s"] for row in rows),
        "models that predict": sum(bool(row["model predicts"]) for row in rows),
    }
    print_table([result])
    return {"rows": rows, "result": result}


def four_images(folder: Path) -> Path:
    """The clicks of the first four training images of Kumar."""
    source = data_folder() / "kumar" / "train"
    for path in sorted((source / "images").iterdir())[:4]:
        clicks = next((source / "points").glob(f"{path.stem}.*"))
        for name, file in (("images", path), ("points", clicks)):
            (folder / "train" / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder / "train" / name / file.name)
    return folder


def main() -> None:
    """Both parts, the tables, the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=len(PLAN), help="the first so many of the planned kills")
    parser.add_argument("--steps", type=int, default=400, help="steps of the training")
    parser.add_argument("--stops", type=int, default=2, help="stops in each stage")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--real", action="store_true", help="only stops, on four real images with the preset quick")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as place:
        project = Project.open(Path(place) / "project")
        data = (four_images if arguments.real else write_scene)(Path(place) / "data")
        common: dict[str, Any] = {"method": "spn-ien", "preset": "quick", "data": str(data), "device": "cpu"}

        def new() -> RunFolder:
            if arguments.real:
                return project.new_run(TrainJob(**common, name="real", steps=arguments.steps))
            return project.new_run(TrainJob(**common, name="tiny", config=SETTINGS, threads=1, steps=arguments.steps))

        content: dict[str, Any] = {"steps": arguments.steps, "seed": arguments.seed}
        if not arguments.real:
            content |= {
                "settings": SETTINGS,
                "kills": kills(new, moments(PLAN, arguments.steps, chance)[: arguments.kills], chance),
            }
        content["stops"] = stops(new, arguments.stops, chance)
    write_results("stop_real" if arguments.real else "kill_resume", content)
    sys.exit(0 if arguments.real or content["kills"]["result"]["weights equal bit for bit"] else 1)


if __name__ == "__main__":
    main()
