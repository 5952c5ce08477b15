"""What a click is worth: AJI against clicks, round two against from scratch, beside what the same clicks give others.

    python benchmarks/annotation_economy.py [--sets kumar tnbc] [--clicks 20 50 100 200 400] [--steps 560]

Simulated clicks in one region: the nuclei nearest to the middle of the first training image, and of the next images
where one is used up, in a box in which every nucleus is clicked. A training has a budget of steps and not of seconds,
so that a busy machine changes nothing: 560 steps are what two minutes give on 2 quiet cores. Scored on the val and test
images, which nobody clicked. Rows: Otsu + watershed; a random forest on pixel features (scikit-image, scikit-learn)
taught by the same clicks and the edges between them; SPN+IEN from scratch; SPN+IEN trained on from the model of fewer
clicks, with a quarter of the steps and with all. `no region` draws none: the program makes an area round the clicks.
Goes on where it was stopped, row by row (--work).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from child import work
from common import HERE, data_folder, print_table, write_results

from napari_nucleidomain.data.dataset import Dataset
from napari_nucleidomain.data.example import Example
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.data.points import read_points, write_points
from napari_nucleidomain.data.regions import Region, write_regions
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.instances.scores import score_labels
from napari_nucleidomain.methods.spn_ien.decoders import watershed
from napari_nucleidomain.methods.spn_ien.voronoi import cell_edges, nearest_points
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.predict import LoadedModels
from napari_nucleidomain.runs.store import Project

_KEPT = ("aji", "pq", "f1@0.5", "n_true", "n_predicted")


def clicks_of(root: Path, wanted: int, folder: Path, *, region: bool = True) -> Path:
    """A dataset file with so many clicks, and the region they fill; images are taken in order of their names."""
    examples, left = [], wanted
    for path in sorted((root / "train" / "images").iterdir()):
        if left <= 0:
            break
        points = read_points(root / "train" / "points" / f"{path.stem}.csv")
        shape = np.array(open_image(path).spatial_shape[:2])
        reach = np.abs(points - shape / 2).max(axis=1)
        inside = reach <= np.sort(reach)[min(left, len(points)) - 1]
        left -= int(inside.sum())
        name = f"{path.stem}-{wanted}{'' if region else '-none'}"
        example = Example(path, points=write_points(points[inside], folder / f"{name}.csv"), complete=True)
        if region:
            # Half a nucleus more than the outermost clicks, so that these are not cut.
            far = reach[inside].max() + 8
            low, high = np.maximum(shape / 2 - far, 0), np.minimum(shape / 2 + far, shape)
            drawn = write_regions([Region.box(*low, *high)], folder / f"{name}.geojson")
            example = example.changed(regions=drawn)
        else:
            example = example.changed(complete=None)
        examples.append(example)
    return Dataset(folder / f"clicks-{wanted}{'' if region else '-none'}.json", examples).save()


def train(project: Project, dataset: Path, steps: int, parent: str | None) -> dict[str, Any]:
    """Train so many steps; the model's folder and the seconds."""
    job = TrainJob(method="spn-ien", preset="quick", data=str(dataset), name="m", steps=steps, parent=parent)
    run = project.new_run(job)
    watched = work(run)
    if watched.last is None or watched.last.kind != "finished":
        raise SystemExit(f"the training ended as {watched.last}; see {run.log}")
    return {"model": str(run.model_folder), "train_s": watched.seconds}


def scores_of(labels: np.ndarray, path: Path) -> dict[str, float]:
    """Of one image."""
    truth = read_labels(next((path.parent.parent / "labels").glob(f"{path.stem}.*"))).labels
    row = score_labels(labels, truth, hausdorff=False).as_dict()
    return {name: float(row[name]) for name in row if name in _KEPT or name in ("missed", "extra", "merged", "split")}


def of_model(model: str, images: list[Path]) -> list[dict[str, float]]:
    """A model's scores, image by image."""
    segmenter, _ = LoadedModels().get(model, "auto", {})
    return [scores_of(segment(open_image(path), segmenter, Scale(1.0, "as it is")).labels, path) for path in images]


# -- the random forest -----------------------------------------------------------------------------------------------
def features(path: Path) -> np.ndarray:
    """Intensity, edges and texture at several scales; (H, W, F) float32."""
    from skimage.feature import multiscale_basic_features

    pixels = np.asarray(open_image(path).read(), np.float32) / 255
    made = multiscale_basic_features(pixels, channel_axis=-1, sigma_min=1, sigma_max=8)
    return np.asarray(made, np.float32)


