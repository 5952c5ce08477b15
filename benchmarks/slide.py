"""Whole slides: seconds per megapixel and peak memory against size, stopped at a time limit and continued.

    python benchmarks/slide.py [MODEL] --limit 270

The slide is made of real H&E images (`kumar/train` and `val`), each mirrored at random, as a JPEG-tiled pyramid with a
pixel size. Squares of growing side are predicted with `otsu`, each in a process of its own, then a piece with MODEL
where one is given, then the largest result is exported. A step that --limit seconds interrupt goes on with the next
call; what is done is not done again (`benchmarks/out/slide/state.json`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from child import work
from common import HERE, data_folder, print_table, write_results

from napari_nucleidomain.contracts.events import Finished
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import CLASSICAL, ImageRef, PredictJob
from napari_nucleidomain.runs.store import Project

TILE = 512
PIXEL_UM = 0.25


def make_slide(path: Path, side: int, data: Path, seed: int = 0) -> dict[str, Any]:
    """A pyramid of real H&E, written tile by tile; levels halve until 1024 px."""
    import tifffile

    files = [file for split in ("train", "val") for file in sorted((data / "kumar" / split / "images").glob("*.png"))]
    sources = [open_image(file).read() for file in files]
    each = sources[0].shape[0]
    rng = np.random.default_rng(seed)
    count = -(-side // each)
    chosen = rng.integers(len(sources), size=(count, count))
    flips = rng.integers(2, size=(count, count, 2))

    def block(top: int, left: int, step: int) -> np.ndarray:
        """One tile of a level, from every `step`-th pixel."""
        rows, columns = np.arange(top, top + TILE) * step, np.arange(left, left + TILE) * step
        made = np.full((TILE, TILE, 3), 255, np.uint8)
        for i in np.unique(rows[rows < side] // each):
            for j in np.unique(columns[columns < side] // each):
                source = sources[chosen[i, j]][:: 1 - 2 * int(flips[i, j, 0]), :: 1 - 2 * int(flips[i, j, 1])]
                here = (
                    np.flatnonzero((rows // each == i) & (rows < side)),
                    np.flatnonzero((columns // each == j) & (columns < side)),
                )
                made[np.ix_(*here)] = source[np.ix_(rows[here[0]] % each, columns[here[1]] % each)]
        return made

    def tiles(shape: tuple[int, int], step: int) -> Iterator[np.ndarray]:
        for top in range(0, shape[0], TILE):
            for left in range(0, shape[1], TILE):
                yield block(top, left, step)

    began = time.perf_counter()
    levels = [1]
    while side // levels[-1] > 1024:
        levels.append(2 * levels[-1])
    aside = path.with_suffix(".part.tif")
    with tifffile.TiffWriter(aside, bigtiff=True) as out:
        for number, step in enumerate(levels):
            shape = (-(-side // step),) * 2
            out.write(
                tiles(shape, step),
                shape=(*shape, 3),
                dtype=np.uint8,
                tile=(TILE, TILE),
                photometric="rgb",
                compression="jpeg",
                compressionargs={"level": 85},
                resolution=(1e4 / PIXEL_UM / step,) * 2,
                resolutionunit="CENTIMETER",
                subifds=len(levels) - 1 if number == 0 else None,
                subfiletype=1 if number else 0,
                metadata=None,
            )
    aside.replace(path)
    return {
        "side": side,
        "levels": len(levels),
        "MB": path.stat().st_size / 1e6,
        "seconds": time.perf_counter() - began,
    }


class State:
    """What earlier calls have done."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"rows": {}, "exports": {}}

    def save(self) -> None:
        """Row by row."""
        self._path.write_text(json.dumps(self.content, indent=1))


