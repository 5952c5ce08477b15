"""Is correcting worth it: thirty nuclei put right in one part of an image, and training goes on; AJI on the rest of it.

    python benchmarks/corrections.py MODEL --dataset DATASET [--minutes 1]

MODEL and DATASET: a model of `quick_look.py --keep FOLDER` and the clicks it learned from
(FOLDER/quick-0/clicks/dataset.json). For every image of kumar/val: a box with about thirty true nuclei in its middle is
"corrected" to the truth, and the model is trained on with the old clicks and these outlines; beside it the model
trained on as long without them, the model as it was, and Otsu + watershed. The rest is all outside the box.
Test images are not used: a person who corrects an image trains on it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from child import work
from common import data_folder, print_table, write_results

from napari_nucleidomain.data.corrections import store_corrections
from napari_nucleidomain.data.dataset import Dataset, open_dataset
from napari_nucleidomain.data.example import Example
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.data.regions import Region
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.instances.scores import score_labels
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.predict import LoadedModels
from napari_nucleidomain.runs.store import Project

NUCLEI = 30


def box_with(truth: np.ndarray, nuclei: int) -> tuple[slice, slice]:
    """The smallest square about the middle in which so many nuclei have their centre of mass."""
    from scipy import ndimage

    ids = np.unique(truth[truth > 0])
    centres = np.array(ndimage.center_of_mass(truth > 0, truth, ids))
    middle = np.array(truth.shape) / 2
    reach = int(np.ceil(np.sort(np.abs(centres - middle).max(axis=1))[nuclei - 1]))
    rows, columns = (
        slice(max(0, int(m) - reach), min(n, int(m) + reach)) for m, n in zip(middle, truth.shape, strict=True)
    )
    return rows, columns


def train_on(model: Path, dataset: Path, folder: Path, name: str, minutes: float, seed: int) -> Path:
    """Continue a model; returns the new one's folder."""
    job = TrainJob(
        method="spn-ien", preset="quick", data=str(dataset), name=name, minutes=minutes, seed=seed, parent=str(model)
    )
    run = Project.open(folder / "project").new_run(job)
    watched = work(run)
    if watched.last is None or watched.last.kind != "finished":
        raise SystemExit(f"the training ended as {watched.last}")
    found = run.model_folder
    assert found is not None
    return Path(found)


def rest_scores(model: str, image: Path, truth: np.ndarray, box: tuple[slice, slice]) -> dict[str, float]:
    """Scores outside the box."""
    segmenter, _ = LoadedModels().get(model, "auto", {})
    found = segment(open_image(image), segmenter, Scale(1.0, "as it is")).labels.copy()
    rest = truth.copy()
    for labels in (found, rest):
        # A nucleus that the box cuts counts for neither part.
        labels[np.isin(labels, np.unique(labels[box])[1:] if (labels[box] == 0).any() else np.unique(labels[box]))] = 0
        labels[box] = 0
    row = score_labels(found, rest, hausdorff=False).as_dict()
    return {name: row[name] for name in ("aji", "pq", "f1@0.5")}


def main() -> None:
    """Train on, score, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--data", type=Path)
    parsed = parser.parse_args()
    root = data_folder(parsed.data) / "kumar" / "val"
    clicks = list(open_dataset(parsed.dataset, check=False).all)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for seed in parsed.seeds:
            alone = train_on(parsed.model, parsed.dataset, folder, f"alone-{seed}", parsed.minutes, seed)
            for image in sorted((root / "images").iterdir()):
                truth = read_labels(next((root / "labels").glob(f"{image.stem}.*"))).labels
                box = box_with(truth, NUCLEI)
                part = Region.box(box[0].start, box[1].start, box[0].stop, box[1].stop)
                stored = store_corrections(folder / f"corrections-{seed}", image.stem, truth, [part])
                corrected = Example(image, corrected=stored.labels, corrected_in=stored.regions)
                dataset = Dataset(folder / f"{image.stem}-{seed}.json", [*clicks, corrected]).save()
                began = time.time()
                better = train_on(parsed.model, dataset, folder, f"corrected-{seed}", parsed.minutes, seed)
                seconds = time.time() - began
                for way, model in (
                    ("otsu", "otsu"),
                    ("before", str(parsed.model)),
                    ("trained on without corrections", str(alone)),
                    ("trained on with corrections", str(better)),
                ):
                    about = {"image": image.stem[:20], "seed": seed, "outlines": stored.nuclei, "model": way}
                    rows.append({**about, **rest_scores(model, image, truth, box), "seconds": seconds})
    print_table(rows)
    write_results("corrections", {"minutes": parsed.minutes, "rows": rows})


if __name__ == "__main__":
    main()
