"""What each tile gave, kept until the stitcher has used it: in memory, or on disk so that a run can go on."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.archives import NPZ_ERRORS
from napari_nucleidomain.contracts.files import read_json, remove_folder, remove_with_retry, write_atomic, write_json
from napari_nucleidomain.instances.stitching import Grid, TileInstances

from .core_canvas import CoreCanvas

# Pixels of a label image that is still held in memory: 256 MB of ids.
LARGE = 1 << 26
# Beside the tiles: what they are of.
_KEY_FILE = "key.json"


class TileStore:
    """Results by tile index.

    Parameters
    ----------
    folder : Path or None
        Where they are written; a file that can be read is its own done-mark. None keeps all in memory, for small
        images.
    large : int
        Label images of more pixels are kept on disk while they are made, where there is a folder.
    key : mapping of str to str, optional
        What the tiles are of (model, image, settings ...). Its hash is part of every file's name, so that tiles of two
        models are never joined, whatever lies in the folder.
    """

    def __init__(self, folder: Path | None = None, large: int = LARGE, key: Mapping[str, str] | None = None) -> None:
        self._folder, self.large = folder, large
        self._key = dict(key or {})
        content = json.dumps(self._key, sort_keys=True).encode()
        self._mark = f"-{hashlib.blake2b(content, digest_size=5).hexdigest()}" if key else ""
        self._memory: dict[int, TileInstances] = {}
        self._ours: set[int] = set()

    def __contains__(self, index: int) -> bool:
        if index in self._memory or index in self._ours:
            return True
        return self._folder is not None and self._file(index).exists() and self._whole(index)

    def _whole(self, index: int) -> bool:
        """Whether a tile of an earlier process can be used; after a power cut it may be empty or cut short."""
        try:
            self.get(index)
        except NucleiError:
            # It was removed, and is computed anew.
            return False
        self._ours.add(index)
        return True

    def put(self, index: int, result: TileInstances) -> None:
        """Keep one tile's nuclei."""
        if self._folder is None:
            self._memory[index] = result
            return
        if self._key and not self._ours:
            write_json(self._folder / _KEY_FILE, self._key)
        write_atomic(
            self._file(index),
            lambda path: np.savez_compressed(
                path, labels=result.labels, scores=result.scores, uncertainty=result.uncertainty
            ),
            # Not waiting for the disk, which would cost as much as the networks: `_whole` finds what was lost.
            durable=False,
        )
        self._ours.add(index)

    def get(self, index: int) -> TileInstances:
        """One tile's nuclei."""
        if self._folder is None:
            return self._memory[index]
        path = self._file(index)
        try:
            with np.load(path, allow_pickle=False) as file:
                return TileInstances(file["labels"], file["scores"], file["uncertainty"])
        except NPZ_ERRORS as error:
            path.unlink(missing_ok=True)
            raise NucleiError(
                f"What was found in one tile cannot be read again: {path.name} was damaged.",
                "Start the prediction again: only this tile is computed anew.",
            ) from error

    def _file(self, index: int) -> Path:
        if self._folder is None:
            raise RuntimeError("this store has no folder")
        return self._folder / f"tile-{index:07d}{self._mark}.npz"

    def drop_others(self) -> dict[str, str] | None:
        """Remove tiles that are of something else.

        Returns
        -------
        dict or None
            What they were of, as far as it is known; None where there were none.
        """
        if self._folder is None:
            return None
        tiles = list(self._folder.glob("tile-*.npz"))
        others = [one for one in tiles if not one.stem.endswith(self._mark)]
        if not others:
            return None
        for one in others:
            remove_with_retry(one)
        try:
            before = read_json(self._folder / _KEY_FILE)
        except NucleiError:
            before = None
        return {str(part): str(value) for part, value in before.items()} if isinstance(before, dict) else {}

    def canvas(self, grid: Grid, origin: tuple[int, ...], shape: tuple[int, ...]) -> Any:
        """An empty label image to stitch into; on disk where it is large and the store has a folder."""
        if self._folder is None or int(np.prod(shape)) <= self.large:
            return np.zeros(shape, dtype=np.uint32)
        for old in self._folder.glob("stitched*"):
            remove_folder(old)
        # A name of its own: threads of a writer that failed may still put their last chunks into the old folder.
        return CoreCanvas(self._folder / f"stitched-{uuid.uuid4().hex[:8]}.zarr", grid, origin, shape)

    def clear(self) -> None:
        """Remove everything, once the result is safe."""
        self._memory.clear()
        self._ours.clear()
        if self._folder is not None:
            # What an antivirus still holds open is of no harm.
            remove_folder(self._folder)
