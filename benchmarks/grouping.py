"""Grouping against scikit-learn's mean-shift, on embeddings of a really trained SPN+IEN.

    python3 dev.py bench grouping [--model MODEL] [--data DIR] [--preset quick|balanced|paper] [--minutes M]

Without a model one is trained on `kumar/train` first. Tiles come from `kumar/val`, which training never saw. For each
tile: seconds of scikit-learn (`MeanShift(bandwidth, cluster_all=True, n_jobs=-1)`, every foreground pixel a seed, as
the authors run it), of `exact` and of `fast`; how far their clusters agree (ARI) with scikit-learn's; and ARI and AJI
of all three to the truth, after the same removal of background and the same cleaning. Then whole images: seconds inside
grouping, and from pixels to labels.

Truth is used here to compare groupings with each other only.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from common import HERE, data_folder, print_table, write_results


@dataclass
class Tile:
    """One tile: what the networks gave, the truth under it, and its clusters by each way of grouping."""

    name: str
    embedding: np.ndarray  # (D, h, w) float32
    mask: np.ndarray  # (h, w) bool
    truth: np.ndarray  # (h, w) int
    clusters: dict[str, np.ndarray] = field(default_factory=dict)
    wall: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)


def main() -> None:
    """Measure, print, write `results/grouping.json`."""
    arguments = _arguments()
    data = data_folder(arguments.data)
    model = arguments.model or _train(data, arguments.preset, arguments.minutes)
    import torch

    torch.set_num_threads(arguments.threads or torch.get_num_threads())
    segmenter, card = _load(model)
    bandwidth = float(card.config["bandwidth"])
    tiles = _tiles(segmenter, data / "kumar" / "val", arguments.tiles)
    group_tiles = _grouper(bandwidth)
    group_tiles("exact", tiles[:1])  # the first call of all pays for starting threads
    for tile in tiles:
        _measure(tile, "exact", lambda tile: group_tiles("exact", [tile])[0], repeats=3)
        _measure(tile, "fast", lambda tile: group_tiles("fast", [tile])[0], repeats=3)
        if not arguments.no_sklearn:
            _measure(tile, "scikit-learn", lambda tile: _sklearn(tile, bandwidth), repeats=1)
    rows = [row for tile in tiles for row in _rows(tile)]
    print_table(rows)
    together = {mode: _best_wall(lambda mode=mode: group_tiles(mode, tiles)) for mode in ("exact", "fast")}
    summary = _summary(rows, together)
    images = [_whole(segmenter, path, mode) for path in _images(data)[: arguments.images] for mode in ("exact", "fast")]
    print()
    print_table(images)
    print()
    print_table([{"figure": name, "value": value} for name, value in summary.items()])
    write_results(
        "grouping",
        {
            "model": {"method": card.method, "preset": card.preset, "seconds": card.seconds, "steps": card.steps},
            "threads": torch.get_num_threads(),
            "bandwidth": bandwidth,
            "tiles": rows,
            "images": images,
            "summary": summary,
        },
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of a trained spn-ien model; else one is trained")
    parser.add_argument("--data", type=Path, help="folder that holds kumar/")
    parser.add_argument("--preset", default="balanced", help="preset of the training (default: balanced)")
    parser.add_argument("--minutes", type=float, help="length of the training, minutes (default: the preset's)")
    parser.add_argument("--tiles", type=int, default=8, help="how many tiles (default: 8)")
    parser.add_argument("--images", type=int, default=2, help="how many whole images (default: 2)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's)")
    parser.add_argument("--no-sklearn", action="store_true", help="leave out scikit-learn, which takes minutes")
    return parser.parse_args()


def _train(data: Path, preset: str, minutes: float | None) -> Path:
    """Train SPN+IEN on `kumar/train` through the command line, as a user would."""
    folder = HERE / "out" / "grouping" / time.strftime("%Y%m%d-%H%M%S")
    command = [sys.executable, "-m", "napari_nucleidomain.cli", "train", "--method", "spn-ien", "--preset", preset]
    command += ["--data", str(data / "kumar"), "--out", str(folder / "model"), "--project", str(folder / "runs")]
    command += ["--set", "decoder=ien", *(["--minutes", str(minutes)] if minutes else [])]
    subprocess.run(command, check=True)
    return folder / "model"


def _load(model: Path) -> tuple[Any, Any]:
    from napari_nucleidomain.contracts import load_card
    from napari_nucleidomain.methods.spn_ien.segment import load

    card = load_card(model)
    card.config["decoder"] = "ien"  # whichever the model would choose for itself
    return load(model, card, "cpu"), card


def _images(data: Path) -> list[Path]:
    return sorted((data / "kumar" / "val" / "images").glob("*.png"))


@contextmanager
def _listening(mode: str | None = None) -> Iterator[list[dict[str, Any]]]:
    """Hear what the segmenter hands to grouping and how long that takes; `mode` overrules the model's."""
    from napari_nucleidomain.methods.spn_ien import segment

    calls: list[dict[str, Any]] = []
    original = segment.group_tiles

    def listen(embeddings: Any, masks: Any, **settings: Any) -> Any:
        if mode:
            settings["mode"] = mode
        begun = time.perf_counter()
        result = original(embeddings, masks, **settings)
        seconds = time.perf_counter() - begun
        calls.append({"embeddings": embeddings, "masks": np.asarray(masks), "seconds": seconds})
        return result

    segment.group_tiles = listen  # type: ignore[assignment]
    try:
        yield calls
    finally:
        segment.group_tiles = original


