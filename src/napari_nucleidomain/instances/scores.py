"""Scores of a predicted label image against a true one, all from one contingency table.

Empty cases: where neither image has a nucleus every score is 1 (distances 0); where only one has, every score is 0 (the
object Hausdorff distance is the image's diagonal). Nuclei match when their IoU is *greater* than the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from . import aji as _aji
from .celltracking import corrections, det
from .contingency import Contingency, contingency
from .counts import ObjectCounts, ratio
from .definitions import DEFINITIONS, LOWER_IS_BETTER, definition
from .labelimage import as_labels, same_shape
from .matching import greedy_pairs
from .pointscores import PointScores, score_points
from .shapescores import object_dice, object_hausdorff

__all__ = [
    "DEFINITIONS",
    "LOWER_IS_BETTER",
    "ObjectCounts",
    "PointScores",
    "Scores",
    "definition",
    "pool",
    "score_labels",
    "score_points",
    "score_table",
    "summarise",
]


@dataclass(frozen=True)
class Scores:
    """Scores of one image; `DEFINITIONS` says what each is.

    Attributes
    ----------
    at : dict of float to ObjectCounts
        By IoU threshold.
    object_hausdorff : float or None
        None where it was not asked for.
    hausdorff_unit : {"px", "um"}
        Unit of `object_hausdorff`, which `as_dict` puts into its name: one column never mixes both.
    totals : dict of str to float
        Sums from which scores pooled over images are made (`pool`).
    """

    n_predicted: int
    n_true: int
    aji: float
    aji_plus: float
    aji_in_order: float
    aji_reuse: float
    aji_weaknucleiseg: float
    aji_pdam: float
    pq: float
    dq: float
    sq: float
    seg: float
    det: float
    op_csb: float
    object_dice: float
    object_hausdorff: float | None
    pixel_precision: float
    pixel_recall: float
    pixel_f1: float
    pixel_iou: float
    pixel_dice: float
    at: dict[float, ObjectCounts]
    totals: dict[str, float] = field(repr=False, compare=False, default_factory=dict)
    hausdorff_unit: Literal["px", "um"] = "px"

    def as_dict(self) -> dict[str, Any]:
        """Every score by its exact name; thresholds as ``precision@0.5``, ``recall@0.5``, ``f1@0.5``."""
        skipped = {"at", "totals", "hausdorff_unit"} | (
            {"object_hausdorff"} if self.object_hausdorff is None else set()
        )
        named = {"object_hausdorff": "object_hausdorff_um"} if self.hausdorff_unit == "um" else {}
        result = {
            named.get(name, name): getattr(self, name) for name in self.__dataclass_fields__ if name not in skipped
        }
        for threshold, counts in self.at.items():
            result[f"precision@{threshold:g}"] = counts.precision
            result[f"recall@{threshold:g}"] = counts.recall
            result[f"f1@{threshold:g}"] = counts.f1
        return result


def score_labels(
    predicted: object,
    truth: object,
    *,
    thresholds: Sequence[float] = (0.5,),
    hausdorff: bool = True,
    spacing: Sequence[float] | None = None,
) -> Scores:
    """Score a predicted label image.

    Parameters
    ----------
    predicted, truth : array_like (Y, X) or (Z, Y, X), integers
        Label images of one image; ids are arbitrary. Components are not split: see `cleaning.split_components`.
    thresholds : sequence of float
        IoU thresholds in [0, 1[ of object precision, recall and F1. Below 0.5 nuclei are matched highest IoU first.
    hausdorff : bool
        Whether to compute the object Hausdorff distance, by far the slowest score.
    spacing : sequence of float, optional
        Pixel size per axis in µm: the Hausdorff distance is then in µm. Without it, in pixels, as if they were cubes.

    Returns
    -------
    Scores

    Raises
    ------
    NucleiError
        Shapes differ, one is no label image, or a threshold is out of range.
    """
    a, b = as_labels(predicted, "The prediction"), as_labels(truth, "The truth")
    same_shape(a, b, "The prediction", "the truth")
    table = contingency(a, b)
    distance = object_hausdorff(a, b, table, spacing) if hausdorff else None
    scores = score_table(table, thresholds=thresholds, object_hausdorff=distance)
    return scores if spacing is None else replace(scores, hausdorff_unit="um")


def score_table(
    table: Contingency, *, thresholds: Sequence[float] = (0.5,), object_hausdorff: float | None = None
) -> Scores:
    """`score_labels` from a ready table (predicted = a, true = b), e.g. one added up over the blocks of a slide."""
    for threshold in thresholds:
        if not 0 <= threshold < 1:
            raise NucleiError(f"The IoU threshold {threshold:g} is not in [0, 1[.", "Use for example 0.5.")
    n_a, n_b = len(table.ids_a), len(table.ids_b)
    pairs = greedy_pairs(table)
    shared, union = _aji.one_to_one(table, pairs)
    iou = table.iou[pairs]

    def counts(threshold: float) -> ObjectCounts:
        tp = int((iou > threshold).sum())
        return ObjectCounts(tp, n_a - tp, n_b - tp)

    half = counts(0.5)
    matched_iou = float(iou[iou > 0.5].sum())
    sq = ratio(matched_iou, half.tp, n_a == n_b == 0)
    tracking = corrections(table)
    seg = ratio(tracking.seg_sum, n_b, n_a == n_b == 0)
    detection = det(n_b, tracking.splits, tracking.missed, tracking.extra)
    both = n_a == n_b == 0
    tp, predicted, true = int(table.shared.sum()), int(table.area_a.sum()), int(table.area_b.sum())
    f1 = ratio(2 * tp, predicted + true, both)
    return Scores(
        n_predicted=n_a,
        n_true=n_b,
        aji=ratio(shared, union, both),
        aji_plus=_aji.aji_plus(table),
        aji_in_order=_aji.aji_in_order(table),
        aji_reuse=_aji.aji_reuse(table),
        aji_weaknucleiseg=_aji.aji_weaknucleiseg(table),
        aji_pdam=_aji.aji_pdam(table),
        pq=half.f1 * sq,
        dq=half.f1,
        sq=sq,
        seg=seg,
        det=detection,
        op_csb=(detection + seg) / 2,
        object_dice=object_dice(table),
        object_hausdorff=object_hausdorff,
        pixel_precision=ratio(tp, predicted, both),
        pixel_recall=ratio(tp, true, both),
        pixel_f1=f1,
        pixel_iou=ratio(tp, predicted + true - tp, both),
        pixel_dice=f1,
        at={float(threshold): counts(threshold) for threshold in thresholds},
        totals={
            "aji_shared": shared,
            "aji_union": union,
            "tp": half.tp,
            "matched_iou": matched_iou,
            "seg_sum": tracking.seg_sum,
            "ctc_splits": tracking.splits,
            "ctc_missed": tracking.missed,
            "ctc_extra": tracking.extra,
            "pixels_shared": tp,
            "pixels_predicted": predicted,
            "pixels_true": true,
        },
    )


def summarise(scores: Sequence[Any]) -> dict[str, tuple[float, float]]:
    """Mean over images and sample standard deviation (n - 1; 0 for a single image) of every score.

    Parameters
    ----------
    scores : sequence of Scores or PointScores
        One per image.

    Returns
    -------
    dict of str to (float, float)
        Empty for no images. Scores that some images lack are left out.
    """
    rows = [score.as_dict() for score in scores]
    if not rows:
        return {}
    names = [name for name in rows[0] if all(name in row for row in rows)]
    table = np.array([[float(row[name]) for name in names] for row in rows])
    spread = table.std(axis=0, ddof=1) if len(rows) > 1 else np.zeros(len(names))
    return {name: (float(m), float(s)) for name, m, s in zip(names, table.mean(axis=0), spread, strict=True)}


def pool(scores: Sequence[Scores]) -> dict[str, float]:
    """Scores over all nuclei of all images together, as if the images were one.

    Returns
    -------
    dict of str to float
        n_predicted, n_true, aji, pq, dq, sq, seg, det, op_csb, the pixel scores, and object scores at each threshold;
        empty for no images.
    """
    if not scores:
        return {}
    total = {name: sum(score.totals[name] for score in scores) for name in scores[0].totals}
    n_a, n_b = sum(s.n_predicted for s in scores), sum(s.n_true for s in scores)
    both = n_a == n_b == 0
    dq = ratio(2 * total["tp"], n_a + n_b, both)
    sq = ratio(total["matched_iou"], total["tp"], both)
    seg = ratio(total["seg_sum"], n_b, both)
    detection = det(n_b, total["ctc_splits"], total["ctc_missed"], total["ctc_extra"])
    shared, pixels = total["pixels_shared"], total["pixels_predicted"] + total["pixels_true"]
    f1 = ratio(2 * shared, pixels, both)
    result = {
        "n_predicted": n_a,
        "n_true": n_b,
        "aji": ratio(total["aji_shared"], total["aji_union"], both),
        "pq": dq * sq,
        "dq": dq,
        "sq": sq,
        "seg": seg,
        "det": detection,
        "op_csb": (detection + seg) / 2,
        "pixel_precision": ratio(shared, total["pixels_predicted"], both),
        "pixel_recall": ratio(shared, total["pixels_true"], both),
        "pixel_f1": f1,
        "pixel_iou": ratio(shared, pixels - shared, both),
        "pixel_dice": f1,
    }
    for threshold in [t for t in scores[0].at if all(t in s.at for s in scores)]:
        sums = [s.at[threshold] for s in scores]
        counts = ObjectCounts(sum(c.tp for c in sums), sum(c.fp for c in sums), sum(c.fn for c in sums))
        result[f"precision@{threshold:g}"] = counts.precision
        result[f"recall@{threshold:g}"] = counts.recall
        result[f"f1@{threshold:g}"] = counts.f1
    return result
