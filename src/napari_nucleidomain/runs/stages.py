"""A stage's folder: its arrays and its done-marker."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.archives import NPZ_ERRORS
from napari_nucleidomain.contracts.files import SMALL, read_json, remove_with_retry, write_json

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
        self.token = ""
        self.needed = not self._is_done()

    def _is_done(self) -> bool:
        marker = self.folder / _DONE
        if not marker.exists():
            return False
        try:
            content = read_json(marker, SMALL)
            self.token = str(content["token"])
            sizes = {str(name): int(size) for name, size in content["files"].items()}
            return content["key"] == self.key and sizes == self._sizes()
        except (NucleiError, KeyError, TypeError, ValueError, AttributeError):
            # A damaged marker is no marker: the stage is done again.
            return False

    def _sizes(self) -> dict[str, int]:
        return {file.name: file.stat().st_size for file in self.folder.glob("*.npz") if not file.name.startswith(".")}

    def save(self, name: str, **arrays: np.ndarray) -> None:
        """Keep arrays as `NAME.npz`."""
        write_arrays(self.folder / f"{name}.npz", arrays)

    def load(self, name: str) -> dict[str, np.ndarray]:
        """Arrays kept by `save`.

        Raises
        ------
        NucleiError
            The file is damaged; the stage counts as not done from now on.
        """
        path = self.folder / f"{name}.npz"
        try:
            return read_arrays(path)
        except NPZ_ERRORS as error:
            self.forget()
            raise NucleiError(
                f"What the stage {self.folder.name} had prepared cannot be read: {path.name} is damaged.",
                "Resume the training: this stage is then done again, the others are kept.",
            ) from error

    def forget(self) -> None:
        """Have the stage done again."""
        remove_with_retry(self.folder / _DONE)
        self.needed = True

    def mark_done(self, token: str = "") -> None:
        """From now on the stage is skipped where the key is the same.

        Parameters
        ----------
        token : str
            Stands in the checkpoint too where the stage left state there.
        """
        write_json(self.folder / _DONE, {"key": self.key, "token": token, "files": self._sizes()})
        self.needed, self.token = False, token
