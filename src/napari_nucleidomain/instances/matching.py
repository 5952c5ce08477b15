"""Which nucleus of one image belongs to which of the other."""

from __future__ import annotations

import numpy as np

from .contingency import Contingency


def greedy_pairs(table: Contingency) -> np.ndarray:
    """Match one to one, the pair of highest IoU first.

    Of pairs of equal IoU the larger goes first, so that the order of ids matters only between pairs equal in both.
    Every pair with an IoU above 0.5 is matched, as no other pair of either nucleus can have such an IoU.

    Returns
    -------
    ndarray (M,) int64
        Positions in the table's pairs.
    """
    iou = table.iou
    used_a = np.zeros(len(table.ids_a), bool)
    used_b = np.zeros(len(table.ids_b), bool)
    sure = np.flatnonzero(iou > 0.5)
    used_a[table.a[sure]] = True
    used_b[table.b[sure]] = True
    rest = np.flatnonzero(~used_a[table.a] & ~used_b[table.b])
    chosen = []
    for k in rest[np.lexsort((-table.shared[rest], -iou[rest]))].tolist():
        a, b = table.a[k], table.b[k]
        if not used_a[a] and not used_b[b]:
            used_a[a] = used_b[b] = True
            chosen.append(k)
    return np.concatenate([sure, np.array(chosen, np.int64)])


def optimal_pairs(table: Contingency) -> np.ndarray:
    """Match one to one so that the sum of the IoUs is the largest possible (Hungarian assignment).

    Returns
    -------
    ndarray (M,) int64
        Positions in the table's pairs.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    if not len(table.a):
        return np.zeros(0, np.int64)
    lonely = (np.bincount(table.a)[table.a] == 1) & (np.bincount(table.b)[table.b] == 1)
    hard = np.flatnonzero(~lonely)
    if not len(hard):
        return np.flatnonzero(lonely)
    rows, a = np.unique(table.a[hard], return_inverse=True)
    columns, b = np.unique(table.b[hard], return_inverse=True)
    # Every nucleus may also stay alone, at the price of a pair without overlap: a column of its own.
    alone = np.arange(len(rows))
    price = np.concatenate([2.0 - table.iou[hard], np.full(len(rows), 2.0)])
    graph = csr_array(
        (price, (np.concatenate([a, alone]), np.concatenate([b, len(columns) + alone]))),
        shape=(len(rows), len(columns) + len(rows)),
    )
    matched_a, matched_b = min_weight_full_bipartite_matching(graph)
    real = matched_b < len(columns)
    pairs = _positions(a, b, matched_a[real], matched_b[real], len(columns))
    return np.concatenate([np.flatnonzero(lonely), hard[pairs]])


def _positions(a: np.ndarray, b: np.ndarray, wanted_a: np.ndarray, wanted_b: np.ndarray, width: int) -> np.ndarray:
    """Where the wanted pairs stand among pairs sorted by a, then b."""
    return np.searchsorted(a * width + b, wanted_a.astype(np.int64) * width + wanted_b)


def best_partner(
    of: np.ndarray, partner: np.ndarray, value: np.ndarray, count: int, second: np.ndarray | None = None
) -> np.ndarray:
    """For each of `count` nuclei the partner of highest value (the lower position among equals).

    Parameters
    ----------
    of, partner : ndarray (K,) int64
        Positions of both nuclei of each pair.
    value : ndarray (K,)
        What is to be largest.
    count : int
        Nuclei on the `of` side.
    second : ndarray (K,), optional
        What is to be largest among equals.

    Returns
    -------
    ndarray (count,) int64
        Positions in the pairs, -1 where a nucleus has no partner.
    """
    best = np.full(count, -1, np.int64)
    # The last write wins: highest value, lowest partner.
    order = np.lexsort((-partner, value) if second is None else (-partner, second, value))
    best[of[order]] = order
    return best