def forest(dataset: Path, images: list[Path]) -> list[dict[str, float]]:
    """Scores of a forest taught by discs about the clicks and by the lines half-way between them."""
    from sklearn.ensemble import RandomForestClassifier

    from napari_nucleidomain.data.dataset import open_dataset
    from napari_nucleidomain.data.regions import regions_mask

    seen, said, sizes = [], [], []
    for example in open_dataset(dataset, check=False).all:
        with example.open() as image:
            shape, points = image.spatial_shape[:2], example.load_points(image)
            inside = regions_mask(example.load_regions(image), shape)
        cells, distance = nearest_points(points, shape)
        nucleus, ground = inside & (distance <= 4), inside & cell_edges(cells) & (distance > 6)
        made = features(Path(example.image))
        for mask, answer in ((nucleus, 1), (ground, 0)):
            seen.append(made[mask])
            said.append(np.full(int(mask.sum()), answer))
        sizes.append(np.median(distance[ground]))
    trees = RandomForestClassifier(60, n_jobs=-1, max_depth=14, max_samples=0.5, min_samples_leaf=5, random_state=0)
    trees.fit(np.concatenate(seen), np.concatenate(said))
    rows = []
    for path in images:
        made = features(path)
        probability = trees.predict_proba(made.reshape(-1, made.shape[-1]))[:, 1].reshape(made.shape[:2])
        rows.append(scores_of(watershed(probability.astype(np.float32), 0.5, 20, 2 * float(np.mean(sizes))), path))
    return rows


# -- rows ------------------------------------------------------------------------------------------------------------
class State:
    """What earlier calls have done."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "state.json"
        self.rows: dict[str, Any] = json.loads(self._file.read_text()) if self._file.exists() else {}

    def row(self, key: str, make: Any) -> dict[str, Any]:
        """Make a row, or say what was made of it before."""
        if key not in self.rows:
            began = time.perf_counter()
            self.rows[key] = {**make(), "row_s": time.perf_counter() - began}
            self._file.write_text(json.dumps(self.rows, indent=1))
            print(key, mean(self.rows[key], "aji"), flush=True)
        found: dict[str, Any] = self.rows[key]
        return found


def mean(row: dict[str, Any], name: str) -> float:
    """Mean over images."""
    return float(np.mean([one[name] for one in row["images"]]))


def rows_of(name: str, data: Path, folder: Path, clicks: list[int], steps: int) -> dict[str, Any]:
    """Every row of a set."""
    state, project = State(folder), Project.open(folder / "project")
    root = data / name
    images = [path for split in ("val", "test") for path in sorted((root / split / "images").iterdir())]

    def trained(dataset: Path, budget: int, parent: str | None = None) -> dict[str, Any]:
        made = train(project, dataset, budget, parent)
        return {**made, "images": of_model(made["model"], images)}

    state.row("otsu", lambda: {"images": of_model("otsu", images)})
    before: str | None = None
    for number in clicks:
        dataset = clicks_of(root, number, folder)
        scratch = state.row(f"from scratch, {number}", lambda dataset=dataset: trained(dataset, steps))
        state.row(f"forest, {number}", lambda dataset=dataset: {"images": forest(dataset, images)})
        if before is not None:
            for share in (4, 1):
                state.row(
                    f"trained on, 1/{share} of the steps, {number}",
                    lambda dataset=dataset, share=share, before=before: trained(dataset, steps // share, before),
                )
        before = scratch["model"]
    plain = clicks_of(root, clicks[0], folder, region=False)
    state.row(f"no region, {clicks[0]}", lambda: trained(plain, steps))
    return state.rows


def main() -> None:
    """Rows of every set; table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=["kumar", "tnbc"])
    parser.add_argument("--clicks", type=int, nargs="+", default=[20, 50, 100, 200, 400])
    parser.add_argument("--steps", type=int, default=560)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, default=HERE / "out" / "annotation_economy")
    parsed = parser.parse_args()
    made = {
        name: rows_of(name, data_folder(parsed.data), parsed.work / name, parsed.clicks, parsed.steps)
        for name in parsed.sets
    }
    table = [
        {"set": name, "row": key, **{score: mean(row, score) for score in row["images"][0]}}
        for name, rows in made.items()
        for key, row in rows.items()
    ]
    print_table(table)
    for rows in made.values():
        for row in rows.values():
            row.pop("model", None)
    write_results("annotation_economy", {"steps": parsed.steps, "clicks": parsed.clicks, "rows": table, "sets": made})


if __name__ == "__main__":
    main()
