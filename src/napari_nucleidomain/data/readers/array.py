"""NPY files and arrays that are already in memory (numpy, dask, zarr)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from napari_nucleidomain.data.axes import READ_ERRORS, ArrayLike, guess_axes

from .base import RawImage, damaged, truncated
from .in_file import InFile

NPY = b"\x93NUMPY"


def read_npy(path: Path) -> RawImage:
    """Open a .npy file; its numbers stay in it until they are asked for.

    Raises
    ------
    NucleiError
        The file is truncated, damaged, or holds Python objects (which are never loaded: they can run code).
    """
    try:
        with open(path, "rb") as handle:
            version = np.lib.format.read_magic(handle)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(handle)
            begin = handle.tell()
        if dtype.hasobject:
            raise damaged(path, ValueError("it holds Python objects, which are not loaded because they can run code"))
        if path.stat().st_size < begin + math.prod(shape) * dtype.itemsize:
            raise truncated(path)
        array = InFile(path, dtype, shape, begin, fortran=fortran)
    except (*READ_ERRORS, SyntaxError, TokenError) as error:
        raise damaged(path, error) from error
    raw = from_array(array, "NPY")
    raw.close = array.close
    return raw


def from_array(levels: ArrayLike | Sequence[ArrayLike], kind: str = "array") -> RawImage:
    """Take an array, or the levels of a pyramid with the largest first, as they are.

    Parameters
    ----------
    levels : ArrayLike or sequence of ArrayLike
        With ``shape``, ``dtype`` and slicing.
    kind : str
        What to call it.

    Returns
    -------
    RawImage
        Axes guessed from the shape alone.
    """
    if isinstance(levels, (list, tuple)) and levels and hasattr(levels[0], "shape"):
        pyramid: list[Any] = list(levels)
    elif hasattr(levels, "shape") and hasattr(levels, "dtype"):
        pyramid = [levels]
    else:
        pyramid = [np.asarray(levels)]
    return RawImage(pyramid, guess_axes(pyramid[0].shape), kind, guessed=True)
