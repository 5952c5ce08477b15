"""Arrays in one npz file, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts.files import write_atomic
from napari_nucleidomain.data.npz import read_npz


def write_arrays(
    path: Path, arrays: Mapping[str, np.ndarray], *, compressed: bool = False, durable: bool = True
) -> Path:
    """Write named arrays; `durable` as in `write_atomic`.

    Raises
    ------
    NucleiError
        The disk is full or the folder cannot be written; the old file stays.
    """
    named: dict[str, Any] = dict(arrays)
    save = np.savez_compressed if compressed else np.savez
    return write_atomic(path, lambda aside: save(aside, **named), durable=durable)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """What `write_arrays` wrote. Never runs code from the file."""
    return read_npz(path)
