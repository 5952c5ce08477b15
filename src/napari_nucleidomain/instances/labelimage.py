"""What a label image is, checked in one place, and its ids made small."""

from __future__ import annotations

import numpy as np

from napari_nucleidomain.contracts import NucleiError

_LARGEST_ID = np.iinfo(np.uint32).max


def as_labels(array: object, what: str = "The label image") -> np.ndarray:
    """Check that `array` is a label image: two or three axes of whole numbers, none of them negative.

    Parameters
    ----------
    array : array_like
        bool (one nucleus), any integer dtype, or a float dtype that holds whole numbers only.
    what : str
        How the message names it.

    Returns
    -------
    ndarray (Y, X) or (Z, Y, X), an integer dtype
        The same memory where nothing had to be changed.

    Raises
    ------
    NucleiError
        Another number of axes, negative or fractional or too large values.
    """
    labels = np.asarray(array)
    if labels.ndim not in (2, 3):
        raise NucleiError(
            f"{what} has {labels.ndim} axes; nuclei are outlined in images of 2 (Y, X) or 3 (Z, Y, X).",
            "Choose a single plane or volume; colour pictures of outlines cannot be used.",
        )
    if labels.dtype == bool:
        return labels.astype(np.uint8)
    if labels.dtype.kind == "f":
        whole = labels.astype(np.int64) if np.isfinite(labels).all() else None
        if whole is None or not np.array_equal(whole, labels):
            raise NucleiError(
                f"{what} holds fractions or missing values, not one whole number per nucleus.",
                "It may be a probability map or an intensity image: choose the label image.",
            )
        labels = whole
    if labels.dtype.kind not in "iu":
        raise NucleiError(f"{what} does not hold numbers ({labels.dtype}).", "Choose a label image.")
    if labels.size and labels.dtype.kind == "i" and labels.min() < 0:
        raise NucleiError(f"{what} holds negative values.", "Background must be 0 and every nucleus above 0.")
    if labels.size and labels.dtype.itemsize > 4 and labels.max() > _LARGEST_ID:
        raise NucleiError(f"{what} holds ids above {_LARGEST_ID}.", "Renumber the nuclei from 1.")
    return labels


def same_shape(a: np.ndarray, b: np.ndarray, what_a: str, what_b: str) -> None:
    """Raise a `NucleiError` unless both arrays have one shape."""
    if a.shape != b.shape:
        raise NucleiError(
            f"{what_a} is {_size(a)} but {what_b} is {_size(b)} pixels.",
            "Both must belong to the same image, at the same size.",
        )


def _size(array: np.ndarray) -> str:
    return " × ".join(map(str, array.shape))


def compact(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Renumber a label image 1..N in the order of its ids.

    Parameters
    ----------
    labels : ndarray, an integer dtype without negative values
        Ids may be any, with gaps.

    Returns
    -------
    compacted : ndarray int32, same shape
    ids : ndarray (N,) int64
        `ids[k - 1]` is the old id of nucleus k; ascending.
    """
    if labels.size == 0:
        return np.zeros(labels.shape, np.int32), np.zeros(0, np.int64)
    largest = int(labels.max())
    if largest <= max(1 << 16, 4 * labels.size):
        present = np.zeros(largest + 1, bool)
        present[labels.ravel()] = True
        present[0] = False
        ids = np.flatnonzero(present)
        if len(ids) == largest:
            return labels.astype(np.int32, copy=False), ids
        table = np.cumsum(present, dtype=np.int32)
        table[~present] = 0
        return table[labels], ids
    ids, inverse = np.unique(labels, return_inverse=True)
    inverse = inverse.reshape(labels.shape).astype(np.int32)
    if ids[0] == 0:
        return inverse, ids[1:].astype(np.int64)
    return inverse + np.int32(1), ids.astype(np.int64)


def boxes(compacted: np.ndarray, count: int) -> np.ndarray:
    """Bounding boxes of nuclei 1..count.

    Returns
    -------
    ndarray (count, ndim, 2) int64
        Start and stop per axis; zeros for an id that is absent.
    """
    from scipy.ndimage import find_objects

    result = np.zeros((count, compacted.ndim, 2), np.int64)
    for k, box in enumerate(find_objects(compacted, max_label=count)):
        if box is not None:
            result[k] = [(axis.start, axis.stop) for axis in box]
    return result
