"""SPN+IEN with the paper's settings on Kumar's images, as in Tables 1 and 2 of the paper.

    python benchmarks/spn_ien_kumar.py                         the 12 training images, points only; scored on val + test
    python benchmarks/spn_ien_kumar.py --limit 100             stops after 100 minutes, goes on with the next call
    python benchmarks/spn_ien_kumar.py --fold 3                fold 3 of ten (Table 1); --set tnbc for the TNBC images
    python benchmarks/spn_ien_kumar.py --steps 2000            a budget of steps (or --minutes), schedules scaled to it
    python benchmarks/spn_ien_kumar.py --trial                 stops and goes on in every stage; seconds of a step

Runs lie in `benchmarks/out/spn_ien_kumar`; every score is written as soon as there is one, and what is done is not done
again. Hours on a graphics card; on a processor only --trial is of use.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from child import Watched, work
from common import HERE, data_folder, print_table, write_results

from napari_nucleidomain.contracts.events import CheckpointSaved, Event, Finished, Progress, StageEvent, Started
from napari_nucleidomain.data.dataset import Dataset, open_dataset
from napari_nucleidomain.data.example import Example
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.instances.scores import score_labels
from napari_nucleidomain.methods.spn_ien.folds import cross_validation
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import CLASSICAL, TrainJob
from napari_nucleidomain.runs.predict import LoadedModels
from napari_nucleidomain.runs.store import Project

STAGES = ("labels", "SPN", "instances", "IEN")
# Rows of Table 2: the training it needs (a `variant`), and how its nuclei are told apart.
ROWS = {
    "Fully": ("fully", "ien"),
    "Baseline": ("baseline", "components"),
    "SPN": ("spn-ien", "components"),
    "SPN+IEN": ("spn-ien", "ien"),
}
PRESETS = {"kumar": "paper", "tnbc": "paper-tnbc"}


def epochs(images: int) -> dict[str, int]:
    """Steps of 60 and 1000 epochs: 16 patches of each image, 8 a step."""
    return {"spn_steps": 60 * 2 * images, "ien_steps": 1000 * 2 * images}


def datasets(data: Path, name: str, fold: int | None, folder: Path) -> tuple[Path, Path, list[Path]]:
    """Dataset files with points only and with outlines, and the images to score."""
    whole = open_dataset(data / name)
    if fold is not None:
        whole = list(cross_validation(whole, 10, seed=1))[fold]
    train = [one for one in whole.all if one.split == "train"]
    scored = [Path(one.image) for one in whole.all if one.split != "train"]
    made = []
    for kind in ("points", "outlines"):
        examples = [
            Example(one.image, points=one.points, labels=one.labels if kind == "outlines" else None) for one in train
        ]
        made.append(Dataset(folder / f"{kind}.json", examples).save())
    return made[0], made[1], scored


class State:
    """What earlier calls have done: run folders by variant, scores by row and image."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "state.json"
        self.content: dict[str, Any] = (
            json.loads(self._path.read_text()) if self._path.exists() else {"runs": {}, "parts": {}, "scores": {}}
        )

    def save(self) -> None:
        """At once, row by row."""
        self._path.write_text(json.dumps(self.content, indent=1))


def train(state: State, project: Project, variant: str, job: dict[str, Any], limit: float) -> RunFolder | None:
    """The finished run of a variant; None where the limit came first."""
    if variant not in state.content["runs"]:
        made = project.new_run(TrainJob(method="spn-ien", name=variant, **job))
        state.content["runs"][variant], state.content["parts"][variant] = str(made.path), []
        state.save()
    run = RunFolder(state.content["runs"][variant])
    if run.state == "finished":
        return run
    if limit < 60:
        return None
    watched = work(run, limit)
    if watched.last is None or watched.last.kind == "failed":
        raise SystemExit(f"{variant}: {watched.last or 'the process died'}; see {run.log}")
    state.content["parts"][variant].append({"seconds": watched.seconds, "stopped": watched.stop_seconds is not None})
    state.save()
    return run if isinstance(watched.last, Finished) else None


