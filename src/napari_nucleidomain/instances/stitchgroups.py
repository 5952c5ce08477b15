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


@dataclass(frozen=True)
class _Groups:
    """Groups of nodes that are one nucleus each; arrays of nodes (N,) and of groups (G,).

    Attributes
    ----------
    of : (N,) int64
        The group of each node.
    whole, painted : (N,) bool
        The node is painted in all of its window; is painted at all.
    size, area : (G,) int64
        Nodes; pixels that are painted.
    best : (G,) int64
        The node that sees it best.
    is_whole : (G,) bool
        Painted from `best` alone; else every node paints its own core.
    score, uncertainty : (G,) float64
    centre : (G, ndim) float64
    """

    of: np.ndarray
    whole: np.ndarray
    painted: np.ndarray
    size: np.ndarray
    area: np.ndarray
    best: np.ndarray
    is_whole: np.ndarray
    score: np.ndarray
    uncertainty: np.ndarray
    centre: np.ndarray


def plan(grid: Grid, matched: Matched, overlap_limit: float) -> Plan:
    """Decide on every node.

    Parameters
    ----------
    grid : Grid
    matched : Matched
    overlap_limit : float
        Of two nuclei that share more than this part of the smaller one, one goes.
    """
    nodes, pairs = matched.nodes, matched.pairs
    if not len(nodes):
        none = np.zeros(0)
        return Plan(none.astype(np.int64), none.astype(bool), 0, none.astype(np.float32), none.astype(np.float32))
    groups = _describe(grid, nodes, _groups(nodes, pairs))
    one, other = _clashes(pairs, groups, overlap_limit)
    favoured = _favoured(grid, nodes, groups, one, other)
    kept = (groups.area > 0) & ((groups.size > 1) | nodes.owned[groups.best] | favoured)
    entire = ~nodes.cut[groups.best] | (groups.size > 1)
    rank = np.empty(len(kept), np.int64)
    order = np.lexsort((groups.area, nodes.depth[groups.best], groups.score, entire, favoured, kept))
    rank[order] = np.arange(len(kept))
    kept = _settled(one, other, kept, rank)

    number = np.zeros(len(kept), np.int64)
    order = order[kept[order]]
    number[order] = np.arange(1, len(order) + 1)
    return Plan(
        np.where(groups.painted, number[groups.of], 0),
        groups.whole,
        len(order),
        groups.score[order].astype(np.float32),
        groups.uncertainty[order].astype(np.float32),
    )


def _describe(grid: Grid, nodes: Nodes, of: np.ndarray) -> _Groups:
    """Find the node that sees each group best, and what is painted of it."""
    size = np.bincount(of)
    complete = _complete(grid, nodes, of, size)
    members = np.lexsort((nodes.area, nodes.score, nodes.depth, complete, of))
    best = np.zeros(len(size), np.int64)
    best[of[members]] = members  # the last of each group is the one that sees it best
    is_whole = complete[best] | (size == 1)
    whole = np.zeros(len(nodes), bool)
    whole[best[is_whole]] = True
    weight = np.where(is_whole[of], np.where(whole, nodes.area, 0), nodes.core_area).astype(float)
    area = np.bincount(of, weight, len(size))

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(of, weight * values, len(size)) / np.maximum(area, 1)

    centre = np.stack([mean(nodes.centre[:, k]) for k in range(nodes.centre.shape[1])], axis=1)
    return _Groups(
        of,
        whole,
        whole | ~is_whole[of],
        size,
        area.astype(np.int64),
        best,
        is_whole,
        mean(nodes.score),
        mean(nodes.uncertainty),
        centre,
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


def _clashes(pairs: Pairs, groups: _Groups, overlap_limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of groups of which only one can stay, as they share too much of the smaller one."""
    g, h = groups.of[pairs.u], groups.of[pairs.v]
    # Pieces are painted inside their own cores only, so only what is shared there can collide.
    shared = np.where(groups.is_whole[g], np.where(groups.is_whole[h], pairs.shared, pairs.core_v), pairs.core_u)
    shared = np.where(~groups.is_whole[g] & ~groups.is_whole[h], 0, shared)
    use = (g != h) & groups.painted[pairs.u] & groups.painted[pairs.v] & (shared > 0)
    low, high = np.minimum(g[use], h[use]), np.maximum(g[use], h[use])
    keys, inverse = np.unique(low * len(groups.size) + high, return_inverse=True)
    common = np.bincount(inverse.reshape(-1), shared[use], len(keys))
    low, high = keys // len(groups.size), keys % len(groups.size)
    clash = common > overlap_limit * np.minimum(groups.area[low], groups.area[high])
    return low[clash], high[clash]


def _favoured(grid: Grid, nodes: Nodes, groups: _Groups, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Where tiles disagree (one nucleus or two?), the view of the tile whose core holds the middle of it; (G,) bool.

    Taking nuclei from a single tile there leaves none doubled and none between two stools.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(groups.size)
    graph = coo_array((np.ones(len(one), bool), (one, other)), shape=(count, count))
    number, dispute = connected_components(graph, directed=False)
    weight = np.bincount(dispute, groups.area, number)
    centre = [np.bincount(dispute, groups.area * axis, number) / np.maximum(weight, 1) for axis in groups.centre.T]
    owner = grid.owner(np.stack(centre, axis=1))
    favoured = np.zeros(count, bool)
    favoured[groups.of[(nodes.tile == owner[dispute][groups.of]) & ~nodes.cut]] = True
    return favoured & (np.bincount(dispute)[dispute] > 1)


def _settled(one: np.ndarray, other: np.ndarray, kept: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Which groups stay when, from the highest rank down, each removes those it clashes with."""
    better = np.where(rank[one] > rank[other], one, other)
    worse = np.where(rank[one] > rank[other], other, one)
    kept = kept.copy()
    for k in np.argsort(-rank[better], kind="stable").tolist():
        if kept[better[k]]:
            kept[worse[k]] = False
    return kept
