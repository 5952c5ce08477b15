"""First half of stitching: which instances of neighbouring tiles overlap, and which of them are one nucleus."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .contingency import pair_counts
from .grid import Grid, Tile, intersection, relative
from .labelimage import boxes, compact

FAR = 1 << 30
_ON_TOP = 0.9


@dataclass(frozen=True)
class Compacted:
    """One tile's labels as 1..n, with what its segmenter said about each."""

    labels: np.ndarray
    count: int
    scores: np.ndarray
    uncertainty: np.ndarray
    area: np.ndarray  # indexed by id, as is `cut`: whether it reaches a border of the window inside the image
    cut: np.ndarray


@dataclass
class Nodes:
    """Instances that another tile may see too, of all tiles; arrays of equal length once `close` was called.

    Attributes
    ----------
    tile, local : int64
        Index of the tile, and the instance's compacted id there.
    box : (N, ndim, 2) int64
        Bounding box in the image.
    area, core_area : int64
        Pixels in the window, and in the tile's own core.
    cut : bool
        Reaches the border of its window, so that it may go on beyond.
    depth : int64
        Distance of the box from the window's borders inside the image, in pixels.
    centre : (N, ndim) float64
        Centre of mass in the image.
    owned : bool
        `centre` lies in the core of its own tile, or of one that is not there.
    score, uncertainty : float32
    """

    tile: np.ndarray
    local: np.ndarray
    box: np.ndarray
    area: np.ndarray
    core_area: np.ndarray
    cut: np.ndarray
    depth: np.ndarray
    centre: np.ndarray
    owned: np.ndarray
    score: np.ndarray
    uncertainty: np.ndarray

    def __len__(self) -> int:
        return len(self.tile)


@dataclass
class Pairs:
    """Pairs of nodes of two tiles that share pixels (or touch across a seam without overlap).

    Attributes
    ----------
    u, v : int64
        Nodes.
    shared, core_u, core_v : int64
        Common pixels; those in the core of u's tile; those in the core of v's.
    iou : float64
        Within the overlap of the two windows.
    joined : bool
        The two are one nucleus.
    """

    u: np.ndarray
    v: np.ndarray
    shared: np.ndarray
    core_u: np.ndarray
    core_v: np.ndarray
    iou: np.ndarray
    joined: np.ndarray


@dataclass
class Matched:
    """Everything the grouping and the painting need to know about all tiles.

    Attributes
    ----------
    nodes, pairs
        See there.
    first, locals : dict of int to int, ndarray
        By tile index: number of the tile's first node; compacted ids of its nodes, ascending.
    inner : dict of int to ndarray
        By tile index: compacted ids of the instances no other tile sees.
    inner_area, inner_score, inner_uncertainty : dict of int to ndarray
        Of those.
    """

    nodes: Nodes
    pairs: Pairs
    first: dict[int, int] = field(default_factory=dict)
    locals: dict[int, np.ndarray] = field(default_factory=dict)
    inner: dict[int, np.ndarray] = field(default_factory=dict)
    inner_area: dict[int, np.ndarray] = field(default_factory=dict)
    inner_score: dict[int, np.ndarray] = field(default_factory=dict)
    inner_uncertainty: dict[int, np.ndarray] = field(default_factory=dict)


class Cache:
    """The tiles seen last, compacted."""

    def __init__(self, load: Callable[[Tile], Compacted], size: int) -> None:
        self._load, self._size = load, size
        self._held: OrderedDict[int, Compacted] = OrderedDict()

    def get(self, tile: Tile) -> Compacted:
        """The tile's instances, loaded unless held."""
        if tile.index in self._held:
            self._held.move_to_end(tile.index)
        else:
            self._held[tile.index] = self._load(tile)
            if len(self._held) > self._size:
                self._held.popitem(last=False)
        return self._held[tile.index]


