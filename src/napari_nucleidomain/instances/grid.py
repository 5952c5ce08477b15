"""How an image is cut into tiles: always the same way, whatever part of it is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from napari_nucleidomain.contracts import NucleiError

Box = tuple[slice, ...]


@dataclass(frozen=True)
class Tile:
    """One tile of a grid.

    Attributes
    ----------
    index : int
        Its number in the grid, C order.
    place : tuple of int
        Its position per axis.
    core : tuple of slice
        Pixels of the image that belong to this tile; cores partition the image.
    window : tuple of slice
        Pixels the tile sees: its core, widened by the halo, clipped to the image.
    """

    index: int
    place: tuple[int, ...]
    core: Box
    window: Box

    def __hash__(self) -> int:
        return hash(self.place)  # slices cannot be hashed before Python 3.12

    @property
    def inner(self) -> Box:
        """The core in coordinates of the window."""
        return relative(self.core, self.window)


@dataclass(frozen=True)
class Grid:
    """Tiles anchored at the image's origin.

    Windows start at multiples of ``tile - 2 * halo`` and are `tile` long, but for the last one along each axis, which
    the image may cut short. Neighbouring windows overlap by twice the halo and the seam between their cores lies in the
    middle of the overlap. An image no longer than a tile is one tile.

    Parameters
    ----------
    shape : tuple of int
        Of the image, in pixels.
    tile : tuple of int
        Side of a window per axis, in pixels, halo included.
    halo : tuple of int
        Margin of a window at each side that belongs to the neighbours' cores.

    Raises
    ------
    NucleiError
        Axes differ, a side is not positive, or the halos leave no core.
    """

    shape: tuple[int, ...]
    tile: tuple[int, ...]
    halo: tuple[int, ...]

    def __post_init__(self) -> None:
        for name in ("shape", "tile", "halo"):
            object.__setattr__(self, name, tuple(int(side) for side in getattr(self, name)))
        if not len(self.shape) == len(self.tile) == len(self.halo):
            raise NucleiError(
                f"An image of {len(self.shape)} axes cannot be cut into tiles of {len(self.tile)} axes.",
                "Use a 2D model for images and a 3D model for volumes.",
            )
        if any(side < 0 for side in self.shape):
            raise NucleiError("The image has a negative size.", "Open the image again.")
        for tile, halo in zip(self.tile, self.halo, strict=True):
            if halo < 0 or tile - 2 * halo < 1:
                raise NucleiError(
                    f"Tiles of {tile} px with a margin of {halo} px at both sides have nothing left in the middle.",
                    "Make the tile larger or the margin smaller.",
                )

    @property
    def stride(self) -> tuple[int, ...]:
        """Distance of neighbouring windows per axis, in pixels."""
        return tuple(tile - 2 * halo for tile, halo in zip(self.tile, self.halo, strict=True))

    @property
    def counts(self) -> tuple[int, ...]:
        """Tiles per axis."""
        if 0 in self.shape:
            return (0,) * len(self.shape)
        return tuple(
            1 + max(0, -(-(side - tile) // stride))
            for side, tile, stride in zip(self.shape, self.tile, self.stride, strict=True)
        )

    def __len__(self) -> int:
        return int(np.prod(self.counts))

    def __iter__(self) -> Iterator[Tile]:
        return map(self.at, product(*map(range, self.counts)))

    def __getitem__(self, index: int) -> Tile:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.at(tuple(int(i) for i in np.unravel_index(index, self.counts)))

    def at(self, place: tuple[int, ...]) -> Tile:
        """The tile at a position per axis."""
        counts = self.counts
        core, window = [], []
        for axis, i in enumerate(place):
            side, tile, halo, stride = self.shape[axis], self.tile[axis], self.halo[axis], self.stride[axis]
            start, last = i * stride, i == counts[axis] - 1
            window.append(slice(start, min(side, start + tile)))
            core.append(slice(start + halo if i else 0, side if last else start + tile - halo))
        index = 0
        for i, count in zip(place, counts, strict=True):
            index = index * count + i
        return Tile(index, tuple(place), tuple(core), tuple(window))

    def seams(self) -> tuple[np.ndarray, ...]:
        """Per axis the coordinates at which a new core begins, (count - 1,) int64 each."""
        return tuple(
            np.arange(1, count) * stride + halo
            for count, stride, halo in zip(self.counts, self.stride, self.halo, strict=True)
        )

    def middles(self) -> tuple[np.ndarray, ...]:
        """Per axis lines through the middle of the windows, where no tile's border is near: a control for `seams`."""
        return tuple(
            (np.arange(count) * stride + tile // 2)[: count - 1]
            for count, stride, tile in zip(self.counts, self.stride, self.tile, strict=True)
        )

    def owner(self, points: np.ndarray) -> np.ndarray:
        """Index of the tile whose core holds each point.

        Parameters
        ----------
        points : ndarray (N, ndim) float
            Coordinates in pixels; pixel centres are at whole numbers.

        Returns
        -------
        ndarray (N,) int64
        """
        index = np.zeros(len(points), np.int64)
        for axis, (seams, count) in enumerate(zip(self.seams(), self.counts, strict=True)):
            index = index * count + np.searchsorted(seams, np.asarray(points)[:, axis] + 0.5, side="right")
        return index

    def private(self, tile: Tile) -> np.ndarray:
        """The part of a core that no other window sees; (ndim, 2) int64, start and stop, possibly empty.

        Along an axis without halo the pixels at the seams are left out, as they touch the neighbours'.
        """
        result = np.empty((len(self.shape), 2), np.int64)
        for axis, i in enumerate(tile.place):
            touching = int(self.halo[axis] == 0)
            last = i == self.counts[axis] - 1
            start = (i - 1) * self.stride[axis] + self.tile[axis] + touching if i else 0
            result[axis] = start, self.shape[axis] if last else (i + 1) * self.stride[axis] - touching
        return result

    def neighbours(self, tile: Tile) -> Iterator[Tile]:
        """Other tiles whose window overlaps this one's, or touches it along axes without halo."""
        reach = []
        for axis, i in enumerate(tile.place):
            far = max(1, (self.tile[axis] - 1) // self.stride[axis])
            reach.append(range(max(0, i - far), min(self.counts[axis], i + far + 1)))
        return (self.at(place) for place in product(*reach) if place != tile.place)


def walk(grid: Grid, tiles: Sequence[Tile], side: int) -> list[Tile]:
    """Tiles in an order in which neighbours come soon after each other: squares of `side` tiles, one by one."""
    return sorted(tiles, key=lambda tile: (tuple(i // side for i in tile.place), tile.place))


def intersection(a: Box, b: Box) -> Box | None:
    """Common pixels of two boxes, None where there are none."""
    common = tuple(slice(max(p.start, q.start), min(p.stop, q.stop)) for p, q in zip(a, b, strict=True))
    return common if all(piece.start < piece.stop for piece in common) else None


def relative(box: Box, origin: Box) -> Box:
    """`box` in coordinates of the box `origin`."""
    return tuple(slice(p.start - o.start, p.stop - o.start) for p, o in zip(box, origin, strict=True))
