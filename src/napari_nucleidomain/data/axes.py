"""Names and order of an image's axes, and a lazy view that puts them into one order.

Axes are single letters: T time, Z plane, Y row, X column, C channel. Everything downstream sees them in the order
``T Z Y X C``, each of T, Z and C only where there is more than one of it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.blame import not_its_fault
from napari_nucleidomain.contracts.memory import is_memory_full

ORDER = "TZYXC"
UNKNOWN = "Q"
_COLOURS = 4
_FEW, _NARROW = 16, 4  # at most so many channels or planes, and so many times longer are the sides of a picture
HINT = "Say which axis is which with the letters T, Z, Y, X, C, slowest first, for example ZYX or YXC."

# What decoders and file systems raise on damaged bytes (imagecodecs' errors are RuntimeErrors, tifffile's ValueErrors).
READ_ERRORS = (
    OSError, ValueError, RuntimeError, LookupError, TypeError, EOFError, ArithmeticError, AttributeError,
    AssertionError, struct.error, zlib.error,
)  # fmt: skip


class ArrayLike(Protocol):
    """What a level of an image must offer: numpy, zarr and dask arrays all do."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        ...

    @property
    def dtype(self) -> Any:
        """Number type."""
        ...

    def __getitem__(self, key: Any) -> Any:
        """Read a part."""
        ...


def parse_axes(text: str, ndim: int) -> str:
    """Check axes that a person wrote.

    Parameters
    ----------
    text : str
        Such as ``"czyx"`` or ``"YXS"`` (S, samples, means C).
    ndim : int
        Number of axes the array has.

    Returns
    -------
    str
        Upper case, one letter per axis.

    Raises
    ------
    NucleiError
        A letter is unknown or repeated, Y or X is absent, or the number of letters is wrong.
    """
    axes = "".join(text.split()).upper().replace("S", "C")
    strange = sorted(set(axes) - set(ORDER))
    if strange:
        raise NucleiError(f"Unknown axis {', '.join(strange)} in {text!r}.", HINT)
    if len(set(axes)) != len(axes):
        raise NucleiError(f"An axis is named twice in {text!r}.", HINT)
    if "Y" not in axes or "X" not in axes:
        raise NucleiError(f"The axes {text!r} name no rows (Y) or no columns (X).", HINT)
    if len(axes) != ndim:
        raise NucleiError(f"The axes {text!r} are {len(axes)}, but the image has {ndim}.", HINT)
    return axes


def guess_axes(shape: Sequence[int]) -> str:
    """Name the axes of an array that says nothing of them, by their lengths.

    Parameters
    ----------
    shape : sequence of int
        2 to 5 lengths.

    Returns
    -------
    str
        One letter per axis; ``Q`` for an axis that could be channels or planes.

    Raises
    ------
    NucleiError
        Fewer than 2 or more than 5 axes.
    """
    n = len(shape)
    rows, columns = _rows_and_columns(shape)
    others = [k for k in range(n) if k not in (rows, columns)]
    behind = [k for k in others if k > columns]
    left = others[:-1] if behind else others
    if n < 2 or len(left) > (2 if behind else 3):
        raise NucleiError(f"An array with {n} axes {tuple(shape)} is no image that can be opened.", HINT)
    letters = _letters_of([int(shape[k]) for k in left], bool(behind))
    found = dict(zip(left, letters, strict=True)) | {rows: "Y", columns: "X"} | ({others[-1]: "C"} if behind else {})
    return "".join(found[k] for k in range(n))


def _rows_and_columns(shape: Sequence[int]) -> tuple[int, int]:
    """Which axes are rows and columns: the last two that are not as short as channels or planes are beside them."""
    n = len(shape)
    second = sorted(shape)[-2] if n > 1 else 0
    # No picture is so narrow beside its other sides.
    long = [k for k in range(n) if not (shape[k] <= _FEW and _NARROW * shape[k] <= second)]
    rows, columns = (long[-2], long[-1]) if len(long) > 1 else (n - 2, n - 1)
    if n > 2 and columns == n - 1 and shape[-1] <= _COLOURS and min(shape[-3:-1]) > _COLOURS:
        return n - 3, n - 2
    return rows, columns


def _letters_of(lengths: list[int], channels_known: bool) -> str:
    """Letters of the axes that are neither rows nor columns, nor channels that stand behind them."""
    if not lengths:
        return ""
    if len(lengths) == 1:
        return "Z" if channels_known else UNKNOWN
    if channels_known:
        return "TZ"
    if len(lengths) == 2:
        # ImageJ writes ZCYX, OME CZYX: the short one is the channels.
        if lengths[1] <= _COLOURS:
            return "ZC"
        return "CZ" if lengths[0] <= _COLOURS else "TZ"
    return "TCZ" if lengths[1] <= lengths[2] else "TZC"


def resolve_unknown(axes: str, shape: Sequence[int]) -> str:
    """Decide what an unknown leading axis is: up to four are channels, more are planes."""
    while UNKNOWN in axes:
        at = axes.index(UNKNOWN)
        free = [a for a in ("C", "Z", "T") if a not in axes]
        wanted = ["C", "Z", "T"] if shape[at] <= 4 else ["Z", "T", "C"]
        choice = next((a for a in wanted if a in free), None)
        if choice is None:
            raise NucleiError(f"The axes of an image of shape {tuple(shape)} cannot be told apart.", HINT)
        axes = axes[:at] + choice + axes[at + 1 :]
    return axes