def compacted(
    labels: np.ndarray, scores: np.ndarray, uncertainty: np.ndarray, tile: Tile, shape: tuple[int, ...]
) -> Compacted:
    """Check one tile's result and renumber it.

    Raises
    ------
    ValueError
        The labels do not fit the window, or there are fewer scores than instances: the method is at fault.
    """
    expected = tuple(piece.stop - piece.start for piece in tile.window)
    if labels.shape != expected:
        raise ValueError(f"tile {tile.index}: labels of shape {labels.shape} for a window of {expected}")
    small, ids = compact(labels)
    most = int(ids[-1]) if len(ids) else 0
    if len(scores) < most or len(uncertainty) < most:
        raise ValueError(f"tile {tile.index}: id {most}, but {len(scores)} scores and {len(uncertainty)} uncertainties")
    cut = np.zeros(len(ids) + 1, bool)
    for axis, (piece, side) in enumerate(zip(tile.window, shape, strict=True)):
        if piece.start > 0:
            cut[np.take(small, 0, axis)] = True
        if piece.stop < side:
            cut[np.take(small, -1, axis)] = True
    return Compacted(
        small,
        len(ids),
        np.asarray(scores, np.float32)[ids - 1],
        np.asarray(uncertainty, np.float32)[ids - 1],
        np.bincount(small.ravel(), minlength=len(ids) + 1),
        cut,
    )


def match(grid: Grid, order: Sequence[Tile], cache: Cache, match_iou: float) -> Matched:
    """Look at every tile and every pair of tiles that overlap.

    Parameters
    ----------
    grid : Grid
    order : sequence of Tile
        The tiles there are, in the order in which they are to be read.
    cache : Cache
    match_iou : float
        Instances are one nucleus when their IoU inside the overlap of two windows is greater.
    """
    present = np.zeros(len(grid), bool)
    present[[tile.index for tile in order]] = True
    rows: list[tuple[np.ndarray, ...]] = []
    pairs: list[tuple[np.ndarray, ...]] = []
    result = Matched(_nodes([], len(grid.shape)), _pairs([]))
    total = 0
    for tile in order:
        it = cache.get(tile)
        row = _describe(grid, tile, it, present, result)
        result.first[tile.index] = total
        result.locals[tile.index] = row[1]
        rows.append(row)
        total += len(row[1])
        for other in grid.neighbours(tile):
            if len(row[1]) and len(result.locals.get(other.index, ())):
                pairs.extend(_compare(grid, tile, it, other, cache.get(other), result, match_iou))
    result.nodes = _nodes(rows, len(grid.shape))
    result.pairs = _pairs(pairs)
    return result


