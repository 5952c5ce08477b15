"""Labels as OME-Zarr, written block after block, with a pyramid; for results of any size."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts.files import disk_error

_CHUNK = 512
_SMALLEST = 512  # the pyramid ends when rows and columns are no longer than this


class LabelsZarrWriter:
    """Write a label image block by block, then its pyramid. Can be read and written with slices, as an array.

    Parameters
    ----------
    path : Path
        Folder to make or, with `resume`, to go on with.
    shape : sequence of int
        Spatial lengths, (y, x) or (z, y, x).
    pixel_size_um : sequence of float, optional
        Per spatial axis.
    name : str
        Written into the metadata.
    origin : sequence of float, optional
        Place of the first pixel in the image, in pixels, when the labels are of a part of it.
    resume : bool
        Keep what is already there.

    Raises
    ------
    NucleiError
        The disk is full or the folder cannot be written.

    Notes
    -----
    OME-Zarr 0.4 on Zarr 2, which today most programs read (Moore et al., 2023). Blocks written at the same
    time must not share a chunk of 512 × 512 pixels. Levels take every second pixel, so that ids are never
    mixed.
    """

    dtype = np.dtype(np.uint32)

    def __init__(
        self,
        path: Path,
        shape: Sequence[int],
        pixel_size_um: Sequence[float] | None = None,
        name: str = "",
        origin: Sequence[float] | None = None,
        resume: bool = False,
    ) -> None:
        import zarr

        self.path = path
        self.shape = tuple(int(n) for n in shape)
        self._pixel_size = pixel_size_um
        self._origin = origin
        self._name = name
        try:
            self._group: Any = zarr.open_group(str(path), mode="a" if resume else "w", zarr_format=2)
            self.array: Any = self._group["0"] if "0" in self._group else self._level(0, self.shape)
        except OSError as error:
            raise disk_error(error, path) from error

    def write(self, box: Sequence[slice], block: np.ndarray) -> None:
        """Write ids into a box of the image.

        Raises
        ------
        NucleiError
            The disk is full or the folder cannot be written.
        """
        try:
            self.array[tuple(box)] = block.astype(np.uint32, copy=False)
        except OSError as error:
            raise disk_error(error, self.path) from error

    def __setitem__(self, box: Sequence[slice], block: np.ndarray) -> None:
        self.write(box, block)

    def __getitem__(self, box: Any) -> np.ndarray:
        return np.asarray(self.array[box])

    def finish(self, check: Callable[[], None] = lambda: None) -> Path:
        """Make the pyramid, block by block, and the metadata that make it an OME-Zarr image.

        Parameters
        ----------
        check : callable
            Called between blocks; may raise to stop.

        Raises
        ------
        NucleiError
            The disk is full or the folder cannot be written.
        """
        try:
            self._finish(check)
        except OSError as error:
            raise disk_error(error, self.path) from error
        return self.path

    def _finish(self, check: Callable[[], None]) -> None:
        axes = "zyx"[-len(self.shape) :]
        datasets = [self._entry(0)]
        shape, source, level = self.shape, self.array, 0
        while max(shape[-2:]) > _SMALLEST:
            level += 1
            shape = (*shape[:-2], *(math.ceil(n / 2) for n in shape[-2:]))
            target = self._level(level, shape)
            for box in _boxes(shape, (1, 1024, 1024)):
                check()
                key = (*box[:-2], *(slice(2 * b.start, 2 * b.stop, 2) for b in box[-2:]))
                target[box] = source[key]
            datasets.append(self._entry(level))
            source = target
        unit: dict[str, str] = {"unit": "micrometer"} if self._pixel_size else {}
        described = [{"name": a, "type": "space", **unit} for a in axes]
        scale = {"version": "0.4", "name": self._name, "axes": described, "datasets": datasets, "type": "nearest"}
        self._group.attrs.update({"multiscales": [scale], "image-label": {"version": "0.4"}})

    def _level(self, level: int, shape: Sequence[int]) -> Any:
        chunks = (*(1 for _ in shape[:-2]), *(max(1, min(_CHUNK, n)) for n in shape[-2:]))
        return self._group.create_array(
            str(level),
            shape=tuple(shape),
            chunks=chunks,
            dtype="uint32",
            fill_value=0,
            overwrite=True,
            chunk_key_encoding={"name": "v2", "separator": "/"},
        )

    def _entry(self, level: int) -> dict[str, Any]:
        size = list(self._pixel_size or [1.0] * len(self.shape))
        scale = [*size[:-2], *(s * 2**level for s in size[-2:])]
        transforms: list[dict[str, Any]] = [{"type": "scale", "scale": [float(s) for s in scale]}]
        if self._origin is not None and any(self._origin):
            places = [float(o * s) for o, s in zip(self._origin, size, strict=True)]
            transforms.append({"type": "translation", "translation": places})
        return {"path": str(level), "coordinateTransformations": transforms}


def _boxes(shape: Sequence[int], block: Sequence[int]) -> Any:
    """Boxes that tile an array, the last ones cut."""
    sides = block[-len(shape) :]
    spans = [[slice(k, min(k + b, n)) for k in range(0, n, b)] for n, b in zip(shape, sides, strict=True)]
    return itertools.product(*spans)