def score(state: State, row: str, model: Path | str, decoder: str | None, images: list[Path], end: float) -> None:
    """Every score of every image that has none yet."""
    rows = state.content["scores"].setdefault(row, {})
    for path in images:
        if path.stem in rows or time.time() > end:
            continue
        segmenter, _ = LoadedModels().get(str(model), "auto", {"decoder": decoder} if decoder else {})
        began = time.perf_counter()
        found = segment(open_image(path), segmenter, Scale(1.0, "as it is"))
        seconds = time.perf_counter() - began
        truth = read_labels(next((path.parent.parent / "labels").glob(f"{path.stem}.*"))).labels
        rows[path.stem] = {**score_labels(found.labels, truth).as_dict(), "seconds": seconds}
        state.save()


def table(state: State) -> list[dict[str, Any]]:
    """Mean over the images; the paper's columns and every AJI."""
    names = ("pixel_iou", "pixel_f1", "object_dice", "aji_weaknucleiseg")
    made = []
    for row, images in state.content["scores"].items():
        values = list(images.values())
        if values:
            ajis = [name for name in values[0] if name.startswith("aji") and name not in names]
            means = {name: float(np.mean([one[name] for one in values])) for name in (*names, *ajis, "pq", "seconds")}
            spread = float(np.std([one["aji_weaknucleiseg"] for one in values], ddof=1)) if len(values) > 1 else 0.0
            made.append({"row": row, "images": len(values), **means, "sd of AJI": spread})
    return made


# -- the trial -------------------------------------------------------------------------------------------------------
def stop_in(stage: str, at: int) -> Callable[[Event], bool]:
    """Asks for a stop once a stage is seen at work; in one of steps, once so many are done."""

    def wanted(event: Event) -> bool:
        if stage in ("labels", "instances"):
            return isinstance(event, StageEvent) and event.name == stage and event.state == "begun"
        return isinstance(event, Progress) and event.stage == stage and event.step >= at

    return wanted


def segment_of(watched: Watched, asked: str) -> dict[str, Any]:
    """What one process of the trial did."""
    begun = [e.name for e in watched.events if isinstance(e, StageEvent) and e.state == "begun"]
    skipped = [e.name for e in watched.events if isinstance(e, StageEvent) and e.state == "skipped"]
    # A stage says that it begins before it knows where it was; that has no total.
    steps = [e for e in watched.events if isinstance(e, Progress) and e.stage in ("SPN", "IEN") and e.total]
    saved = [f"{e.stage} {e.step}" for e in watched.events if isinstance(e, CheckpointSaved)]
    started = next((e for e in watched.events if isinstance(e, Started)), None)
    return {
        "stop asked in": asked,
        "ended": watched.last.kind if watched.last else "died",
        "resumed": bool(started and started.resumed),
        "stages done before": " ".join(skipped),
        "stages worked on": " ".join(begun),
        "first step": f"{steps[0].stage} {steps[0].step}" if steps else "",
        "last checkpoint": saved[-1] if saved else "",
        "stop answered, s": watched.stop_seconds,
        "seconds": watched.seconds,
        "peak MiB": watched.peak_mib,
    }


def seconds_a_step(all_events: list[list[Event]], stage: str) -> float | None:
    """Median over steps that follow each other in one process."""
    gaps = []
    for events in all_events:
        steps = [e for e in events if isinstance(e, Progress) and e.stage == stage]
        gaps += [(b.time - a.time) / (b.step - a.step) for a, b in itertools.pairwise(steps) if b.step > a.step > 0]
    return float(np.median(gaps)) if gaps else None


def seconds_a_stage(all_events: list[list[Event]], stage: str) -> float | None:
    """Of a stage that was done in one go."""
    for events in all_events:
        times = {e.state: e.time for e in events if isinstance(e, StageEvent) and e.name == stage}
        if {"begun", "done"} <= times.keys():
            return times["done"] - times["begun"]
    return None