def _nodes(rows: list[tuple[np.ndarray, ...]], ndim: int) -> Nodes:
    if not rows:
        none = np.zeros(0, np.int64)
        boxes_, points = np.zeros((0, ndim, 2), np.int64), np.zeros((0, ndim))
        return Nodes(none, none, boxes_, none, none, none.astype(bool), none, points, none.astype(bool), none, none)
    return Nodes(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def _pairs(rows: list[tuple[np.ndarray, ...]]) -> Pairs:
    if not rows:
        none = np.zeros(0, np.int64)
        return Pairs(none, none, none, none, none, none.astype(float), none.astype(bool))
    return Pairs(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def _describe(grid: Grid, tile: Tile, it: Compacted, present: np.ndarray, result: Matched) -> tuple[np.ndarray, ...]:
    """The columns of `Nodes` for one tile; notes the instances no other tile sees in `result`."""
    origin = np.array([piece.start for piece in tile.window])
    box = boxes(it.labels, it.count) + origin[None, :, None]
    area = it.area[1:]
    private = grid.private(tile)
    inner = ((box[..., 0] >= private[:, 0]) & (box[..., 1] <= private[:, 1])).all(axis=1)
    hidden, seen = np.flatnonzero(inner), np.flatnonzero(~inner)
    result.inner[tile.index] = hidden + 1
    result.inner_area[tile.index] = area[hidden]
    result.inner_score[tile.index] = it.scores[hidden]
    result.inner_uncertainty[tile.index] = it.uncertainty[hidden]

    depth = np.full(it.count, FAR, np.int64)
    for axis, piece in enumerate(tile.window):
        if piece.start > 0:
            depth = np.minimum(depth, box[:, axis, 0] - piece.start)
        if piece.stop < grid.shape[axis]:
            depth = np.minimum(depth, piece.stop - box[:, axis, 1])
    centre = _centres(tile, it, box - origin[None, :, None], seen)
    owner = grid.owner(centre)
    core_area = np.bincount(it.labels[tile.inner].ravel(), minlength=it.count + 1)[1:]
    return (
        np.full(len(seen), tile.index, np.int64),
        seen + 1,
        box[seen],
        area[seen],
        core_area[seen],
        it.cut[1:][seen],
        depth[seen],
        centre,
        (owner == tile.index) | ~present[owner],
        it.scores[seen],
        it.uncertainty[seen],
    )


def _centres(tile: Tile, it: Compacted, box: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Centre of mass of each instance in the image, (N, ndim); of those that do not cross the core's border any
    point on the same side of it will do, here the middle of the box."""
    centre = box[seen].mean(axis=2) - 0.5
    core = np.array([[piece.start, piece.stop] for piece in tile.inner])
    within = ((box[seen, :, 0] >= core[:, 0]) & (box[seen, :, 1] <= core[:, 1])).all(axis=1)
    for row in np.flatnonzero(~within).tolist():
        k = seen[row]
        crop = tuple(slice(start, stop) for start, stop in box[k])
        inside = np.nonzero(it.labels[crop] == k + 1)
        centre[row] = [axis.mean() + piece.start for axis, piece in zip(inside, crop, strict=True)]
    return centre + [piece.start for piece in tile.window]


def _compare(
    grid: Grid, tile: Tile, it: Compacted, other: Tile, its: Compacted, matched: Matched, match_iou: float
) -> list[tuple[np.ndarray, ...]]:
    """The columns of `Pairs` for two tiles."""
    common = intersection(tile.window, other.window)
    if common is None:
        return _contact(grid, tile, it, other, its, matched)
    a = it.labels[relative(common, tile.window)]
    b = its.labels[relative(common, other.window)]
    i, j, shared = pair_counts(a, b, it.count, its.count)
    if not len(i):
        return []
    area_a = np.bincount(a.ravel(), minlength=it.count + 1)
    area_b = np.bincount(b.ravel(), minlength=its.count + 1)
    iou = shared / (area_a[i] + area_b[j] - shared)
    joined = (iou > match_iou) & _best(i, iou) & _best(j, iou)
    # A piece cut off by its own window inside the other one belongs to what that one sees there, be it much larger.
    cut_a, cut_b = _cut_towards(tile, other, a), _cut_towards(other, tile, b)
    joined |= (cut_a[i] & (2 * shared > area_a[i])) | (cut_b[j] & (2 * shared > area_b[j]))
    # So does one cut anywhere that lies on the other's altogether: a branch both windows see end at the same line.
    joined |= it.cut[i] & (shared > _ON_TOP * it.area[i])
    joined |= its.cut[j] & (shared > _ON_TOP * its.area[j])
    joined |= _branches(a, b, i, j, ~joined & cut_a[i], its.count, tile, other)
    joined |= _branches(b, a, j, i, ~joined & cut_b[j], it.count, other, tile)
    core_i = core_j = shared
    if not joined.all():
        key = i * (its.count + 1) + j
        core_i = _shared_in(tile, it, tile, other, its, key)
        core_j = _shared_in(other, it, tile, other, its, key)
    u, v = _node(matched, tile, i), _node(matched, other, j)
    return [(u, v, shared, core_i, core_j, iou, joined)]


def _node(matched: Matched, tile: Tile, local: np.ndarray) -> np.ndarray:
    return matched.first[tile.index] + np.searchsorted(matched.locals[tile.index], local)


def _best(of: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Whether each pair has the highest value among the pairs of `of`."""
    highest = np.zeros(int(of.max()) + 1)
    np.maximum.at(highest, of, value)
    return value >= highest[of]


def _cut_towards(tile: Tile, other: Tile, block: np.ndarray) -> np.ndarray:
    """Which ids of `tile` reach its window's border where `other` sees further; indexed by id.

    `block` holds the labels of `tile` in the overlap of both windows.
    """
    cut = np.zeros(int(block.max(initial=0)) + 1, bool)
    for axis, (mine, its) in enumerate(zip(tile.window, other.window, strict=True)):
        if its.start < mine.start:
            cut[np.take(block, 0, axis)] = True
        if its.stop > mine.stop:
            cut[np.take(block, -1, axis)] = True
    cut[0] = False
    return cut


def _branches(
    block: np.ndarray,
    seen: np.ndarray,
    of: np.ndarray,
    by: np.ndarray,
    open_: np.ndarray,
    count: int,
    tile: Tile,
    other: Tile,
) -> np.ndarray:
    """Whether a branch of one instance, cut off by the window, lies mostly in the other: for pairs still open.

    An instance may enter the overlap in several places, each of which the other tile may see as a nucleus of its own.
    `block` and `seen` are the labels of `tile` and `other` in their overlap, `of` and `by` the pairs' ids in them.
    """
    result = np.zeros(len(of), bool)
    if not open_.any():
        return result
    from skimage.measure import label

    asked = np.zeros(int(block.max()) + 1, bool)
    asked[of[open_]] = True
    parts, number = label(np.where(asked[block], block, 0), connectivity=block.ndim, return_num=True)
    part, partner, shared = pair_counts(parts, seen, number, count)
    mostly = _cut_towards(tile, other, parts)[part] & (2 * shared > np.bincount(parts.ravel())[part])
    owner = np.zeros(number + 1, np.int64)
    owner[parts] = block
    wanted = owner[part[mostly]] * (count + 1) + partner[mostly]
    return open_ & np.isin(of * (count + 1) + by, wanted)


def _shared_in(core_of: Tile, it: Compacted, tile: Tile, other: Tile, its: Compacted, key: np.ndarray) -> np.ndarray:
    """Common pixels of each pair inside one tile's core."""
    result = np.zeros(len(key), np.int64)
    common = intersection(core_of.core, (other if core_of is tile else tile).window)
    if common is None:
        return result
    i, j, shared = pair_counts(
        it.labels[relative(common, tile.window)], its.labels[relative(common, other.window)], it.count, its.count
    )
    result[np.searchsorted(key, i * (its.count + 1) + j)] = shared
    return result


def _contact(
    grid: Grid, tile: Tile, it: Compacted, other: Tile, its: Compacted, matched: Matched
) -> list[tuple[np.ndarray, ...]]:
    """Pairs that touch across a seam without halo: one nucleus where most of the shorter contact is common."""
    touching = [
        axis
        for axis, (p, q) in enumerate(zip(tile.window, other.window, strict=True))
        if p.stop == q.start or q.stop == p.start
    ]
    if len(touching) != 1:
        return []
    axis = touching[0]
    after = tile.window[axis].start == other.window[axis].stop
    a, b = np.take(it.labels, 0 if after else -1, axis), np.take(its.labels, -1 if after else 0, axis)
    rest = [k for k in range(len(grid.shape)) if k != axis]
    mine, theirs = tuple(tile.window[k] for k in rest), tuple(other.window[k] for k in rest)
    common = intersection(mine, theirs)
    if common is None:
        return []
    a, b = a[relative(common, mine)], b[relative(common, theirs)]
    i, j, contact = pair_counts(a, b, it.count, its.count)
    if not len(i):
        return []
    length_a, length_b = np.bincount(a.ravel()), np.bincount(b.ravel())
    share = contact / np.minimum(length_a[i], length_b[j])
    joined = (share > 0.5) & _best(i, contact) & _best(j, contact)
    none = np.zeros(len(i), np.int64)
    return [(_node(matched, tile, i), _node(matched, other, j), none, none, none, share, joined)]
