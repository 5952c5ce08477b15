"""The stitched label image of a slide, on disk while it is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts.files import disk_error
from napari_nucleidomain.instances.grid import Grid


class CoreCanvas:
    """A label image in chunks that are the cores of a grid: writing a core never reads one back.

    Read and written with slices, one per axis.

    Parameters
    ----------
    path : Path
        Folder to make; it must not be there yet.
    grid : Grid
    origin : tuple of int
        Place of its first pixel in the grid.
    shape : tuple of int

    Raises
    ------
    NucleiError
        The disk is full or the folder cannot be written.
    """

    dtype = np.dtype(np.uint32)

    def __init__(self, path: Path, grid: Grid, origin: tuple[int, ...], shape: tuple[int, ...]) -> None:
        import zarr

        self.shape = shape
        # Seams lie at halo + k * stride; so many pixels are put before the first, that seams fall between chunks.
        self._lead = tuple((o - h) % s for o, h, s in zip(origin, grid.halo, grid.stride, strict=True))
        whole = tuple(n + lead for n, lead in zip(shape, self._lead, strict=True))
        chunks = tuple(min(s, n) for s, n in zip(grid.stride, whole, strict=True))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._array: Any = zarr.create_array(str(path), shape=whole, chunks=chunks, dtype="uint32", fill_value=0)
        except OSError as error:
            raise disk_error(error, path) from error
        self._path = path

    def _key(self, box: tuple[slice, ...]) -> tuple[slice, ...]:
        return tuple(
            slice((piece.start or 0) + lead, (n if piece.stop is None else piece.stop) + lead)
            for piece, lead, n in zip(box, self._lead, self.shape, strict=True)
        )

    def __getitem__(self, box: tuple[slice, ...]) -> np.ndarray:
        return np.asarray(self._array[self._key(box)])

    def __setitem__(self, box: tuple[slice, ...], block: np.ndarray) -> None:
        try:
            self._array[self._key(box)] = block
        except OSError as error:
            raise disk_error(error, self._path) from error
