"""The Aggregated Jaccard Index and the variants of it that papers report.

Kumar et al., IEEE TMI 2017, leave open what happens when one prediction is the best for two nuclei, and published
code answers differently. `aji` here lets each prediction be used once and does not depend on the order of ids. The
values differ where predictions hold several nuclei: for Otsu + watershed on the 12 `kumar` training images they are
0.443 (aji), 0.443 (aji_plus), 0.431 (aji_in_order), 0.423 (aji_reuse), 0.433 (aji_pdam) and 0.418 (aji_weaknucleiseg).
Compare with a paper only by the variant it used.
"""

from __future__ import annotations

import numpy as np

from .contingency import Contingency
from .matching import best_partner, greedy_pairs, optimal_pairs


def _empty(table: Contingency) -> float | None:
    """Both empty: 1. One empty: 0. Neither: None."""
    if len(table.ids_a) and len(table.ids_b):
        return None
    return 1.0 if len(table.ids_a) == len(table.ids_b) else 0.0


def one_to_one(table: Contingency, pairs: np.ndarray) -> tuple[int, int]:
    """Intersection and union in pixels over matched pairs; whoever is unmatched adds its area to the union."""
    shared = int(table.shared[pairs].sum())
    return shared, int(table.area_a.sum() + table.area_b.sum()) - shared


def aji(table: Contingency) -> float:
    """AJI (Kumar et al. 2017): each prediction used at most once, the pair of highest IoU first.

    A nucleus that no unused prediction overlaps adds its area to the union, as does an unused prediction.
    """
    empty = _empty(table)
    if empty is not None:
        return empty
    shared, union = one_to_one(table, greedy_pairs(table))
    return shared / union


def aji_in_order(table: Contingency) -> float:
    """AJI with each prediction used at most once, where the nuclei choose one after another in order of their ids.

    Each takes the best prediction that none before it took. Many scripts do it so; the value depends on the numbering,
    and is lower than `aji` where predictions hold several nuclei.
    """
    empty = _empty(table)
    if empty is not None:
        return empty
    used = np.zeros(len(table.ids_a), bool)
    served = np.zeros(len(table.ids_b), bool)
    chosen = []
    for k in np.lexsort((table.a, -table.iou, table.b)).tolist():
        a, b = table.a[k], table.b[k]
        if not used[a] and not served[b]:
            used[a] = served[b] = True
            chosen.append(k)
    shared, union = one_to_one(table, np.array(chosen, np.int64))
    return shared / union


def aji_plus(table: Contingency) -> float:
    """AJI+ (Graham et al., HoVer-Net, 2019): one-to-one matching with the highest possible sum of IoUs."""
    empty = _empty(table)
    if empty is not None:
        return empty
    shared, union = one_to_one(table, optimal_pairs(table))
    return shared / union


def aji_reuse(table: Contingency) -> float:
    """AJI as HoVer-Net's code has it: every nucleus takes its best prediction, even one already used."""
    return _reusing(table, slip=False)


def aji_weaknucleiseg(table: Contingency) -> float:
    """AJI as WeakNucleiSeg (SPN+IEN) and Qu et al. computed it.

    As `aji_reuse`, but a nucleus that no prediction overlaps is given the first prediction of the image in raster order
    (the argmax of a row of zeros), whose area enlarges the union and which then counts as used.
    """
    return _reusing(table, slip=True)


def _reusing(table: Contingency, slip: bool) -> float:
    empty = _empty(table)
    if empty is not None:
        return empty
    best = best_partner(table.b, table.a, table.iou, len(table.ids_b))
    missed = best < 0
    taken = best[~missed]
    used = np.zeros(len(table.ids_a), bool)
    used[table.a[taken]] = True
    union = int(table.union[taken].sum()) + int(table.area_b[missed].sum())
    if slip and missed.any():
        union += int(missed.sum()) * int(table.area_a[table.first_a])
        used[table.first_a] = True
    union += int(table.area_a[~used].sum())
    return int(table.shared[taken].sum()) / union


def aji_pdam(table: Contingency) -> float:
    """AJI as PDAM's code has it: a nucleus whose best prediction was used before counts as missed, in order of ids.

    There is no second best; a nucleus without overlap takes the first prediction, as in `aji_weaknucleiseg`.
    """
    empty = _empty(table)
    if empty is not None:
        return empty
    best = best_partner(table.b, table.a, table.iou, len(table.ids_b))
    used = np.zeros(len(table.ids_a), bool)
    shared = union = 0
    for b, pair in enumerate(best.tolist()):
        a = table.first_a if pair < 0 else int(table.a[pair])
        if used[a]:
            union += int(table.area_b[b])
            continue
        used[a] = True
        overlap = 0 if pair < 0 else int(table.shared[pair])
        shared += overlap
        union += int(table.area_a[a]) + int(table.area_b[b]) - overlap
    union += int(table.area_a[~used].sum())
    return shared / union
