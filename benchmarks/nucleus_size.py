"""How well the size of nuclei is estimated from images alone, on every labelled fluorescence set.

`NUCLEIDOMAIN_DATA=... python benchmarks/nucleus_size.py`: labels are read for the comparison only. Aim: within 20 % of
the median diameter (disc of equal area, ball of equal volume) of all nuclei of the set.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import data_folder, print_table, write_results

from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.instances.blobs import estimate_diameter
from napari_nucleidomain.instances.sizes import estimate_sizes

SETS = ("dsb2018_u2os", "dsb2018_fluo256", "dsb2018_fluo360", "gonuclear3d", "mouse_embryo3d", "stardist_synth3d")
AIM = 0.2


def voxel_sizes(folder: Path) -> dict[str, list[float]]:
    """Name of a volume -> µm per axis, where the data say it."""
    items = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["items"]
    return {item["image"]: item["spacing_zyx_um"] for item in items if item.get("spacing_zyx_um")}


def diameters(labels: np.ndarray, step: np.ndarray, whole: bool) -> np.ndarray:
    """Of every nucleus, or of those that the border does not cut."""
    sizes = np.bincount(labels.ravel()) * np.prod(step)
    sizes[0] = 0
    if whole:
        for axis in range(labels.ndim):
            for side in (0, -1):
                sizes[np.unique(np.take(labels, side, axis))] = 0
    sizes = sizes[sizes > 0]
    return 2 * np.sqrt(sizes / np.pi) if labels.ndim == 2 else 2 * np.cbrt(sizes * 3 / 4 / np.pi)


def measure(folder: Path, name: str, known: dict[str, list[float]]) -> dict[str, Any]:
    """One row: estimate of the set, of each image, and the truth, in pixels of the last axis."""
    images, steps, truth, uncut = [], [], [], []
    for path in sorted((folder / name).glob("*/images/*")):
        image = open_image(path)
        values = image.read(tuple((0, side) for side in image.spatial_shape))[..., :3].mean(axis=-1)
        spacing = np.asarray(known.get(path.relative_to(folder).as_posix(), [1.0] * values.ndim))
        labels = read_labels(next(path.parents[1].glob(f"labels/{path.stem}.*"))).labels
        images.append(values)
        steps.append(spacing / spacing[-1])
        truth.append(diameters(labels, steps[-1], whole=False))
        uncut.append(diameters(labels, steps[-1], whole=True))
    began = time.process_time()
    sizes = estimate_sizes(images, steps)
    seconds = time.process_time() - began
    single = [estimate_sizes([image], [step]) for image, step in zip(images, steps, strict=True)]
    ratios = [one.diameter / np.median(true) for one, true in zip(single, truth, strict=True) if one is not None]
    earlier = [estimate_diameter(image, step) for image, step in zip(images, steps, strict=True)]
    middle = float(np.median(np.concatenate(truth)))
    estimate = sizes.diameter if sizes else float("nan")
    return {
        "set": name,
        "images": len(images),
        "nuclei": sum(map(len, truth)),
        "true": middle,
        "true, uncut": float(np.median(np.concatenate(uncut))),
        "estimate": estimate,
        "low": sizes.low if sizes else None,
        "high": sizes.high if sizes else None,
        "stretch": sizes.stretch if sizes else None,
        "ratio": estimate / middle,
        "met": bool(abs(estimate / middle - 1) <= AIM),
        "images within 20 %": int(sum(abs(ratio - 1) <= AIM for ratio in ratios)),
        "no answer": sum(one is None for one in single),
        "ratio, one-image estimate": float(np.median([value for value in earlier if value])) / middle,
        "seconds": seconds,
    }


def main() -> None:
    """Table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder that holds the sets")
    folder = data_folder(parser.parse_args().data)
    rows = [measure(folder, name, voxel_sizes(folder)) for name in SETS]
    print_table(rows)
    write_results("nucleus_size", {"aim": AIM, "rows": rows})


if __name__ == "__main__":
    main()
