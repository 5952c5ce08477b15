"""What each tile gave, kept until the stitcher has used it: in memory, or on disk so that a run can go on."""

from __future__ import annotations

import errno
import os
import shutil
import zipfile
import zlib
from pathlib import Path

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import disk_error, write_atomic
from napari_nucleidomain.instances.stitching import TileInstances

# Pixels of a label image that is still held in memory: 256 MB of ids.
_LARGE = 1 << 26


class TileStore:
    """Results by tile index.

    Parameters
    ----------
    folder : Path or None
        Where they are written; a file is complete when it is there, so it is its own done-mark. None keeps all in
        memory, for small images.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._memory: dict[int, TileInstances] = {}

    def __contains__(self, index: int) -> bool:
        return index in self._memory or (self._folder is not None and self._file(index).exists())

    def put(self, index: int, result: TileInstances) -> None:
        """Keep one tile's nuclei."""
        if self._folder is None:
            self._memory[index] = result
            return
        write_atomic(
            self._file(index),
            lambda path: np.savez_compressed(
                path, labels=result.labels, scores=result.scores, uncertainty=result.uncertainty
            ),
        )

    def get(self, index: int) -> TileInstances:
        """One tile's nuclei."""
        if self._folder is None:
            return self._memory[index]
        path = self._file(index)
        try:
            with np.load(path, allow_pickle=False) as file:
                return TileInstances(file["labels"], file["scores"], file["uncertainty"])
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            path.unlink(missing_ok=True)
            raise NucleiError(
                f"What was found in one tile cannot be read again: {path.name} was damaged.",
                "Start the prediction again: only this tile is computed anew.",
            ) from error

    def _file(self, index: int) -> Path:
        if self._folder is None:
            raise RuntimeError("this store has no folder")
        return self._folder / f"tile-{index:07d}.npz"

    def canvas(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """An empty label image; on disk where it is large and the store has a folder, so that memory stays small."""
        if self._folder is None or int(np.prod(shape)) <= _LARGE:
            return np.zeros(shape, dtype=np.uint32)
        path = self._folder / f"{name}.npy"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return _map(path, shape)
        except OSError as error:
            raise disk_error(error, path) from error


def _map(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A label image in a file for which there surely is place.

    A mapped file is full of holes; one of them that meets a full disk later ends the process without a word.
    """
    size = int(np.prod(shape)) * np.dtype(np.uint32).itemsize
    if shutil.disk_usage(path.parent).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    try:
        canvas = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint32, shape=shape)
        if hasattr(os, "posix_fallocate"):
            with open(path, "rb+") as handle:
                os.posix_fallocate(handle.fileno(), 0, path.stat().st_size)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return canvas
