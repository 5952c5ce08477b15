"""A stage's folder: its arrays and its done-marker."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import read_json, write_json

from .arrays import read_arrays, write_arrays

_DONE = "done.json"


class StageFolder:
    """Results of one stage of a run. They count only while the marker bears the stage's key.

    Parameters
    ----------
    folder : Path
        Where its arrays lie.
    key : str
        Digest of all the stage depends on.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self.key = key
        self.needed = not self._is_done()

    def _is_done(self) -> bool:
        marker = self.folder / _DONE
        if not marker.exists():
            return False
        try:
            return bool(read_json(marker).get("key") == self.key)
        except NucleiError:
            # A damaged marker is no marker: the stage is done again.
            return False

    def save(self, name: str, **arrays: np.ndarray) -> None:
        """Keep arrays as `NAME.npz`."""
        write_arrays(self.folder / f"{name}.npz", arrays)

    def load(self, name: str) -> dict[str, np.ndarray]:
        """Arrays kept by `save`."""
        return read_arrays(self.folder / f"{name}.npz")

    def mark_done(self) -> None:
        """From now on the stage is skipped where the key is the same."""
        write_json(self.folder / _DONE, {"key": self.key, "token": uuid.uuid4().hex})
        self.needed = False
