"""Label images too large to be read as a whole: opened lazily, and looked at in blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .axes import ArrayLike
from .cellpose_seg import is_pickled
from .labels_io import _open, labels_shape, says_no_size
from .labels_out import boxes
from .pictures import refuse_picture

# Pixels of a label image that is still read as a whole: 256 MB of ids.
LARGE = 1 << 26
_LOOKED_AT = 1024  # rows and columns about the middle, to tell a picture
_BLOCK = 2048


def is_large(path: Path | str, large: int | None = None) -> bool:
    """Whether a flat label image has more pixels than are read at once. Files of polygons never have."""
    path = Path(path)
    if says_no_size(path) or is_pickled(path):
        return False
    shape = labels_shape(path)
    return len(shape) == 2 and math.prod(shape) > (LARGE if large is None else large)


@contextmanager
def open_labels(path: Path | str) -> Iterator[ArrayLike]:
    """A label image whose pixels stay in the file until they are asked for.

    Parameters
    ----------
    path : Path or str
        TIFF, OME-TIFF or OME-Zarr.

    Yields
    ------
    ArrayLike (Y, X), integers

    Raises
    ------
    NucleiError
        The file cannot be read, or holds colours or fractions.
    """
    path = Path(path)
    raw, view, axes = _open(path)
    try:
        if "C" in axes or view.dtype.kind not in "ui":
            raise NucleiError(
                f"{path.name} is no label image that can be read in parts ({view.dtype}).",
                "Save it as a label image: one whole number per nucleus.",
            )
        middle = tuple(slice(max(0, n - _LOOKED_AT) // 2, (n + _LOOKED_AT) // 2) for n in view.shape)
        refuse_picture(path.name, np.asarray(view[middle]))
        yield view
    finally:
        raw.close()


def refuse_mask(path: Path, view: ArrayLike) -> None:
    """Refuse a large mask of one value: its pieces cannot be told apart block by block. Labels show two numbers soon.

    Parameters
    ----------
    path : Path
        For the message.
    view : ArrayLike
        Of `open_labels`.

    Raises
    ------
    NucleiError
    """
    if len(view.shape) != 2 or math.prod(view.shape) <= LARGE:
        return
    value, seen = 0, []
    for box in boxes(view.shape, _BLOCK):
        block = np.asarray(view[box])
        high = int(block.max(initial=0))
        if high and (value not in (0, high) or np.any((block > 0) & (block != high))):
            return
        if high:
            value = high
            seen.append((box[0].start, box[1].start))
    # A single nucleus lies in one block, or where four meet.
    if seen and np.ptp(np.array(seen), axis=0).max() > _BLOCK:
        raise NucleiError(
            f"{path.name} is a black-and-white mask: all that is not 0 is {value}. Of so large an image its pieces "
            "cannot be numbered here.",
            "Give a label image, with one number per nucleus, or parts of the mask.",
        )


class Placed:
    """Labels of a box, seen in a picture of the whole image's size; nothing is copied until it is read.

    Parameters
    ----------
    labels : ArrayLike
        Of the box.
    origin : tuple of int
        Where the box begins in the image.
    shape : tuple of int
        Of the image.
    check : callable
        Called on every reading; may raise to stop.
    """

    def __init__(
        self,
        labels: ArrayLike,
        origin: tuple[int, ...],
        shape: tuple[int, ...],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._labels, self._origin, self._check = labels, origin, check
        self.shape, self.dtype = shape, np.dtype(labels.dtype)
        self.ndim = len(shape)

    def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
        self._check()
        keys = key if isinstance(key, tuple) else (key,)
        keys = keys + (slice(None),) * (self.ndim - len(keys))
        spans = [piece.indices(side)[:2] for piece, side in zip(keys, self.shape, strict=True)]
        block = np.zeros([max(0, b - a) for a, b in spans], self.dtype)
        common = [
            (max(a, o), min(b, o + side))
            for (a, b), o, side in zip(spans, self._origin, self._labels.shape, strict=True)
        ]
        if all(low < high for low, high in common):
            inside = tuple(slice(low - a, high - a) for (low, high), (a, _) in zip(common, spans, strict=True))
            source = tuple(slice(low - o, high - o) for (low, high), o in zip(common, self._origin, strict=True))
            block[inside] = np.asarray(self._labels[source])
        return block