def predict_square(state: State, project: Project, slide: Path, name: str, job: dict[str, Any], limit: float) -> bool:
    """One row; False where the limit came first."""
    row = state.content["rows"].setdefault(name, {})
    if row.get("done"):
        return True
    if "run" not in row:
        made = project.new_run(
            PredictJob(images=[ImageRef(path=str(slide.absolute()), name=name)], format="zarr", **job)
        )
        row |= {"run": str(made.path), "parts": []}
        state.save()
    run = RunFolder(row["run"])
    watched = work(run, limit)
    if watched.last is None or watched.last.kind == "failed":
        raise SystemExit(f"{name}: {watched.last or 'the process died'}")
    row["parts"].append(
        {"seconds": watched.seconds, "peak_mib": watched.peak_mib, "stop_seconds": watched.stop_seconds}
    )
    if isinstance(watched.last, Finished):
        entry = watched.last.summary["images"][0]
        area = float(np.prod(entry["shape"])) / 1e6
        seconds = sum(part["seconds"] for part in row["parts"])
        row |= {
            "done": True,
            "side": entry["shape"][0],
            "megapixels": area,
            "labels in memory, MiB": area * 4e6 / 2**20,
            "nuclei": entry["nuclei"],
            "seconds": seconds,
            "seconds per megapixel": seconds / area,
            "peak MiB": max(part["peak_mib"] for part in row["parts"]),
            "stops": len(row["parts"]) - 1,
            "labels": entry["labels"],
        }
    state.save()
    return bool(row.get("done"))


def export(state: State, labels: str, slide: Path, out: Path) -> None:
    """Labels of the largest square as other files, in a process of its own."""
    if out.name in state.content["exports"]:
        return
    image = ["--image", str(slide)] if out.suffix == ".csv" else []
    command = [sys.executable, "-m", "napari_nucleidomain.cli", "export", labels, "--out", str(out), *image]
    began, peak = time.time(), 0
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    process = psutil.Process(child.pid)
    while child.poll() is None:
        try:
            peak = max(peak, process.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.05)
    if child.wait():
        raise SystemExit(f"export to {out.name} ended with {child.returncode}")
    state.content["exports"][out.name] = {
        "seconds": time.time() - began,
        "peak MiB": peak / 2**20,
        "MB": out.stat().st_size / 1e6,
    }
    state.save()


def main() -> None:
    """Make the slide, predict, export, report; or stop at the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", help="folder of a model, for a piece of 4000 x 4000 px")
    parser.add_argument("--data", type=Path, help="folder that holds kumar/")
    parser.add_argument("--side", type=int, default=20000, help="of the slide, in pixels")
    parser.add_argument(
        "--squares", type=int, nargs="*", default=[5000, 10000, 20000], help="sides predicted with otsu"
    )
    parser.add_argument("--piece", type=int, default=4000, help="side of the piece predicted with the model")
    parser.add_argument("--limit", type=float, default=1e9, help="seconds of this call")
    parser.add_argument("--work", type=Path, default=HERE / "out" / "slide", help="folder of slide, runs and state")
    arguments = parser.parse_args()
    end = time.time() + arguments.limit
    arguments.work.mkdir(parents=True, exist_ok=True)
    state = State(arguments.work / "state.json")
    slide = arguments.work / f"slide-{arguments.side}.tif"
    if not slide.exists():
        state.content["slide"] = make_slide(slide, arguments.side, data_folder(arguments.data))
        state.save()
    print(open_image(slide).describe(), state.content["slide"])
    project = Project.open(arguments.work / "project")
    jobs: dict[str, dict[str, Any]] = {
        f"otsu-{side}": {"model": CLASSICAL, "box": [[0, side], [0, side]]} for side in arguments.squares
    }
    if arguments.model:
        # A piece of this size would fit; here it goes the way of a slide.
        piece = {"model": str(Path(arguments.model).absolute()), "settings": {"decoder": "ien"}, "large_px": 0}
        jobs[f"spn-ien-{arguments.piece}"] = {**piece, "box": [[0, arguments.piece]] * 2}
    for name, job in jobs.items():
        left = end - time.time()
        if left < 10 or not predict_square(state, project, slide, name, job, left - 5):
            print(f"{name} goes on with the next call")
            break
    else:
        largest = max((row for row in state.content["rows"].values()), key=lambda row: row["side"])
        if largest["side"] == arguments.side:
            for ending in ("csv", "geojson", "tif"):
                if end - time.time() > 10:
                    export(state, largest["labels"], slide, arguments.work / f"nuclei.{ending}")
    shown = ("megapixels", "nuclei", "seconds", "seconds per megapixel", "peak MiB", "labels in memory, MiB", "stops")
    done = [{"name": name, **row} for name, row in state.content["rows"].items() if row.get("done")]
    print_table(done, ("name", *shown))
    exports = [{"file": name, **row} for name, row in state.content["exports"].items()]
    if exports:
        print_table(exports)
    rows = [{key: value for key, value in row.items() if key not in ("run", "labels", "done")} for row in done]
    write_results("slide", {"slide": state.content["slide"], "rows": rows, "exports": state.content["exports"]})


if __name__ == "__main__":
    main()
