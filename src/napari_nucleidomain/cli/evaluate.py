"""`nucleidomain evaluate`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import write_json
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.data.points import read_points
from napari_nucleidomain.instances.scores import score_labels, score_points
from napari_nucleidomain.runs.execute import ExitCode

_POINTS = {".csv", ".geojson", ".json"}
_SHOWN = ("aji", "aji_plus", "pq", "f1@0.5", "object_dice", "seg", "pixel_f1", "pixel_iou")


def command(arguments: argparse.Namespace) -> int:
    """Pair the files, score each pair, print a table, write JSON."""
    pairs, problems = pair(arguments.predictions, arguments.truth)
    rows: dict[str, dict[str, Any]] = {}
    for name, predicted, truth in pairs:
        try:
            rows[name] = _score(predicted, truth)
        except NucleiError as error:
            problems.append([str(predicted), str(error)])
    if not rows:
        raise NucleiError(problems[0][1] if problems else "There is nothing to compare.", "Check both paths.")
    means = _means(rows)
    _print(rows, means)
    for path, message in problems:
        print(f"left out: {path}: {message}", file=sys.stderr)
    if arguments.json:
        write_json(arguments.json, {"images": rows, "mean": means[0], "sd": means[1], "problems": problems})
    return ExitCode.SKIPPED if problems else ExitCode.DONE


def _score(predicted: Path, truth: Path) -> dict[str, Any]:
    if _is_points(truth):
        return dict(score_points(read_labels(predicted).labels, read_points(truth)).as_dict())
    reference = read_labels(truth).labels
    # GeoJSON outlines do not say how large their image was: it was as large as the reference.
    labels = read_labels(predicted, shape=reference.shape).labels
    return dict(score_labels(labels, reference).as_dict())


def _is_points(path: Path) -> bool:
    return path.suffix.lower() in _POINTS


def pair(predictions: Path, truth: Path) -> tuple[list[tuple[str, Path, Path]], list[list[str]]]:
    """Files that belong together by their name without endings.

    Returns
    -------
    pairs : list of (name, prediction, truth)
    problems : list of [path, message]
        Files on one side only.

    Raises
    ------
    NucleiError
        A path is not there, or one is a file and the other a folder.
    """
    for path in (predictions, truth):
        if not path.exists():
            raise NucleiError(f"{path} is not there.", "Check the path.")
    if _is_one(predictions) and _is_one(truth):
        return [(stem(predictions), predictions, truth)], []
    if _is_one(predictions) != _is_one(truth):
        raise NucleiError("One path is a file and the other a folder.", "Give two files or two folders.")
    left, right = _by_stem(predictions), _by_stem(truth)
    names = sorted(set(left) & set(right))
    problems = [[str(left[name]), "no reference of this name"] for name in sorted(set(left) - set(right))]
    problems += [[str(right[name]), "no prediction of this name"] for name in sorted(set(right) - set(left))]
    return [(name, left[name], right[name]) for name in names], problems


def _is_one(path: Path) -> bool:
    return path.is_file() or path.suffix == ".zarr"


def _by_stem(folder: Path) -> dict[str, Path]:
    return {stem(path): path for path in sorted(folder.iterdir()) if not path.name.startswith(".")}


def stem(path: Path) -> str:
    """`a.ome.tif` -> "a"."""
    name = path.name
    for ending in (".ome.tif", ".ome.tiff", ".ome.zarr"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return path.stem


def _means(rows: dict[str, dict[str, Any]]) -> tuple[dict[str, float], dict[str, float]]:
    names = [name for name, value in next(iter(rows.values())).items() if isinstance(value, int | float)]
    table = {name: [row[name] for row in rows.values() if row.get(name) is not None] for name in names}
    mean = {name: float(np.mean(values)) for name, values in table.items() if values}
    deviation = {
        name: float(np.std(values, ddof=1)) if len(values) > 1 else 0.0 for name, values in table.items() if values
    }
    return mean, deviation


def _print(rows: dict[str, dict[str, Any]], means: tuple[dict[str, float], dict[str, float]]) -> None:
    known = [name for name in _SHOWN if name in means[0]] or list(means[0])
    width = max(len("mean"), *(len(name) for name in rows))
    print(" " * width + "".join(f"{name:>14}" for name in known))
    for label, row in [*rows.items(), ("mean", means[0]), ("sd", means[1])]:
        print(f"{label:<{width}}" + "".join(f"{row.get(name, float('nan')):14.4f}" for name in known))
