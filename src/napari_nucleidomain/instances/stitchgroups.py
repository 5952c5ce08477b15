"""Middle of stitching: which instances make one nucleus, which tile paints it, and who yields where two collide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .grid import Grid
from .stitchmatch import Matched, Nodes, Pairs


@dataclass(frozen=True)
class Plan:
    """What to paint.

    Attributes
    ----------
    number : ndarray (N,) int64
        For each node the final id of its nucleus, 0 where it is not painted. Higher ids lie on top.
    whole : ndarray (N,) bool
        Painted wherever its window shows it; otherwise only inside its own tile's core.
    count : int
        Nuclei.
    score, uncertainty : ndarray (count,) float32
    """

    number: np.ndarray
    whole: np.ndarray
    count: int
    score: np.ndarray
    uncertainty: np.ndarray


def plan(grid: Grid, matched: Matched, overlap_limit: float) -> Plan:
    """Decide on every node.

    Parameters
    ----------
    grid : Grid
    matched : Matched
    overlap_limit : float
        Of two nuclei that share more than this part of the smaller one, the less sure goes.
    """
    nodes, pairs = matched.nodes, matched.pairs
    if not len(nodes):
        none = np.zeros(0)
        return Plan(none.astype(np.int64), none.astype(bool), 0, none.astype(np.float32), none.astype(np.float32))
    group = _groups(nodes, pairs)
    size = np.bincount(group)
    complete = _complete(grid, nodes, group, size)
    members = np.lexsort((nodes.area, nodes.score, nodes.depth, complete, group))
    best = np.zeros(len(size), np.int64)
    best[group[members]] = members  # the last of each group is the one that sees it best
    is_whole = complete[best] | (size == 1)

    whole = np.zeros(len(nodes), bool)
    whole[best[is_whole]] = True
    painted = whole | ~is_whole[group]
    weight = np.where(is_whole[group], whole, nodes.core_area).astype(float)
    total = np.bincount(group, weight, len(size))
    safe = np.maximum(total, 1e-9)
    score = np.bincount(group, weight * nodes.score, len(size)) / safe
    uncertainty = np.bincount(group, weight * nodes.uncertainty, len(size)) / safe
    area = np.where(is_whole, nodes.area[best], np.bincount(group, nodes.core_area, len(size)))

    kept = (area > 0) & ((size > 1) | nodes.owned[best])
    entire = ~nodes.cut[best] | (size > 1)
    rank = np.empty(len(size), np.int64)
    rank[np.lexsort((area, nodes.depth[best], score, entire, kept))] = np.arange(len(size))
    kept = _without_doubles(pairs, group, painted, is_whole, kept, rank, area, overlap_limit)

    number = np.zeros(len(size), np.int64)
    order = np.flatnonzero(kept)[np.argsort(rank[kept])]
    number[order] = np.arange(1, len(order) + 1)
    return Plan(
        np.where(painted, number[group], 0),
        whole,
        len(order),
        score[order].astype(np.float32),
        uncertainty[order].astype(np.float32),
    )


def _groups(nodes: Nodes, pairs: Pairs) -> np.ndarray:
    """The group of each node: connected by joins, but never two finished instances of one tile together."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(nodes)
    joins = np.flatnonzero(pairs.joined)
    graph = coo_array((np.ones(len(joins), bool), (pairs.u[joins], pairs.v[joins])), shape=(count, count))
    group = connected_components(graph, directed=False)[1].astype(np.int64)
    # One tile saw two whole nuclei where another saw one: tie the surest joins first and leave the rest undone.
    finished = np.flatnonzero(~nodes.cut)
    keys = group[finished] * (int(nodes.tile.max()) + 1) + nodes.tile[finished]
    unique, times = np.unique(keys, return_counts=True)
    wrong = np.unique(unique[times > 1] // (int(nodes.tile.max()) + 1))
    if len(wrong):
        _untangle(nodes, pairs, joins[np.isin(group[pairs.u[joins]], wrong)], group)
        group = np.unique(group, return_inverse=True)[1].reshape(-1)
    return group


def _untangle(nodes: Nodes, pairs: Pairs, joins: np.ndarray, group: np.ndarray) -> None:
    """Regroup the nodes of these joins in place."""
    involved = np.unique(np.concatenate([pairs.u[joins], pairs.v[joins]]))
    root = {int(node): int(node) for node in involved}
    finished = {int(n): set() if nodes.cut[n] else {int(nodes.tile[n])} for n in involved}

    def find(node: int) -> int:
        while root[node] != node:
            root[node] = root[root[node]]
            node = root[node]
        return node

    for join in joins[np.argsort(-pairs.iou[joins], kind="stable")].tolist():
        u, v = find(int(pairs.u[join])), find(int(pairs.v[join]))
        if u != v and not finished[u] & finished[v]:
            root[v] = u
            finished[u] |= finished[v]
    start = int(group.max()) + 1
    for node in root:
        group[node] = start + find(node)


def _complete(grid: Grid, nodes: Nodes, group: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Whether each node shows all of its group: not cut by its window, which covers what the others see."""
    low = np.full((len(size), nodes.box.shape[1]), np.iinfo(np.int64).max)
    high = np.zeros_like(low)
    np.minimum.at(low, group, nodes.box[..., 0])
    np.maximum.at(high, group, nodes.box[..., 1])
    place = np.stack(np.unravel_index(nodes.tile, grid.counts), axis=1)
    start = place * np.array(grid.stride)
    stop = np.minimum(start + np.array(grid.tile), np.array(grid.shape))
    return ~nodes.cut & (low[group] >= start).all(axis=1) & (high[group] <= stop).all(axis=1)


def _without_doubles(
    pairs: Pairs,
    group: np.ndarray,
    painted: np.ndarray,
    is_whole: np.ndarray,
    kept: np.ndarray,
    rank: np.ndarray,
    area: np.ndarray,
    overlap_limit: float,
) -> np.ndarray:
    """Drop nuclei that mostly lie on a surer one."""
    g, h = group[pairs.u], group[pairs.v]
    # Pieces are painted inside their own cores only, so only what is shared there can collide.
    shared = np.where(is_whole[g], np.where(is_whole[h], pairs.shared, pairs.core_v), pairs.core_u)
    shared = np.where(~is_whole[g] & ~is_whole[h], 0, shared)
    use = (g != h) & painted[pairs.u] & painted[pairs.v] & kept[g] & kept[h] & (shared > 0)
    if not use.any():
        return kept
    low, high = np.minimum(g[use], h[use]), np.maximum(g[use], h[use])
    keys, inverse = np.unique(low * len(area) + high, return_inverse=True)
    common = np.bincount(inverse.reshape(-1), shared[use])
    low, high = keys // len(area), keys % len(area)
    clash = common > overlap_limit * np.minimum(area[low], area[high])
    low, high = low[clash], high[clash]
    better = np.where(rank[low] > rank[high], low, high)
    worse = np.where(rank[low] > rank[high], high, low)
    kept = kept.copy()
    for k in np.argsort(-rank[better], kind="stable").tolist():
        if kept[better[k]]:
            kept[worse[k]] = False
    return kept
