"""The classical method on the images of `floor.py`, with whatever version of the program `PYTHONPATH` names.

Reads one task a line from the standard input, writes one row a line. It is a process of its own, so that the same
images go to two versions of the program; what it calls is there in both.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from floor_drawings import draw

from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.data.understanding import Understanding
from napari_nucleidomain.inference.classical import ClassicalSegmenter
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import Hooks, segment
from napari_nucleidomain.instances.scores import score_labels

_RIGHT = 0.5  # intersection over union


def row_of(task: dict[str, Any]) -> dict[str, Any]:
    """Scores of one image; with a drawing: how many nuclei that it does not touch are right, without it and with it."""
    image = open_image(Path(task["image"]))
    truth = read_labels(Path(task["labels"])).labels
    if task.get("drawing") is None:
        began = time.perf_counter()
        found, told = _found(image)
        seconds = time.perf_counter() - began
        scores = score_labels(found, truth, hausdorff=False).as_dict()
        kept = {"dice": "pixel_dice", "f1": "f1@0.5", "aji": "aji", "true": "n_true", "found": "n_predicted"}
        return {
            **{key: scores[name] for key, name in kept.items()},
            "told": told,
            "ms_per_mpx": seconds / truth.size * 1e9,
        }
    pixels = image.read()
    drawn, covered = draw(pixels, image.rgb, task["drawing"], task["seed"])
    axes = "ZYXC"[-pixels.ndim :]
    plain, _ = _found(open_image(pixels, Understanding(axes=axes, rgb=image.rgb), name="plain"))
    found, told = _found(open_image(drawn, Understanding(axes=axes, rgb=image.rgb), name="drawn"))
    seen = np.setdiff1d(np.unique(truth), np.append(np.unique(truth[covered]), 0))
    return {
        "covered": float(covered.mean()),
        "nuclei": len(seen),
        "before": _right(plain, truth, seen),
        "after": _right(found, truth, seen),
        "in_drawing": _mostly_in(found, covered),
        "told": told,
    }


def _found(image: Any) -> tuple[np.ndarray, list[str]]:
    told: list[str] = []
    hooks = Hooks(warn=lambda message, hint: told.append(message))
    made = segment(image, ClassicalSegmenter(len(image.spatial_shape)), Scale(1.0, "as it is"), hooks=hooks)
    return np.asarray(made.labels), told


def _right(found: np.ndarray, truth: np.ndarray, seen: np.ndarray) -> int:
    """How many of the true nuclei `seen` have one found with an IoU above a half."""
    pairs = np.stack([truth.ravel(), found.ravel()]).astype(np.int64)
    both, number = np.unique(pairs[:, (pairs > 0).all(axis=0)], axis=1, return_counts=True)
    union = np.bincount(truth.ravel())[both[0]] + np.bincount(found.ravel())[both[1]] - number
    return int(np.isin(both[0][number > _RIGHT * union], seen).sum())


def _mostly_in(found: np.ndarray, covered: np.ndarray) -> int:
    """Nuclei found in what was drawn."""
    area, inside = np.bincount(found.ravel()), np.bincount(found.ravel(), covered.ravel())
    return int((inside[1:] > 0.5 * np.maximum(area[1:], 1)).sum())


def main() -> None:
    for line in sys.stdin:
        task = json.loads(line)
        print(json.dumps({"key": task["key"], **row_of(task)}), flush=True)


if __name__ == "__main__":
    main()
