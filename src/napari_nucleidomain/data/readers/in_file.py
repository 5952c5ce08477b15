"""An array whose numbers lie raw in a file, read by its handle.

Not mapped into memory: where a mapped file is cut short by another program, or its disk is pulled out, the system ends
the process (SIGBUS) and nobody can say why. A read that comes up short can be told.
"""

from __future__ import annotations

import operator
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError

# Bytes between two wanted places up to which they are read over rather than jumped over.
_NEAR = 8192
# Of such a detour; more is never held beside what is wanted.
_MOST = 1 << 26


def shortened(name: str) -> NucleiError:
    """A file ends before the place where its pixels were when it was opened."""
    return NucleiError(
        f"{name} became shorter while it was read.",
        "Another program writes or copies it, or its disk was taken away. Wait until it is whole, and try again.",
    )


class InFile:
    """See the module. Indexed with whole numbers and slices of positive step; a read gives memory of its own.

    Parameters
    ----------
    path : Path
    dtype : dtype
        With its byte order.
    shape : sequence of int
    offset : int
        Bytes before the first number.
    fortran : bool
        Whether the first axis varies fastest.
    """

    fresh = True

    def __init__(self, path: Path, dtype: Any, shape: Sequence[int], offset: int, *, fortran: bool = False) -> None:
        self.name, self.dtype, self.shape = path.name, np.dtype(dtype), tuple(int(n) for n in shape)
        self._offset, self._fortran = int(offset), fortran
        # Held from now on: a file that is replaced under its name is read as it was.
        self._handle = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by `close`
        self._one_at_a_time = threading.Lock()
        self.close = weakref.finalize(self, self._handle.close)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, key: Any) -> np.ndarray:
        """Read a part.

        Raises
        ------
        NucleiError
            The file is shorter than it was.
        """
        keys = _full(key, self.ndim)
        ranges = [range(*_slice(piece, n).indices(n)) for piece, n in zip(keys, self.shape, strict=True)]
        shape = self.shape
        if self._fortran:
            ranges, shape = ranges[::-1], shape[::-1]
        out = np.empty([len(span) for span in ranges], self.dtype)
        if out.size:
            steps = [self.dtype.itemsize * int(np.prod(shape[k + 1 :], dtype=np.int64)) for k in range(len(shape))]
            self._fill(out, ranges, steps, self._offset)
        found = out.T if self._fortran else out
        return found[tuple(slice(None) if isinstance(piece, slice) else 0 for piece in keys)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        whole = self[(slice(None),) * self.ndim]
        return whole if dtype is None else whole.astype(dtype)

    def _fill(self, out: np.ndarray, ranges: list[range], steps: list[int], at: int) -> None:
        """Read a block whose axes are `steps` bytes apart in the file: in one piece, or row by row."""
        first = at + sum(span[0] * step for span, step in zip(ranges, steps, strict=True))
        length = sum((span[-1] - span[0]) * step for span, step in zip(ranges, steps, strict=True)) + out.itemsize
        if length == out.nbytes:
            self._read_into(out.reshape(-1).view(np.uint8), first)
            return
        near = ranges[0].step * steps[0] <= _NEAR or length <= 3 * out.nbytes
        if len(ranges) == 1 or (near and length <= _MOST):
            piece = np.empty(length, np.uint8)
            self._read_into(piece, first)
            apart = [span.step * step for span, step in zip(ranges, steps, strict=True)]
            out[...] = np.ndarray(out.shape, out.dtype, piece.data, strides=apart)
            return
        for part, place in zip(out, ranges[0], strict=True):
            self._fill(part, ranges[1:], steps[1:], at + place * steps[0])

    def _read_into(self, buffer: np.ndarray, at: int) -> None:
        left = buffer.data
        while left:
            got = self._read_once(left, at)
            if not got:
                raise shortened(self.name)
            left, at = left[got:], at + got

    if hasattr(os, "preadv"):

        def _read_once(self, buffer: memoryview, at: int) -> int:
            return os.preadv(self._handle.fileno(), [buffer], at)

    else:

        def _read_once(self, buffer: memoryview, at: int) -> int:
            # The place in the file is one for all threads.
            with self._one_at_a_time:
                self._handle.seek(at)
                return self._handle.readinto(buffer) or 0


class Watched:
    """An array decoded from a file piece by piece, that notices when the file is taken away from under it.

    Some decoders fill up what is missing, and a Zarr takes a part without a file for empty: both would be nuclei that
    are not found, and not a word.

    Parameters
    ----------
    array : array-like
        Every read of it gives memory of its own.
    whole : callable
        Whether the file is still as long as it was, asked after every read.
    name : str
        Of the file.
    """

    fresh = True

    def __init__(self, array: Any, whole: Callable[[], bool], name: str) -> None:
        self._array, self._whole, self.name = array, whole, name
        self.shape, self.dtype, self.ndim = tuple(array.shape), np.dtype(array.dtype), len(array.shape)
        self.chunks = getattr(array, "chunks", None)

    def __getitem__(self, key: Any) -> np.ndarray:
        """Read a part.

        Raises
        ------
        NucleiError
            The file is shorter than it was.
        """
        try:
            part = np.asarray(self._array[key])
        except MemoryError:
            raise
        except Exception:
            # The decoder says in its own words what came of it.
            if not self._whole():
                raise shortened(self.name) from None
            raise
        if not self._whole():
            raise shortened(self.name)
        return part

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        whole = self[(slice(None),) * self.ndim]
        return whole if dtype is None else whole.astype(dtype)


def as_long_as(number: int, size: int) -> Callable[[], bool]:
    """For `Watched`: whether an open file is still as long as it was.

    Parameters
    ----------
    number : int
        Of the file, as the system knows it.
    size : int
        Bytes that it had.
    """

    def whole() -> bool:
        return os.fstat(number).st_size >= size

    return whole


def _full(key: Any, ndim: int) -> tuple[Any, ...]:
    """An index for every axis."""
    keys = key if isinstance(key, tuple) else (key,)
    missing = (slice(None),) * (ndim - sum(piece is not Ellipsis for piece in keys))
    at = next((k for k, piece in enumerate(keys) if piece is Ellipsis), len(keys))
    return (*keys[:at], *missing, *keys[at + 1 :])


def _slice(piece: Any, length: int) -> slice:
    if isinstance(piece, slice):
        if piece.step is not None and piece.step < 1:
            raise IndexError("a file is read forwards only")
        return piece
    at = operator.index(piece) + (length if piece < 0 else 0)
    if not 0 <= at < length:
        raise IndexError(f"index {piece} is out of bounds for an axis of length {length}")
    return slice(at, at + 1)
