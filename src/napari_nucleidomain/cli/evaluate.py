"""`nucleidomain evaluate`."""

from __future__ import annotations

import argparse
import math
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import write_json
from napari_nucleidomain.data.clicks_table import corner_note
from napari_nucleidomain.data.geojson import is_geojson
from napari_nucleidomain.data.labels_geojson import outlines_reach
from napari_nucleidomain.data.labels_io import (
    labels_shape,
    pixel_size,
    read_labels,
    says_no_size,
    separated,
    voxel_size,
)
from napari_nucleidomain.data.labels_large import is_large, open_labels, refuse_mask
from napari_nucleidomain.data.labels_out import boxes
from napari_nucleidomain.data.labels_rois import roi_reach
from napari_nucleidomain.data.labels_text import is_outlines_text, text_reach
from napari_nucleidomain.data.odd import likes_joined
from napari_nucleidomain.data.painting import NOTHING_IN
from napari_nucleidomain.data.pairing import kind_of, pair
from napari_nucleidomain.data.pictures import outlines_inside
from napari_nucleidomain.data.points import check_points, read_points
from napari_nucleidomain.instances.contingency import added_up
from napari_nucleidomain.instances.pointscores import score_points_large
from napari_nucleidomain.instances.scores import score_labels, score_points
from napari_nucleidomain.instances.scores import score_table as score_contingency
from napari_nucleidomain.runs.execute import ExitCode

from .left_out import left_out_lines
from .ranges import check_sizes
from .say import one_line
from .table import score_table

Tell = Callable[[str], None]
_LARGEST = 1 << 30  # pixels
_SHOWN = ("aji", "aji_plus", "pq", "f1@0.5", "object_dice", "seg", "det", "op_csb", "pixel_dice", "pixel_iou")


def command(arguments: argparse.Namespace) -> int:
    """Pair the files, score each pair, print a table, write JSON."""
    sizes = check_sizes(arguments.pixel_size)
    pairs, problems = pair(arguments.predictions, arguments.truth)
    rows: dict[str, dict[str, Any]] = {}
    notes: list[str] = []
    for name, predicted, truth in pairs:
        try:
            rows[name] = score(predicted, truth, notes.append, sizes)
        except (NucleiError, OSError) as found:
            error = found if isinstance(found, NucleiError) else _unreadable(predicted, found)
            if len(pairs) == 1:
                raise error from found
            problems.append([str(predicted), str(error)])
    for note in likes_joined(notes):
        print(one_line(note), file=sys.stderr)
    if not rows:
        path, message = problems[-1]
        raise NucleiError(f"None of the {len(pairs)} pairs can be compared. {path}: {message}")
    means = _means(rows)
    _print(rows, means)
    sys.stdout.flush()
    for line in left_out_lines((path, message) for path, message in problems):
        print(one_line(line), file=sys.stderr)
    if arguments.json:
        write_json(arguments.json, {"images": rows, "mean": means[0], "sd": means[1], "problems": problems})
    return ExitCode.SKIPPED if problems else ExitCode.DONE


def _unreadable(path: Path, error: OSError) -> NucleiError:
    return NucleiError(f"{path.name} cannot be opened: {error.strerror or error}.", "Check that you may read it.")


