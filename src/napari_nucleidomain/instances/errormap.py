"""Where a prediction is wrong, and how: found, missed, false alarm, split, merged."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .contingency import Contingency, contingency
from .labelimage import as_labels, compact


class ErrorClass(IntEnum):
    """What a pixel of the error map says; where two apply the higher one is shown."""

    BACKGROUND = 0
    FOUND = 1
    FALSE_ALARM = 2
    MISSED = 3
    SPLIT = 4
    MERGED = 5


# Okabe and Ito's palette (2008), told apart with red-green and blue-yellow blindness.
COLOURS: dict[ErrorClass, str] = {
    ErrorClass.FOUND: "#009E73",
    # Not the palette's yellow, the colour of clicks, nor its pink, too near green for some.
    ErrorClass.FALSE_ALARM: "#990066",
    ErrorClass.MISSED: "#D55E00",
    ErrorClass.SPLIT: "#56B4E9",
    ErrorClass.MERGED: "#0072B2",
}

LEGEND: dict[ErrorClass, str] = {
    ErrorClass.FOUND: "found",
    ErrorClass.FALSE_ALARM: "false alarm: fits no nucleus",
    ErrorClass.MISSED: "missed",
    ErrorClass.SPLIT: "split: several found in one nucleus",
    ErrorClass.MERGED: "merged: one found over several nuclei",
}


@dataclass(frozen=True)
class ErrorMap:
    """Errors of one image.

    Attributes
    ----------
    image : ndarray uint8, shape of the label images
        `ErrorClass` of every pixel.
    table : dict of str to ndarray
        One row per nucleus of either image: ``side`` ("predicted" or "true"), ``id``, ``error`` (`ErrorClass`),
        ``partner`` (id of the nucleus of the other image of highest IoU, 0 if there is none), ``iou`` (with it).
    """

    image: np.ndarray
    table: dict[str, np.ndarray]

    def counts(self) -> dict[str, dict[str, int]]:
        """How many nuclei of each side are of each class: ``{"predicted": {"found": 12, ...}, "true": {...}}``."""
        result = {}
        for side in ("predicted", "true"):
            errors = self.table["error"][self.table["side"] == side]
            result[side] = {c.name.lower(): int((errors == c).sum()) for c in ErrorClass if c}
        return result


def error_map(predicted: object, truth: object, *, threshold: float = 0.5) -> ErrorMap:
    """Compare a prediction with the truth, nucleus by nucleus.

    A pair with an IoU above `threshold` is found. A nucleus without such a partner is: merged, if it is a prediction
    that holds most of two or more true nuclei, or one of those; split, if it is a true nucleus that holds most of two
    or more predictions, or one of those; else missed (true) or a false alarm (predicted).

    Parameters
    ----------
    predicted, truth : array_like (Y, X) or (Z, Y, X), integers
        Label images; ids are arbitrary.
    threshold : float
        IoU above which a pair is found; at least 0.5, where no nucleus can have two partners.

    Returns
    -------
    ErrorMap

    Raises
    ------
    NucleiError
        Shapes differ, one is no label image, or the threshold is below 0.5.
    """
    if not 0.5 <= threshold < 1:
        raise NucleiError(f"The IoU threshold {threshold:g} is not in [0.5, 1[.", "Use for example 0.5.")
    table = contingency(predicted, truth)
    of_a, of_b = _classify(table, threshold)
    a, _ = compact(as_labels(predicted))
    b, _ = compact(as_labels(truth))
    image = np.maximum(np.concatenate([[0], of_a])[a], np.concatenate([[0], of_b])[b]).astype(np.uint8)
    partner_a, iou_a = _partners(table.a, table.ids_b[table.b], table.iou, len(of_a))
    partner_b, iou_b = _partners(table.b, table.ids_a[table.a], table.iou, len(of_b))
    rows = {
        "side": np.array(["predicted"] * len(of_a) + ["true"] * len(of_b), dtype="U9"),
        "id": np.concatenate([table.ids_a, table.ids_b]),
        "error": np.concatenate([of_a, of_b]).astype(np.uint8),
        "partner": np.concatenate([partner_a, partner_b]),
        "iou": np.concatenate([iou_a, iou_b]),
    }
    return ErrorMap(image, rows)


def _classify(table: Contingency, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """`ErrorClass` of each nucleus of a and of b; (A,) and (B,) int64."""
    a = np.full(len(table.ids_a), ErrorClass.FALSE_ALARM, np.int64)
    b = np.full(len(table.ids_b), ErrorClass.MISSED, np.int64)
    in_b = 2 * table.shared > table.area_a[table.a]  # most of the prediction lies in the true nucleus
    in_a = 2 * table.shared > table.area_b[table.b]
    splitting = np.bincount(table.b[in_b], minlength=len(b)) > 1
    merging = np.bincount(table.a[in_a], minlength=len(a)) > 1
    b[splitting] = ErrorClass.SPLIT
    a[table.a[in_b & splitting[table.b]]] = ErrorClass.SPLIT
    a[merging] = ErrorClass.MERGED
    b[table.b[in_a & merging[table.a]]] = ErrorClass.MERGED
    found = table.iou > threshold
    a[table.a[found]] = ErrorClass.FOUND
    b[table.b[found]] = ErrorClass.FOUND
    return a, b


def _partners(of: np.ndarray, ids: np.ndarray, iou: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.lexsort((-ids, iou))  # the last write wins: highest IoU, lowest id
    partner, best = np.zeros(count, np.int64), np.zeros(count)
    partner[of[order]] = ids[order]
    best[of[order]] = iou[order]
    return partner, best
