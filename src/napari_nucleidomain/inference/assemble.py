"""The label image of a box, from tiles, block by block, so that a slide never has to fit into memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_nucleidomain.data.labels_out import boxes
from napari_nucleidomain.instances.stitching import Grid, Painted, Tile, stitch

from .tile_store import TileStore
from .tiles import Box, TileReader, model_shape

# Rows and columns of a block: a multiple of the chunks of the files that labels are written to.
BLOCK = 2048

# Given a block of the box (slices into it): the pixels that count, bool.
Inside = Callable[[tuple[slice, ...]], np.ndarray]
# Given the shape of the labels: what they are written into, by slices.
Place = Callable[[tuple[int, ...]], Any]


@dataclass(frozen=True)
class Wishes:
    """What the caller wants of the labels beside the labels.

    Attributes
    ----------
    place : callable
        Makes what labels are written into: an array in memory by default, a file for a slide.
    inside : callable or None
        Only nuclei most of whose pixels count are kept.
    joining : callable
        Told (done, total) while tiles are joined; may raise to stop.
    """

    place: Place = lambda shape: np.zeros(shape, dtype=np.uint32)
    inside: Inside | None = None
    joining: Callable[[int, int], None] = lambda done, total: None


def assemble(
    grid: Grid, tiles: list[Tile], store: TileStore, reader: TileReader, box: Box, wishes: Wishes, least_px: int = 1
) -> tuple[Any, Painted, np.ndarray]:
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
    wishes : Wishes
    least_px : int
        Smaller nuclei, in model pixels, are left out: what joining has left of a piece under its neighbours.

    Returns
    -------
    labels : array-like (*box shape) uint32
        What `wishes.place` made, filled. Ids 1..N without gaps.
    painted : Painted
        Scores of all stitched nuclei.
    kept : ndarray (N,) int64
        Which of those nucleus k is, at k - 1.
    """
    axes = range(len(grid.shape))
    origin = tuple(min(tile.core[axis].start for tile in tiles) for axis in axes)
    stop = tuple(max(tile.core[axis].stop for tile in tiles) for axis in axes)
    stitched = store.canvas(grid, origin, tuple(b - a for a, b in zip(origin, stop, strict=True)))
    shape = tuple(b - a for a, b in box)
    blocks = list(boxes(shape, BLOCK))
    total, done = len(tiles) + 2 * len(blocks), 0

    def write(core: tuple[slice, ...], block: np.ndarray) -> None:
        nonlocal done
        wishes.joining(done, total)
        stitched[tuple(slice(c.start - o, c.stop - o) for c, o in zip(core, origin, strict=True))] = block
        done += 1

    painted = stitch(grid, store.get, write, tiles=tiles)
    places = _places(reader, box, origin, stitched.shape)
    pixels = np.zeros(painted.count + 1, np.int64)
    within = np.zeros(painted.count + 1, np.int64)
    for block in blocks:
        wishes.joining(done, total)
        part = _part(stitched, places, block)
        pixels += np.bincount(part.ravel(), minlength=painted.count + 1)
        if wishes.inside is not None:
            within += np.bincount(part[wishes.inside(block)], minlength=painted.count + 1)
        done += 1
    wanted = (pixels > 0) & ((wishes.inside is None) | (2 * within > pixels))
    wanted[1:] &= painted.areas >= least_px
    wanted[0] = False
    kept = np.flatnonzero(wanted)
    table = np.zeros(painted.count + 1, dtype=np.uint32)
    table[kept] = np.arange(1, len(kept) + 1, dtype=np.uint32)
    labels = wishes.place(shape)
    for block in blocks:
        wishes.joining(done, total)
        labels[block] = table[_part(stitched, places, block)]
        done += 1
    wishes.joining(total, total)
    return labels, painted, kept - 1


def _part(stitched: Any, places: list[np.ndarray], block: tuple[slice, ...]) -> np.ndarray:
    """The stitched ids under a block of the box."""
    under = [place[piece] for place, piece in zip(places, block, strict=True)]
    corner = [int(place[0]) for place in under]
    window = stitched[tuple(slice(low, int(place[-1]) + 1) for low, place in zip(corner, under, strict=True))]
    if window.shape == tuple(len(place) for place in under):
        return np.asarray(window)
    return np.asarray(window[np.ix_(*(place - low for place, low in zip(under, corner, strict=True)))])


def _places(reader: TileReader, box: Box, origin: tuple[int, ...], size: tuple[int, ...]) -> list[np.ndarray]:
    """Per axis, the stitched pixel that lies under each image pixel of the box; ascending."""
    model = model_shape(reader.shape, reader.factor)
    places = []
    for (start, stop), side, model_side, first, length in zip(box, reader.shape, model, origin, size, strict=True):
        centres = (np.arange(start, stop) + 0.5) * (model_side / side)
        places.append(np.clip(np.floor(centres).astype(np.int64) - first, 0, length - 1))
    return places
