"""Arrays in one npz file, bounded by what it declares: one from somebody else may declare more than any memory."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.archives import NPZ_ERRORS
from napari_nucleidomain.contracts.files import open_plain

MOST_BYTES = 2 << 30
_MOST_ARRAYS = 1000


def read_npz(path: Path, most_bytes: int = MOST_BYTES) -> dict[str, np.ndarray]:
    """All arrays by name. Never runs code from the file.

    Parameters
    ----------
    path : Path
    most_bytes : int
        Of all arrays together.

    Raises
    ------
    FileNotFoundError
        There is none.
    ValueError
        It is damaged, encrypted, no such file, or larger.
    """
    try:
        with open_plain(path) as handle, zipfile.ZipFile(handle) as archive:
            entries = archive.infolist()
            if len(entries) > _MOST_ARRAYS or sum(entry.file_size for entry in entries) > most_bytes:
                raise ValueError("more than can be")
            return {entry.filename.removesuffix(".npy"): _array(archive, entry) for entry in entries}
    except FileNotFoundError:
        raise
    except (*NPZ_ERRORS, MemoryError, NucleiError) as error:
        raise ValueError(str(error)) from error


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    """One array, whose header must not ask for more numbers than follow it."""
    with archive.open(entry) as source:
        version = np.lib.format.read_magic(source)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if read is None:
            raise ValueError("an unknown version of the format")
        shape, fortran, dtype = read(source)
        count = math.prod(shape)
        if dtype.hasobject or min(shape, default=0) < 0 or count * dtype.itemsize > entry.file_size:
            raise ValueError("its header says what cannot be")
        numbers = np.frombuffer(source.read(count * dtype.itemsize), dtype, count)
    # A copy, which may be changed as any array.
    return numbers.reshape(shape, order="F" if fortran else "C").copy(order="K")
