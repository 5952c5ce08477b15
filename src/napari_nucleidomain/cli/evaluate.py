"""`nucleidomain evaluate`."""

from __future__ import annotations

import argparse
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import write_json
from napari_nucleidomain.data.labels_geojson import outlines_reach
from napari_nucleidomain.data.labels_io import labels_shape, read_labels, says_no_size, separated, voxel_size
from napari_nucleidomain.data.labels_large import is_large, open_labels
from napari_nucleidomain.data.labels_out import boxes
from napari_nucleidomain.data.labels_rois import roi_reach
from napari_nucleidomain.data.pairing import kind_of, pair
from napari_nucleidomain.data.pictures import outlines_inside
from napari_nucleidomain.data.points import read_points
from napari_nucleidomain.data.rois import ROI_SUFFIXES
from napari_nucleidomain.instances.contingency import added_up
from napari_nucleidomain.instances.pointscores import score_points_large
from napari_nucleidomain.instances.scores import score_labels, score_points
from napari_nucleidomain.instances.scores import score_table as score_contingency
from napari_nucleidomain.runs.execute import ExitCode

from .left_out import left_out_lines
from .table import score_table

_LARGEST = 1 << 30  # pixels
_SHOWN = ("aji", "aji_plus", "pq", "f1@0.5", "object_dice", "seg", "det", "op_csb", "pixel_dice", "pixel_iou")


def command(arguments: argparse.Namespace) -> int:
    """Pair the files, score each pair, print a table, write JSON."""
    pairs, problems = pair(arguments.predictions, arguments.truth)
    rows: dict[str, dict[str, Any]] = {}
    for name, predicted, truth in pairs:
        try:
            rows[name] = score(predicted, truth, lambda note: print(note, file=sys.stderr))
        except (NucleiError, OSError) as found:
            error = found if isinstance(found, NucleiError) else _unreadable(predicted, found)
            if len(pairs) == 1:
                raise error from found
            problems.append([str(predicted), str(error)])
    if not rows:
        path, message = problems[-1]
        raise NucleiError(f"None of the {len(pairs)} pairs can be compared. {path}: {message}")
    means = _means(rows)
    _print(rows, means)
    sys.stdout.flush()
    for line in left_out_lines((path, message) for path, message in problems):
        print(line, file=sys.stderr)
    if arguments.json:
        write_json(arguments.json, {"images": rows, "mean": means[0], "sd": means[1], "problems": problems})
    return ExitCode.SKIPPED if problems else ExitCode.DONE


def _unreadable(path: Path, error: OSError) -> NucleiError:
    return NucleiError(f"{path.name} cannot be opened: {error.strerror or error}.", "Check that you may read it.")


def score(predicted: Path, truth: Path, tell: Callable[[str], None] = lambda note: None) -> dict[str, Any]:
    """Scores of one pair: against outlines where the reference holds some, else against its clicks.

    `tell` hears what was changed on reading (a black-and-white mask split into pieces).

    Raises
    ------
    NucleiError
        A file cannot be read, or the two are not of one image.
    """
    clicks = is_points(truth)
    predicted, truth = (_outlines(path, tell) for path in (predicted, truth))
    if is_large(predicted) and (clicks or not says_no_size(truth)):
        return _score_large(predicted, truth, clicks)
    if not clicks:
        shape = _common_shape(predicted, truth)
        labels, reference = _labels(predicted, shape, tell), _labels(truth, shape, tell)
        if labels.ndim == 2:
            return dict(score_labels(labels, reference).as_dict())
        size = voxel_size(predicted) or voxel_size(truth)
        if size is None:
            tell(f"{predicted.name}: no distance, as neither file says its voxel size")
        return dict(score_labels(labels, reference, hausdorff=size is not None, spacing=size).as_dict())
    points = read_points(truth)
    shape = None
    if says_no_size(predicted):
        # The image was at least as large as what is drawn and clicked on it.
        clicked = np.ceil(points[:, -2:].max(axis=0, initial=0.0)).astype(int) + 1
        reach = _reach(predicted)
        shape = (*reach[:-2], *np.maximum(reach[-2:], clicked).tolist())
    return dict(score_points(_labels(predicted, shape, tell), points).as_dict())


