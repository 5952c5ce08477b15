"""Tiles to the device in batches that shrink when memory runs out; then the tiles shrink."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError, Segmenter
from napari_nucleidomain.contracts.memory import is_memory_full
from napari_nucleidomain.instances.stitching import Grid, Tile, TileInstances, stitch_array

from .tiles import pad_to

# Nuclei are not looked for in smaller tiles, in pixels.
_LEAST_SIDE = 48


class Batcher:
    """Runs a segmenter over tiles, reading the next tiles while the device works.

    Parameters
    ----------
    segmenter : Segmenter
        The model.
    constants : Any
        From `segmenter.prepare`.
    read : callable
        Gives the pixels (*window, C) of a tile.
    warn : callable
        Told (message, hint) when the batch or the tile is halved.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        constants: Any,
        read: Callable[[Tile], np.ndarray],
        warn: Callable[[str, str], None],
    ) -> None:
        self._segmenter, self._constants = segmenter, constants
        self._read, self._warn = read, warn
        self._batch = max(1, segmenter.spec.batch)
        self._side = segmenter.spec.tile

    def run(self, tiles: list[Tile]) -> Iterator[tuple[Tile, TileInstances]]:
        """Every tile with what the segmenter made of it, cut back to the tile's window.

        Raises
        ------
        NucleiError
            Even a single small tile does not fit into memory.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as pool:
            place = 0
            ahead = self._ahead(pool, tiles[: self._first(tiles)])
            while place < len(tiles):
                pixels = self._come(ahead, tiles[place])
                now = tiles[place : place + len(pixels)]
                place += len(pixels)
                ahead = self._ahead(pool, tiles[place : place + self._batch])
                yield from zip(now, self._forward(pixels), strict=True)

    def _first(self, tiles: list[Tile]) -> int:
        """The first batch is small, so that something is on the screen soon."""
        return min(len(tiles), self._batch, 2)

    def _ahead(self, pool: ThreadPoolExecutor, tiles: list[Tile]) -> Callable[[], list[np.ndarray]]:
        """Have tiles read meanwhile; where there is no memory for a thread, when they are asked for."""
        try:
            return pool.submit(self._read_all, tiles).result
        except RuntimeError as error:
            if not is_memory_full(error):
                raise
            return lambda: self._read_all(tiles)

    def _come(self, ahead: Callable[[], list[np.ndarray]], first: Tile) -> list[np.ndarray]:
        """Tiles that were read ahead; where memory was full for them the first of them, alone."""
        try:
            return ahead()
        except BaseException as error:
            if not is_memory_full(error):
                raise
        if self._batch > 1:
            self._shrink()
        try:
            return self._read_all([first])
        except BaseException as error:
            if not is_memory_full(error):
                raise
            raise self._too_small() from error

    def _read_all(self, tiles: list[Tile]) -> list[np.ndarray]:
        return [self._read(tile) for tile in tiles]

    def _forward(self, pixels: list[np.ndarray]) -> list[TileInstances]:
        made: list[TileInstances] = []
        while len(made) < len(pixels):
            part = pixels[len(made) : len(made) + self._batch]
            try:
                made.extend(self._padded_forward(part))
            # Of any class: safetensors and other libraries in Rust raise what is no `Exception`.
            except BaseException as error:
                if not is_memory_full(error):
                    raise
                self._shrink()
        return made

    def _shrink(self) -> None:
        """Half the batch; where that is one tile, half the tile."""
        hint = "Nothing is lost; it is a little slower."
        if self._batch > 1:
            self._batch = max(1, self._batch // 2)
            self._warn(f"Memory was full: continued with half the batch ({self._batch}).", hint)
            return
        multiple = self._segmenter.spec.multiple
        smaller = tuple(-(-side // (2 * multiple)) * multiple for side in self._side)
        if max(self._side) < 2 * _LEAST_SIDE or smaller == self._side:
            raise self._too_small() from None
        self._side = smaller
        shown = " × ".join(map(str, smaller))
        self._warn(f"Memory was full even for one tile: continued with tiles of half the side ({shown} px).", hint)

    def _too_small(self) -> NucleiError:
        return NucleiError(
            "The memory is too small for even one tile of this model.",
            "Close other programs, or choose the CPU as device.",
        )

    def _padded_forward(self, pixels: list[np.ndarray]) -> list[TileInstances]:
        spec = self._segmenter.spec
        if self._side != spec.tile:
            return [self._in_parts(block) for block in pixels]
        shapes = [block.shape[: spec.ndim] for block in pixels]
        wanted = [self._wanted(shape) for shape in shapes]
        # Tiles of one batch must be of one shape: all grow to the largest of each side.
        common = tuple(max(sides) for sides in zip(*wanted, strict=True))
        padded = [pad_to(block, common) for block in pixels]
        results = self._segmenter.forward(padded, self._constants)
        return [cut_back(result, shape) for result, shape in zip(results, shapes, strict=True)]

    def _in_parts(self, block: np.ndarray) -> TileInstances:
        """One tile cut into smaller ones, each for itself on the device, and joined again."""
        spec = self._segmenter.spec
        shape = block.shape[: spec.ndim]
        # Margins as wide as before, but for at least a third of the small tile its core.
        halo = tuple(min(margin, side // 3) for margin, side in zip(spec.halo, self._side, strict=True))
        grid = Grid(shape, self._side, halo)
        found = {}
        for part in grid:
            window = block[part.window]
            sides = window.shape[: spec.ndim]
            multiples = tuple(-(-side // spec.multiple) * spec.multiple for side in sides)
            padded = pad_to(window, self._side if spec.fixed else multiples)
            found[part.index] = cut_back(self._segmenter.forward([padded], self._constants)[0], sides)
        joined = stitch_array(grid, found)
        return TileInstances(joined.labels.astype(np.int32), joined.scores, joined.uncertainty)

    def _wanted(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        spec = self._segmenter.spec
        if spec.fixed:
            return tuple(max(side, tile) for side, tile in zip(shape, spec.tile, strict=True))
        return tuple(-(-side // spec.multiple) * spec.multiple for side in shape)


def cut_back(result: TileInstances, shape: tuple[int, ...]) -> TileInstances:
    """Take padding off again; nuclei that lay only in the padding go."""
    if result.labels.shape == shape:
        return result
    labels = result.labels[tuple(slice(0, side) for side in shape)]
    kept = np.unique(labels)
    kept = kept[kept > 0]
    table = np.zeros(int(result.labels.max(initial=0)) + 1, dtype=np.int32)
    table[kept] = np.arange(1, len(kept) + 1)
    return TileInstances(table[labels], result.scores[kept - 1], result.uncertainty[kept - 1])
