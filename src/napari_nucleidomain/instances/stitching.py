"""The one stitcher: nuclei found tile by tile become one label image, in 2D and 3D, in memory or streamed.

Neighbouring tiles are compared where their windows overlap (`stitchmatch`), instances that are one nucleus are grouped
(`stitchgroups`), and each nucleus is painted whole from the tile that sees it best, or piece by piece from all cores
where no tile sees all of it. A label image that was cut into tiles comes back as it was, whatever the grid, as long as
neighbouring windows overlap (halo of at least 1) and each nucleus is connected. Without overlap nuclei are joined
across a seam where most of the contact is common, which is a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .grid import Box, Grid, Tile, intersection, relative, walk
from .labelimage import as_labels, compact
from .stitchgroups import Plan, plan
from .stitchmatch import Cache, Compacted, Matched, compacted, match

__all__ = ["Grid", "Painted", "Stitched", "Tile", "TileInstances", "stitch", "stitch_array"]


@dataclass(frozen=True)
class TileInstances:
    """Nuclei of one tile.

    Attributes
    ----------
    labels : ndarray (*window shape), integers
        0 background; ids need not be consecutive.
    scores, uncertainty : ndarray (N,) float32
        In [0, 1], of id k at k - 1; N is at least the highest id.
    """

    labels: np.ndarray
    scores: np.ndarray
    uncertainty: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray) -> TileInstances:
        """From labels alone, ids made consecutive: every score is 1, every uncertainty 0."""
        small, ids = compact(as_labels(labels))
        return cls(small, np.ones(len(ids), np.float32), np.zeros(len(ids), np.float32))


@dataclass(frozen=True)
class Painted:
    """What a streamed stitching wrote.

    Attributes
    ----------
    count : int
        Highest id. An id whose pixels all lie under other nuclei has area 0 and does not appear.
    scores, uncertainty : ndarray (count,) float32
        Of id k at k - 1.
    areas : ndarray (count,) int64
        Pixels written.
    """

    count: int
    scores: np.ndarray
    uncertainty: np.ndarray
    areas: np.ndarray


@dataclass(frozen=True)
class Stitched:
    """A stitched label image.

    Attributes
    ----------
    labels : ndarray uint32
        Ids 1..N.
    origin : tuple of int
        Where its first pixel lies in the image: not all 0 where only some tiles were stitched.
    scores, uncertainty : ndarray (N,) float32
        Of id k at k - 1.
    """

    labels: np.ndarray
    origin: tuple[int, ...]
    scores: np.ndarray
    uncertainty: np.ndarray


def stitch(
    grid: Grid,
    load: Callable[[int], TileInstances | None],
    write: Callable[[Box, np.ndarray], None],
    *,
    tiles: Iterable[Tile] | None = None,
    match_iou: float = 0.5,
    overlap_limit: float = 0.5,
    cache_tiles: int = 48,
) -> Painted:
    """Stitch tiles of an image of any size.

    Every tile is loaded a few times, in an order in which neighbours come together; at most `cache_tiles` are held.
    Beside them memory holds some 200 bytes for each nucleus near a seam and some 20 for every other.

    Parameters
    ----------
    grid : Grid
    load : callable
        Given a tile's index, its nuclei; None where it has none. Must give the same each time.
    write : callable
        Given a core (slices into the image) and its labels (uint32); called once for every tile, in any order.
    tiles : iterable of Tile, optional
        Those there are. Default: all of the grid. Nothing is dropped for what the others might have shown.
    match_iou : float
        Instances of two tiles are one nucleus when their IoU inside the overlap of the windows is greater.
    overlap_limit : float
        Of two nuclei of different tiles that share more than this part of the smaller one, the less sure goes.
    cache_tiles : int
        Tiles held in memory.

    Returns
    -------
    Painted

    Raises
    ------
    ValueError
        A tile's labels do not fit its window, or have fewer scores than ids.
    """
    side = 8 if len(grid.shape) == 2 else 4
    order = walk(grid, list(grid if tiles is None else tiles), side)
    cache = Cache(lambda tile: _load(grid, load, tile), max(2, cache_tiles))
    matched = match(grid, order, cache, match_iou)
    made = plan(grid, matched, overlap_limit)
    return _paint(grid, order, cache, matched, made, write)


def _load(grid: Grid, load: Callable[[int], TileInstances | None], tile: Tile) -> Compacted:
    found = load(tile.index)
    if found is None:
        found = TileInstances.of(np.zeros([piece.stop - piece.start for piece in tile.window], np.int32))
    return compacted(as_labels(found.labels), found.scores, found.uncertainty, tile, grid.shape)


def _paint(
    grid: Grid,
    order: Sequence[Tile],
    cache: Cache,
    matched: Matched,
    made: Plan,
    write: Callable[[Box, np.ndarray], None],
) -> Painted:
    inner_count = {tile.index: len(matched.inner[tile.index]) for tile in order}
    following = made.count
    starts = {}
    for tile in order:
        starts[tile.index] = following
        following += inner_count[tile.index]
    seen_area = np.zeros(made.count, np.int64)
    for tile in order:
        it = cache.get(tile)
        table = _table(matched, made, tile, it.count, whole_only=False)
        inner = matched.inner[tile.index]
        table[inner] = starts[tile.index] + 1 + np.arange(len(inner))
        block = table[it.labels[tile.inner]]
        for other in grid.neighbours(tile):
            if _reaches(matched, made, other, tile):
                its = cache.get(other)
                common = intersection(other.window, tile.core)
                if common is not None:
                    over = _table(matched, made, other, its.count, whole_only=True)
                    part = block[relative(common, tile.core)]
                    np.maximum(part, over[its.labels[relative(common, other.window)]], out=part)
        ids, areas = np.unique(block[(block > 0) & (block <= made.count)], return_counts=True)
        seen_area[ids - 1] += areas
        write(tile.core, block.astype(np.uint32))

    def parts(first: np.ndarray, rest: dict[int, np.ndarray]) -> np.ndarray:
        return np.concatenate([first, *(rest[tile.index] for tile in order)])

    return Painted(
        following,
        parts(made.score, matched.inner_score),
        parts(made.uncertainty, matched.inner_uncertainty),
        parts(seen_area, matched.inner_area),
    )


def _nodes_of(matched: Matched, tile: Tile) -> slice:
    if tile.index not in matched.first:
        return slice(0, 0)
    first = matched.first[tile.index]
    return slice(first, first + len(matched.locals[tile.index]))


def _table(matched: Matched, made: Plan, tile: Tile, count: int, *, whole_only: bool) -> np.ndarray:
    """Final id of every compacted id of a tile; (count + 1,) int64."""
    nodes = _nodes_of(matched, tile)
    number = made.number[nodes]
    table = np.zeros(count + 1, np.int64)
    if len(number):
        table[matched.locals[tile.index]] = np.where(made.whole[nodes], number, 0) if whole_only else number
    return table


def _reaches(matched: Matched, made: Plan, other: Tile, tile: Tile) -> bool:
    """Whether a nucleus painted whole from `other` may lie in the core of `tile`."""
    nodes = _nodes_of(matched, other)
    box = matched.nodes.box[nodes][made.whole[nodes] & (made.number[nodes] > 0)]
    start, stop = np.array([[piece.start, piece.stop] for piece in tile.core]).T
    return bool(((box[..., 0] < stop) & (box[..., 1] > start)).all(axis=1).any())


def stitch_array(
    grid: Grid,
    results: Callable[[int], TileInstances | None] | Mapping[int, TileInstances] | Sequence[TileInstances],
    *,
    tiles: Iterable[Tile] | None = None,
    match_iou: float = 0.5,
    overlap_limit: float = 0.5,
) -> Stitched:
    """Stitch tiles into one array in memory.

    Parameters
    ----------
    grid : Grid
    results : callable, mapping or sequence
        Nuclei by tile index.
    tiles : iterable of Tile, optional
        Those there are; the array then covers the smallest box that holds their cores.
    match_iou, overlap_limit : float
        As for `stitch`.

    Returns
    -------
    Stitched
    """
    chosen = list(grid if tiles is None else tiles)
    load = results if callable(results) else results.__getitem__
    axes = range(len(grid.shape))
    low = tuple(min((tile.core[k].start for tile in chosen), default=0) for k in axes)
    high = tuple(max((tile.core[k].stop for tile in chosen), default=0) for k in axes)
    labels = np.zeros([stop - start for start, stop in zip(low, high, strict=True)], np.uint32)

    def write(core: Box, block: np.ndarray) -> None:
        labels[tuple(slice(p.start - o, p.stop - o) for p, o in zip(core, low, strict=True))] = block

    painted = stitch(
        grid,
        load,
        write,
        tiles=chosen,
        match_iou=match_iou,
        overlap_limit=overlap_limit,
        cache_tiles=max(2, len(chosen)),
    )
    visible = painted.areas > 0
    if not visible.all():
        table = np.zeros(painted.count + 1, np.uint32)
        table[1:][visible] = np.arange(1, int(visible.sum()) + 1)
        labels = table[labels]
    return Stitched(labels, low, painted.scores[visible], painted.uncertainty[visible])