def _outlines(path: Path, tell: Callable[[str], None]) -> Path:
    """Where the outlines lie of a picture that has some in it."""
    inner, note = outlines_inside(path)
    if note:
        tell(f"{path.name}: {note}")
    return inner


def _labels(path: Path, shape: tuple[int, ...] | None, tell: Callable[[str], None]) -> np.ndarray:
    found = separated(read_labels(path, shape))
    for note in found.notes:
        tell(f"{path.name}: {note}")
    return found.labels


def _common_shape(predicted: Path, truth: Path) -> tuple[int, ...] | None:
    """The image's size for outlines, which do not say it: that of the label image beside them, else what holds both."""
    drawn = [path for path in (predicted, truth) if says_no_size(path)]
    if len(drawn) == 1:
        return labels_shape(truth if drawn[0] == predicted else predicted)
    if not drawn:
        return None
    # How much empty ground there is beyond changes none of the scores.
    reaches = [_reach(path) for path in drawn]
    # A flat one has its nuclei on no plane: how it is read says so.
    deep = [reach[:-2] for reach in reaches if len(reach) > 2]
    rows, columns = np.max([reach[-2:] for reach in reaches], axis=0).tolist()
    return (*(max(deep) if deep else ()), max(1, rows), max(1, columns))


def _reach(path: Path) -> tuple[int, ...]:
    reach = roi_reach(path) if path.suffix.lower() in ROI_SUFFIXES else outlines_reach(path)
    if reach is None:
        raise NucleiError(f"{path.name} holds no outlines.", "Export the nuclei as polygons, or give a label image.")
    if math.prod(reach) > _LARGEST:
        raise NucleiError(
            f"The outlines of {path.name} reach to {'×'.join(map(str, reach))} pixels, too far to be compared in "
            "one piece.",
            "Compare label images of parts of the slide.",
        )
    return reach


def _score_large(predicted: Path, truth: Path, clicks: bool) -> dict[str, Any]:
    """The same scores block by block, but for the Hausdorff distance, which looks at whole nuclei."""
    with open_labels(predicted) as labels:
        if clicks:
            return dict(score_points_large(labels, read_points(truth)).as_dict())
        with open_labels(truth) as reference:
            if tuple(labels.shape) != tuple(reference.shape):
                raise NucleiError(
                    f"{predicted.name} is {_by(labels.shape)} px, {truth.name} is {_by(reference.shape)} px.",
                    "Both must belong to the same image, at the same size.",
                )
            parts = ((np.asarray(labels[box]), np.asarray(reference[box])) for box in boxes(labels.shape, 2048))
            return dict(score_contingency(added_up(parts)).as_dict())


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(str(side) for side in shape)


def is_points(path: Path) -> bool:
    """Whether a reference holds clicks: a table does, GeoJSON and ImageJ regions where there are points and no areas.

    Raises
    ------
    NucleiError
        A file with neither or with both.
    """
    return kind_of(path) == "points"


def _means(rows: dict[str, dict[str, Any]]) -> tuple[dict[str, float], dict[str, float]]:
    # Outlines and clicks give different scores: every one that any image has.
    names = {name: None for row in rows.values() for name, value in row.items() if isinstance(value, int | float)}
    table = {name: [row[name] for row in rows.values() if row.get(name) is not None] for name in names}
    mean = {name: float(np.mean(values)) for name, values in table.items() if values}
    deviation = {
        name: float(np.std(values, ddof=1)) if len(values) > 1 else 0.0 for name, values in table.items() if values
    }
    return mean, deviation


def _print(rows: dict[str, dict[str, Any]], means: tuple[dict[str, float], dict[str, float]]) -> None:
    known = [name for name in _SHOWN if name in means[0]] or list(means[0])
    # A file takes lines of any length.
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print(score_table(rows, *means, known, width))
