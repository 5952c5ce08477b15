"""DET, SEG and OP_csb of the Cell Tracking Challenge's cell segmentation benchmark, in 2D and 3D.

Ulman et al., Nature Methods 2017; Matula et al., PLOS ONE 2015 (AOGM); Maška et al., Nature Methods 2023. A prediction
matches a true nucleus when it covers *more* than half of it: a true nucleus has at most one match, a prediction may
match several. The challenge scores against markers of nuclei where it has no outlines; here outlines are the reference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .contingency import Contingency

SPLIT_COST, MISSED_COST, EXTRA_COST = 5, 10, 1


@dataclass(frozen=True)
class Corrections:
    """What a person would have to correct in a prediction, and how well the matched nuclei fit.

    Attributes
    ----------
    n_true : int
        True nuclei.
    splits : int
        Cuts needed: for each prediction that matches several true nuclei, one less than their number.
    missed : int
        True nuclei that no prediction covers by more than half.
    extra : int
        Predictions that match none.
    seg_sum : float
        Sum of the IoUs of the matches.
    """

    n_true: int
    splits: int
    missed: int
    extra: int
    seg_sum: float


def corrections(table: Contingency) -> Corrections:
    """Count the corrections from a ready table (predicted = a, true = b)."""
    covering = 2 * table.shared > table.area_b[table.b]
    matches = np.bincount(table.a[covering], minlength=len(table.ids_a))
    return Corrections(
        n_true=len(table.ids_b),
        splits=int(np.maximum(matches - 1, 0).sum()),
        missed=len(table.ids_b) - int(covering.sum()),
        extra=int((matches == 0).sum()),
        seg_sum=float(table.iou[covering].sum()),
    )


def det(n_true: float, splits: float, missed: float, extra: float) -> float:
    """DET = 1 - min(AOGM-D, AOGM-D0) / AOGM-D0, where D0 is the cost of adding every nucleus to an empty image.

    Without true nuclei it is 1 where nothing was predicted, else 0.
    """
    cost = SPLIT_COST * splits + MISSED_COST * missed + EXTRA_COST * extra
    empty = MISSED_COST * n_true
    if not empty:
        return 0.0 if cost else 1.0
    return float(1 - min(cost, empty) / empty)
