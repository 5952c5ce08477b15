"""The label image of a box, from tiles, in bands of rows so that a slide never has to fit into memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from napari_nucleidomain.instances.stitching import Grid, Painted, Tile, stitch

from .tile_store import TileStore
from .tiles import Box, TileReader, model_shape

_BAND_PIXELS = 1 << 24


def assemble(
    grid: Grid, tiles: list[Tile], store: TileStore, reader: TileReader, box: Box
) -> tuple[np.ndarray, Painted, np.ndarray]:
    """Stitch tiles and bring the result to image pixels.

    Parameters
    ----------
    grid : Grid
        In model pixels.
    tiles : list of Tile
        Those that see the box.
    store : TileStore
        Holds what each gave.
    reader : TileReader
        Knows the scale.
    box : Box
        In image pixels.

    Returns
    -------
    labels : ndarray (*box shape) uint32
        Ids 1..N without gaps.
    painted : Painted
        Scores of all stitched nuclei.
    kept : ndarray (N,) int64
        Which of those nucleus k is, at k - 1.
    """
    axes = range(len(grid.shape))
    origin = tuple(min(tile.core[axis].start for tile in tiles) for axis in axes)
    stop = tuple(max(tile.core[axis].stop for tile in tiles) for axis in axes)
    stitched = store.canvas("stitched", tuple(b - a for a, b in zip(origin, stop, strict=True)))

    def write(core: tuple[slice, ...], block: np.ndarray) -> None:
        stitched[tuple(slice(c.start - o, c.stop - o) for c, o in zip(core, origin, strict=True))] = block

    painted = stitch(grid, store.get, write, tiles=tiles)
    places = _places(reader, box, origin, stitched.shape)
    labels = store.canvas("labels", tuple(b - a for a, b in box))
    seen = np.zeros(painted.count + 1, dtype=bool)
    for band in _bands(labels.shape):
        rows = stitched[places[0][band]]
        part = rows[np.ix_(np.arange(len(rows)), *places[1:])]
        seen[np.unique(part)] = True
        labels[band] = part
    seen[0] = False
    kept = np.flatnonzero(seen)
    table = np.zeros(painted.count + 1, dtype=np.uint32)
    table[kept] = np.arange(1, len(kept) + 1, dtype=np.uint32)
    for band in _bands(labels.shape):
        labels[band] = table[labels[band]]
    return labels, painted, kept - 1


def _bands(shape: tuple[int, ...]) -> Iterator[slice]:
    rows = max(1, _BAND_PIXELS // max(1, int(np.prod(shape[1:]))))
    return (slice(start, min(shape[0], start + rows)) for start in range(0, shape[0], rows))


def _places(reader: TileReader, box: Box, origin: tuple[int, ...], size: tuple[int, ...]) -> list[np.ndarray]:
    """Per axis, the stitched pixel that lies under each image pixel of the box."""
    model = model_shape(reader.shape, reader.factor)
    places = []
    for (start, stop), side, model_side, first, length in zip(box, reader.shape, model, origin, size, strict=True):
        centres = (np.arange(start, stop) + 0.5) * (model_side / side)
        places.append(np.clip(np.floor(centres).astype(np.int64) - first, 0, length - 1))
    return places
