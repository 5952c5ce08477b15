"""What each tile gave, kept until the stitcher has used it: in memory, or on disk so that a run can go on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

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
        with np.load(self._file(index), allow_pickle=False) as file:
            return TileInstances(file["labels"], file["scores"], file["uncertainty"])

    def _file(self, index: int) -> Path:
        if self._folder is None:
            raise RuntimeError("this store has no folder")
        return self._folder / f"tile-{index:07d}.npz"

    def canvas(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """An empty label image; on disk where it is large and the store has a folder, so that memory stays small."""
        if self._folder is None or int(np.prod(shape)) <= _LARGE:
            return np.zeros(shape, dtype=np.uint32)
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            return np.lib.format.open_memmap(self._folder / f"{name}.npy", mode="w+", dtype=np.uint32, shape=shape)
        except OSError as error:
            raise disk_error(error, self._folder / f"{name}.npy") from error