def normalised(axes: str) -> str:
    """The same letters in the one order ``TZYXC``."""
    return "".join(a for a in ORDER if a in axes)


class LazyArray:
    """An array seen with its axes in another order; reads only the part that is asked for.

    Parameters
    ----------
    source : ArrayLike
        Indexed with slices of positive step.
    source_axes : str
        One letter per axis of `source`.
    axes : str
        The order to show. An axis of `source` that is left out must have length 1 or be given in `fixed`.
    fixed : dict of str to int, optional
        Index to take on axes that are left out.
    limit : dict of str to int, optional
        Show only so many of the first along an axis (colours without transparency).
    name : str
        For error messages.

    Notes
    -----
    Has ``shape``, ``dtype``, ``ndim``, ``chunks``, slicing and ``__array__``, which is enough for
    ``dask.array.from_array`` and for napari.
    """

    def __init__(
        self,
        source: ArrayLike,
        source_axes: str,
        axes: str,
        fixed: dict[str, int] | None = None,
        limit: dict[str, int] | None = None,
        name: str = "image",
    ) -> None:
        self._source = source
        self._source_axes = source_axes
        self._fixed = dict(fixed or {})
        self.axes = axes
        self.name = name
        where = {a: source_axes.index(a) for a in axes}
        limit = limit or {}
        self.shape: tuple[int, ...] = tuple(min(int(source.shape[where[a]]), limit.get(a, 1 << 60)) for a in axes)
        self.dtype = np.dtype(source.dtype).newbyteorder("=")
        self.ndim = len(axes)
        kept = [a for a in source_axes if a in axes]
        self._order = tuple(kept.index(a) for a in axes)
        # Whether what is read belongs to whoever reads it, or may be a view into an array of the user's.
        self.fresh = bool(getattr(source, "fresh", False))
        chunks = getattr(source, "chunks", None)
        simple = isinstance(chunks, tuple) and all(isinstance(c, int) for c in chunks)
        self.chunks: tuple[int, ...] | None = tuple(chunks[where[a]] for a in axes) if simple else None  # type: ignore[index]

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        """Read a part; integers drop their axis, slices need a positive step."""
        parts, drop = self._parts(key)
        wanted = dict(zip(self.axes, parts, strict=True))
        source_key = []
        for axis in self._source_axes:
            at = self._fixed.get(axis, 0)
            source_key.append(wanted.get(axis, slice(at, at + 1)))
        if any(s.stop <= s.start for s in parts):
            empty = np.zeros([len(range(s.start, s.stop, s.step or 1)) for s in parts], self.dtype)
            return empty[tuple(0 if d else slice(None) for d in drop)]
        try:
            block = np.asarray(self._source[tuple(source_key)])
        except READ_ERRORS as error:
            if is_memory_full(error):
                # The file is not to blame; smaller parts of it may find room.
                raise MemoryError(f"no memory for a part of {self.name}") from error
            if told := not_its_fault(error):
                raise NucleiError(f"A part of {self.name} cannot be read: {told[0]}.", told[1]) from error
            raise NucleiError(
                f"{self.name} is damaged: a part of its pixels cannot be read ({error or type(error).__name__}).",
                "Copy the file again, or export it anew from the microscope's program.",
            ) from error
        lost = tuple(i for i, a in enumerate(self._source_axes) if a not in wanted)
        block = block.squeeze(axis=lost).transpose(self._order)
        if block.dtype != self.dtype:
            block = block.astype(self.dtype)
        return block[tuple(0 if d else slice(None) for d in drop)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        whole = self[tuple(slice(None) for _ in self.shape)]
        return whole if dtype is None else whole.astype(dtype)

    def _parts(self, key: Any) -> tuple[list[slice], list[bool]]:
        """One slice with definite ends per axis, and which axes the caller indexed by an integer."""
        keys = list(key) if isinstance(key, tuple) else [key]
        if any(k is Ellipsis for k in keys):
            at = next(i for i, k in enumerate(keys) if k is Ellipsis)
            keys[at : at + 1] = [slice(None)] * (self.ndim - len(keys) + 1)
        if len(keys) > self.ndim:
            raise IndexError(f"{len(keys)} indices for {self.ndim} axes")
        keys += [slice(None)] * (self.ndim - len(keys))
        parts, drop = [], []
        for k, n in zip(keys, self.shape, strict=True):
            if isinstance(k, slice):
                start, stop, step = k.indices(n)
                if step < 1:
                    raise IndexError("a lazy image is read forwards only")
                parts.append(slice(start, max(start, stop), step))
                drop.append(False)
            else:
                index = int(k) + (n if int(k) < 0 else 0)
                if not 0 <= index < n:
                    raise IndexError(f"index {int(k)} is out of bounds for an axis of length {n}")
                parts.append(slice(index, index + 1, 1))
                drop.append(True)
        return parts, drop
