"""A little of the disk kept back: on a full one a run can still say why it ends, and the last clicks are saved."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from napari_nucleidomain.contracts import WriteError
from napari_nucleidomain.contracts.files import disk_error, remove_with_retry, write_atomic

SPARE_FILE = "spare.bin"
# Room for the last event and the log's last lines, many times over.
_BYTES = 128 * 1024


class Spare:
    """The file that gives its place up.

    Parameters
    ----------
    folder : Path
        Where it lies: a run folder, or the one of a project's clicks.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / SPARE_FILE

    @property
    def kept(self) -> bool:
        """Whether it is there."""
        return self._path.exists()

    def keep(self) -> None:
        """Write it.

        Raises
        ------
        WriteError
            The disk is full already.
        """
        # Random, for a compressing file system keeps no place for zeros.
        write_atomic(self._path, os.urandom(_BYTES))

    def give_up(self) -> None:
        """Remove it: when the disk is full, and at the end."""
        remove_with_retry(self._path)


def require_space(folder: Path, needed: int) -> None:
    """Refuse to begin where the disk is about to be full.

    Raises
    ------
    WriteError
        Fewer than `needed` bytes are free.
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise disk_error(error, folder) from error
    if free < needed:
        raise WriteError(
            f"Only {free / 2**20:.0f} MB are free on the disk of {folder}; {needed / 2**20:.0f} MB are needed.",
            "Free some space, or choose another project folder.",
        )