def _tiles(segmenter: Any, folder: Path, count: int) -> list[Tile]:
    """Tiles spread over the images of a split, with what the networks give for them."""
    from napari_nucleidomain.data.images import open_image
    from napari_nucleidomain.data.labels_io import read_labels

    paths = sorted((folder / "images").glob("*.png"))
    side = segmenter.spec.tile[0]
    found = []
    for k in range(count):
        path, turn = paths[k % len(paths)], k // len(paths)
        image = open_image(path)
        truth = np.asarray(read_labels(folder / "labels" / path.name).labels)
        # On the diagonals, away from the border: whole tiles, different places.
        share = (turn // 2 + 1) / (count // len(paths) // 2 + 1.5)
        y, x = (round(share * (length - side)) for length in truth.shape)
        x = x if turn % 2 == 0 else truth.shape[1] - side - x
        pixels = image.read(((y, y + side), (x, x + side)))
        with _listening("fast") as calls:
            segmenter.forward([pixels], segmenter.prepare(image, None))
        embedding = np.asarray(calls[0]["embeddings"][0].float().cpu())
        found.append(
            Tile(f"{path.stem[:12]} {y},{x}", embedding, calls[0]["masks"][0], truth[y : y + side, x : x + side])
        )
    return found


def _grouper(bandwidth: float) -> Callable[[str, Sequence[Tile]], list[np.ndarray]]:
    from napari_nucleidomain.methods.spn_ien.grouping import group_tiles

    def group(mode: Any, tiles: Sequence[Tile]) -> list[np.ndarray]:
        embeddings, masks = np.stack([tile.embedding for tile in tiles]), np.stack([tile.mask for tile in tiles])
        return group_tiles(embeddings, masks, bandwidth=bandwidth, mode=mode)

    return group


def _sklearn(tile: Tile, bandwidth: float) -> np.ndarray:
    from sklearn.cluster import MeanShift

    points = np.ascontiguousarray(tile.embedding[:, tile.mask].T)
    labels = np.zeros(tile.mask.shape, np.int32)
    labels[tile.mask] = MeanShift(bandwidth=bandwidth, cluster_all=True, n_jobs=-1).fit(points).labels_ + 1
    return labels


def _measure(tile: Tile, name: str, group: Callable[[Tile], np.ndarray], repeats: int) -> None:
    """Keep the clusters and the shortest time; CPU seconds hold those of child processes."""
    walls, cpus = [], []
    for _ in range(repeats):
        cpu, wall = _cpu_seconds(), time.perf_counter()
        tile.clusters[name] = group(tile)
        walls.append(time.perf_counter() - wall)
        cpus.append(_cpu_seconds() - cpu)
    tile.wall[name], tile.cpu[name] = min(walls), min(cpus)


def _cpu_seconds() -> float:
    """CPU seconds of this process and of its children, which scikit-learn's workers are."""
    import psutil

    total = time.process_time()  # finer than the operating system's table, which counts hundredths
    for process in psutil.Process().children(recursive=True):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def _best_wall(work: Callable[[], Any]) -> float:
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def _rows(tile: Tile) -> list[dict[str, Any]]:
    """One row for each way of grouping a tile."""
    from sklearn.metrics import adjusted_rand_score

    from napari_nucleidomain.instances.aji import aji
    from napari_nucleidomain.instances.cleaning import clean
    from napari_nucleidomain.instances.contingency import contingency
    from napari_nucleidomain.methods.spn_ien.grouping import remove_background_cluster

    truth = clean(tile.truth, least_pixels=1, fill=False).labels  # nuclei that the tile's edge cuts in two
    nuclear = tile.mask & (truth > 0)
    reference = tile.clusters.get("scikit-learn")
    rows = []
    for name in ("scikit-learn", "exact", "fast"):
        if name not in tile.clusters:
            continue
        labels = tile.clusters[name]
        nuclei = clean(remove_background_cluster(labels), least_pixels=20).labels
        row: dict[str, Any] = {
            "tile": tile.name,
            "grouping": name,
            "pixels": int(tile.mask.sum()),
            "clusters": len(np.unique(labels[tile.mask])),
            "seconds": tile.wall[name],
            "cpu seconds": tile.cpu[name],
        }
        if reference is not None:
            row["CPU ratio"] = round(tile.cpu["scikit-learn"] / tile.cpu[name], 1)
            row["ARI to scikit-learn"] = float(adjusted_rand_score(reference[tile.mask], labels[tile.mask]))
        row["ARI to truth"] = float(adjusted_rand_score(truth[nuclear], labels[nuclear]))
        row["AJI"] = float(aji(contingency(nuclei, truth)))
        rows.append(row)
    return rows


def _summary(rows: Sequence[dict[str, Any]], together: dict[str, float]) -> dict[str, float]:
    """The figures that the acceptance asks for, over all tiles."""

    def column(grouping: str, name: str) -> list[float]:
        return [row[name] for row in rows if row["grouping"] == grouping and name in row]

    result: dict[str, float] = {}
    for name in ("scikit-learn", "exact", "fast"):
        if not column(name, "AJI"):
            continue
        result[f"{name}: mean AJI"] = statistics.mean(column(name, "AJI"))
        result[f"{name}: CPU seconds, all tiles"] = sum(column(name, "cpu seconds"))
    walls, cpu = column("scikit-learn", "seconds"), column("scikit-learn", "cpu seconds")
    for name in ("exact", "fast") if walls else ():
        agreement = column(name, "ARI to scikit-learn")
        result[f"{name}: ARI to scikit-learn, median"] = statistics.median(agreement)
        result[f"{name}: ARI to scikit-learn, worst"] = min(agreement)
        result[f"{name}: times faster, CPU, all tiles"] = sum(cpu) / sum(column(name, "cpu seconds"))
        result[f"{name}: times faster, CPU, worst tile"] = min(column(name, "CPU ratio"))
        result[f"{name}: times faster, wall, all tiles on all cores"] = sum(walls) / together[name]
    return result


def _whole(segmenter: Any, path: Path, mode: str) -> dict[str, Any]:
    """Seconds for a whole image: inside grouping, and altogether."""
    from napari_nucleidomain.data.images import open_image
    from napari_nucleidomain.data.labels_io import read_labels
    from napari_nucleidomain.inference.scale import Scale
    from napari_nucleidomain.inference.segment import segment
    from napari_nucleidomain.instances.aji import aji
    from napari_nucleidomain.instances.contingency import contingency

    image = open_image(path)
    truth = np.asarray(read_labels(path.parent.parent / "labels" / path.name).labels)
    with _listening(mode) as calls:
        begun = time.perf_counter()
        result = segment(image, segmenter, Scale(1.0, ""))
        seconds = time.perf_counter() - begun
    tiles = sum(len(call["masks"]) for call in calls)
    return {
        "image": path.stem[:23],
        "grouping": mode,
        "shape": "x".join(map(str, truth.shape)),
        "tiles": tiles,
        "tile side": segmenter.spec.tile[0],
        "foreground": float(np.mean([mask.mean() for call in calls for mask in call["masks"]])),
        "seconds in grouping": sum(call["seconds"] for call in calls),
        "seconds in all": seconds,
        "AJI": float(aji(contingency(result.labels, truth))),
    }


if __name__ == "__main__":
    main()