def score(
    predicted: Path, truth: Path, tell: Tell = lambda note: None, pixel_size: Sequence[float] = ()
) -> dict[str, Any]:
    """Scores of one pair: against outlines where the reference holds some, else against its clicks.

    `tell` hears what was changed on reading (a black-and-white mask split into pieces). `pixel_size` is one number or
    three (z, y, x) in µm, for distances; by default what the files of volumes say.

    Raises
    ------
    NucleiError
        A file cannot be read, or the two are not of one image.
    """
    clicks = is_points(truth)
    predicted, truth = (_outlines(path, tell) for path in (predicted, truth))
    if is_large(predicted) and (clicks or not says_no_size(truth)):
        return _score_large(predicted, truth, clicks, tell)
    if not clicks:
        shape = _common_shape(predicted, truth)
        labels, reference = _labels(predicted, shape, tell), _labels(truth, shape, tell)
        given = _spacing(pixel_size, labels.ndim)
        if not reference.any():
            _tell_empty(truth, len(np.setdiff1d(labels, 0)), tell)
        if labels.ndim == 2:
            return dict(score_labels(labels, reference, spacing=given).as_dict())
        size = given or voxel_size(predicted) or voxel_size(truth)
        if size is None:
            tell(f"{predicted.name}: no distance, as neither file says its voxel size")
        return dict(score_labels(labels, reference, hausdorff=size is not None, spacing=size).as_dict())
    points = _read_clicks(predicted, truth, tell)
    shape = None
    if says_no_size(predicted):
        # The image was at least as large as what is drawn and clicked on it.
        clicked = np.ceil(points[:, -2:].max(axis=0, initial=0.0)).astype(int) + 1
        reach = _reach(predicted)
        shape = (*reach[:-2], *np.maximum(reach[-2:], clicked).tolist())
    labels = _labels(predicted, shape, tell)
    if not len(points):
        _tell_empty(truth, len(np.setdiff1d(labels, 0)), tell)
    return dict(score_points(labels, _placed(truth, points, labels.shape, tell)).as_dict())


def _spacing(sizes: Sequence[float], ndim: int) -> tuple[float, ...] | None:
    if not sizes:
        return None
    if ndim > 2 and len(sizes) == 1:
        raise NucleiError("A voxel has a depth, too.", "Give --pixel-size Z,Y,X, for example 0.5,0.13,0.13.")
    return tuple(sizes)[-ndim:] if len(sizes) > 1 else tuple(sizes) * ndim


def _read_clicks(predicted: Path, truth: Path, tell: Tell) -> np.ndarray:
    size = None if says_no_size(predicted) else pixel_size(predicted)
    return read_points(truth, told=lambda note: tell(f"{truth.name}: {note}"), pixel_size_um=size)


def _placed(truth: Path, points: np.ndarray, shape: tuple[int, ...], tell: Tell) -> np.ndarray:
    """Clicks on the image; that a few lie outside, or all in one corner, is told.

    Raises
    ------
    NucleiError
        Many lie outside.
    """
    if not len(points):
        return points
    for finding in check_points(points, shape, close_px=0):
        if finding.kind in ("outside", "other-image"):
            if finding.severity == "error":
                raise NucleiError(f"{truth.name}: {finding.message}", "Give the clicks of this very image.")
            tell(f"{truth.name}: {finding.message} Not counted.")
            points = np.delete(points, finding.indices, axis=0)
    if points.shape[1] == len(shape) and (said := corner_note(truth, points, shape)):
        tell(f"{truth.name}: {said}")
    return points


def _tell_empty(truth: Path, extra: int, tell: Tell) -> None:
    tell(f"{truth.name} holds no outlines and no points: a reference without nuclei, to which {extra:,} are extra.")


def _outlines(path: Path, tell: Tell) -> Path:
    """Where the outlines lie of a picture that has some in it."""
    inner, note = outlines_inside(path)
    if note:
        tell(f"{path.name}: {note}")
    return inner


def _labels(path: Path, shape: tuple[int, ...] | None, tell: Tell) -> np.ndarray:
    found = separated(read_labels(path, shape))
    for note in found.notes:
        # Of a reference without nuclei more is said.
        if note != NOTHING_IN:
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
    reach: tuple[int, ...] | None
    if is_geojson(path):
        reach = outlines_reach(path)
    else:
        reach = text_reach(path) if is_outlines_text(path) else roi_reach(path)
    if reach is None:
        return (1, 1)
    if math.prod(reach) > _LARGEST:
        raise NucleiError(
            f"The outlines of {path.name} reach to {'×'.join(map(str, reach))} pixels, too far to be compared in "
            "one piece.",
            "Compare label images of parts of the slide.",
        )
    return reach


def _score_large(predicted: Path, truth: Path, clicks: bool, tell: Tell) -> dict[str, Any]:
    """The same scores block by block, but for the Hausdorff distance, which looks at whole nuclei."""
    with open_labels(predicted) as labels:
        refuse_mask(predicted, labels)
        if clicks:
            points = _placed(truth, _read_clicks(predicted, truth, tell), tuple(labels.shape), tell)
            return dict(score_points_large(labels, points).as_dict())
        with open_labels(truth) as reference:
            refuse_mask(truth, reference)
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