def trial(project: Project, job: dict[str, Any], steps: int, seed: int) -> dict[str, Any]:
    """The paper's networks, sizes and images, but so few steps: stopped once in every stage."""
    config = {**job["config"], "spn_steps": steps, "ien_steps": steps}
    run = project.new_run(TrainJob(method="spn-ien", name="trial", **{**job, "config": config, "seed": seed}))
    rows, events = [], []
    for stage in (*STAGES, ""):
        watched = work(run, None, stop_in(stage, max(1, steps // 2)) if stage else lambda event: False)
        rows.append(segment_of(watched, stage or "nowhere"))
        events.append(watched.events)
        print(rows[-1], flush=True)
        if run.state == "finished":
            # With a step or two a stop can come too late to be needed.
            break
    times = {f"one step of {stage}": seconds_a_step(events, stage) for stage in ("SPN", "IEN")}
    times |= {f"stage {stage}, whole": seconds_a_stage(events, stage) for stage in ("labels", "instances")}
    model = run.model_folder
    if model is not None:
        segmenter, _ = LoadedModels().get(str(model), "auto", {"decoder": "components"})
        image = open_image(open_dataset(job["data"]).all[0].image)
        began = time.perf_counter()
        segment(image, segmenter, Scale(1.0, "as it is"))
        times["first network on one image, 81 tiles"] = time.perf_counter() - began
    return {"steps a stage": steps, "segments": rows, "seconds": times}


def main() -> None:
    """Train what is missing, score what is missing, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", default="kumar", choices=PRESETS)
    parser.add_argument("--rows", nargs="*", default=["SPN", "SPN+IEN"], choices=ROWS, help="rows of Table 2")
    parser.add_argument("--fold", type=int, help="0 to 9: of ten over all images of the set, instead of its own split")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seed", type=int, default=1, help="the published code's")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, help="of each training")
    parser.add_argument("--minutes", type=float, help="of each training")
    parser.add_argument("--limit", type=float, default=1e9, help="minutes of this call")
    parser.add_argument("--trial", action="store_true")
    parser.add_argument("--trial-steps", type=int, default=4, help="of each network")
    parser.add_argument("--work", type=Path, default=HERE / "out" / "spn_ien_kumar")
    arguments = parser.parse_args()
    end = time.time() + 60 * arguments.limit
    name = arguments.set + ("" if arguments.fold is None else f"-fold{arguments.fold}")
    folder = arguments.work / name
    folder.mkdir(parents=True, exist_ok=True)
    points, outlines, images = datasets(data_folder(arguments.data), arguments.set, arguments.fold, folder)
    count = len(open_dataset(points).all)
    settings = epochs(count)
    job = {
        "preset": PRESETS[arguments.set],
        "config": settings,
        "data": str(points),
        "seed": arguments.seed,
        "device": arguments.device,
        "steps": arguments.steps,
        "minutes": arguments.minutes,
    }
    project = Project.open(folder / "project")
    if arguments.trial:
        made = trial(project, job, arguments.trial_steps, arguments.seed)
        print_table(made["segments"])
        print_table([made["seconds"]])
        write_results(f"spn_ien_{name}_trial", {"training images": count, "device": arguments.device, **made})
        return
    state = State(folder)
    score(state, "Otsu + watershed", CLASSICAL, None, images, end)
    for row in arguments.rows:
        variant, decoder = ROWS[row]
        config = {**settings, "variant": variant}
        data = str(outlines if variant == "fully" else points)
        run = train(state, project, variant, {**job, "config": config, "data": data}, end - time.time())
        if run is None or run.model_folder is None:
            print(f"{row}: goes on with the next call")
            continue
        score(state, row, run.model_folder, decoder, images, end)
    rows = table(state)
    print_table(rows)
    about = {"set": arguments.set, "fold": arguments.fold, "training images": count, "settings": settings}
    about |= {"budget": {"steps": arguments.steps, "minutes": arguments.minutes}, "parts": state.content["parts"]}
    write_results(f"spn_ien_{name}", {**about, "rows": rows, "images": state.content["scores"]})


if __name__ == "__main__":
    main()
