"""Memory and time of finding 1,000 nuclei in 1000 x 1000 pixels with the panoptic networks, and of assembling them.

    python benchmarks/panoptic_predict.py [--presets quick balanced paper] [--nuclei 1000]

The image is drawn, the weights are random: no box is left out for being unsure (`least_score` 0) and half as many
nuclei again as asked for are kept a tile, so that as much is in memory as ever will be. Each prediction is a run in a
process of its own, watched from outside. Assembling is timed by itself: masks of 28 x 28 of the drawn nuclei into one
label map.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import skimage.io
from child import work
from common import print_table, write_results

from napari_nucleidomain.contracts import ModelCard, find_method
from napari_nucleidomain.inference.model_files import save_model
from napari_nucleidomain.inference.trained import weights_of
from napari_nucleidomain.methods.panoptic.model import new_detector
from napari_nucleidomain.networks.detection import paste
from napari_nucleidomain.runs.job import ImageRef, PredictJob
from napari_nucleidomain.runs.store import Project

SIDE = 1000
AIMS = {"peak_mib": 3 * 1024, "assembled_s": 0.3}


def drawn(nuclei: int) -> tuple[np.ndarray, np.ndarray]:
    """An RGB image with so many dark ellipses in rows, and their boxes (N, 4) as x0, y0, x1, y1."""
    rng = np.random.default_rng(0)
    rows = int(np.ceil(np.sqrt(nuclei)))
    step = SIDE / rows
    image = np.full((SIDE, SIDE), 210.0)
    y, x = np.mgrid[:SIDE, :SIDE]
    boxes = []
    for number in range(nuclei):
        row, column = divmod(number, rows)
        middle = np.array([row + 0.5, column + 0.5]) * step
        half = rng.uniform(0.3, 0.45, 2) * step
        top, left = np.floor(middle - half - 1).astype(int)
        part = (slice(max(0, top), int(middle[0] + half[0]) + 2), slice(max(0, left), int(middle[1] + half[1]) + 2))
        inside = ((y[part] - middle[0]) / half[0]) ** 2 + ((x[part] - middle[1]) / half[1]) ** 2 <= 1
        image[part][inside] = rng.uniform(80, 150)
        boxes.append([middle[1] - half[1], middle[0] - half[0], middle[1] + half[1], middle[0] + half[0]])
    rgb = image[..., None] * (1.0, 0.8, 0.95) + rng.normal(0, 8, (SIDE, SIDE, 3))
    return np.clip(rgb, 0, 255).astype(np.uint8), np.array(boxes, np.float32)


def assembled(boxes: np.ndarray) -> tuple[float, int]:
    """Seconds, the median of five, and nuclei in the label map."""
    grid = (np.arange(28) - 13.5) / 14
    disc = (1 - np.hypot(*np.meshgrid(grid, grid))).astype(np.float32)
    masks = np.repeat(1 / (1 + np.exp(-8 * disc))[None], len(boxes), 0)
    scores = np.linspace(1, 0.5, len(boxes), dtype=np.float32)
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        made = paste(boxes, scores, masks, (SIDE, SIDE))
        taken.append(time.perf_counter() - began)
    return float(np.median(taken)), int(made.labels.max())


def random_model(preset: str, nuclei: int, folder: Path) -> Path:
    """A model of this preset that has learned nothing."""
    spec = find_method("panoptic")
    diameter = 0.75 * SIDE / np.sqrt(nuclei)
    wished = {"anchor_px": max(6.0, diameter / 2), "least_score": 0.0, "most_nuclei": int(1.5 * nuclei), "least_px": 1}
    config = spec.config.build(spec.preset(preset).values, wished)
    card = ModelCard(
        name=preset,
        method="panoptic",
        channels=3,
        nucleus_diameter_px=diameter,
        normalisation={"range": "per image", "mean": [0.5] * 3, "std": [0.25] * 3},
        config=config.model_dump(mode="json"),
    )
    return save_model(folder / preset, weights_of(detector=new_detector(config, 3)), card)


def main() -> None:
    """One row a preset; table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["quick", "balanced", "paper"])
    parser.add_argument("--nuclei", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    image, boxes = drawn(options.nuclei)
    seconds, count = assembled(boxes)
    print(f"label map of {count} nuclei assembled in {seconds:.3f} s")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        project = Project.open(Path(folder) / "project")
        skimage.io.imsave(project.path / "drawn.png", image, check_contrast=False)
        for preset in options.presets:
            model = random_model(preset, options.nuclei, project.path)
            ref = ImageRef(path=str(project.path / "drawn.png"))
            run = project.new_run(PredictJob(model=str(model), images=[ref], device="cpu", threads=options.threads))
            watched = work(run)
            if watched.last is None or watched.last.kind != "finished":
                raise SystemExit(f"{preset} ended as {watched.last}; see {run.log}")
            found = watched.last.summary["images"][0]["nuclei"]
            rows.append({"preset": preset, "nuclei": found, "seconds": watched.seconds, "peak_mib": watched.peak_mib})
    print_table(rows)
    assembly = {"assembled_s": seconds, "assembled_nuclei": count}
    write_results("panoptic_predict", {"aims": AIMS, "threads": options.threads, **assembly, "rows": rows})


if __name__ == "__main__":
    main()
