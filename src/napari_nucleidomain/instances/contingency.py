"""One sparse table of how two label images overlap, from which every score is made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .labelimage import as_labels, compact, same_shape

_DENSE_BINS = 1 << 22


@dataclass(frozen=True)
class Contingency:
    """Areas of all nuclei of two label images and the pixels that each pair shares.

    Attributes
    ----------
    ids_a, ids_b : ndarray (A,), (B,) int64
        Ids in the images, ascending.
    area_a, area_b : ndarray (A,), (B,) int64
        Pixels of each nucleus.
    a, b : ndarray (K,) int64
        Positions in `ids_a` and `ids_b` of each pair that shares a pixel; sorted by a, then b.
    shared : ndarray (K,) int64
        Pixels the pair shares; all above 0.
    size : int
        Pixels of the image.
    first_a : int
        Position in `ids_a` of the nucleus met first in raster order, -1 if there is none.
    """

    ids_a: np.ndarray
    ids_b: np.ndarray
    area_a: np.ndarray
    area_b: np.ndarray
    a: np.ndarray
    b: np.ndarray
    shared: np.ndarray
    size: int
    first_a: int

    @cached_property
    def union(self) -> np.ndarray:
        """Pixels in either nucleus of each pair; (K,) int64."""
        return self.area_a[self.a] + self.area_b[self.b] - self.shared

    @cached_property
    def iou(self) -> np.ndarray:
        """Intersection over union of each pair; (K,) float64 in ]0, 1]."""
        return self.shared / self.union


def pair_counts(a: np.ndarray, b: np.ndarray, count_a: int, count_b: int) -> tuple[np.ndarray, ...]:
    """Count the pixels each pair of compact ids shares.

    Parameters
    ----------
    a, b : ndarray of int, same shape
        Compact ids: 0 background, 1..count.
    count_a, count_b : int
        Highest ids.

    Returns
    -------
    a, b, shared : ndarray (K,) int64
        Ids from 1, sorted by a then b, and their common pixels.
    """
    a, b = a.ravel(), b.ravel()
    both = np.flatnonzero((a > 0) & (b > 0))
    key = a[both].astype(np.int64) * (count_b + 1) + b[both]
    bins = (count_a + 1) * (count_b + 1)
    if bins <= max(_DENSE_BINS, 4 * a.size):
        counts = np.bincount(key, minlength=0)
        found = np.flatnonzero(counts)
        shared = counts[found]
    else:
        found, shared = np.unique(key, return_counts=True)
    return found // (count_b + 1), found % (count_b + 1), shared.astype(np.int64)


def contingency(a: object, b: object, *, names: tuple[str, str] = ("The prediction", "the truth")) -> Contingency:
    """Compare two label images of one image.

    Parameters
    ----------
    a, b : array_like (Y, X) or (Z, Y, X), integers
        Label images; ids are arbitrary. By convention `a` is predicted and `b` is true.
    names : tuple of str
        What messages call them.

    Returns
    -------
    Contingency

    Raises
    ------
    NucleiError
        Shapes differ, or one of them is no label image.
    """
    image_a, image_b = as_labels(a, names[0]), as_labels(b, names[1].capitalize())
    same_shape(image_a, image_b, names[0], names[1])
    compact_a, ids_a = compact(image_a)
    compact_b, ids_b = compact(image_b)
    in_a, in_b, shared = pair_counts(compact_a, compact_b, len(ids_a), len(ids_b))
    flat = compact_a.ravel()
    first = int(flat[np.argmax(flat > 0)]) - 1 if flat.size else -1
    return Contingency(
        ids_a,
        ids_b,
        np.bincount(flat, minlength=len(ids_a) + 1)[1:].astype(np.int64),
        np.bincount(compact_b.ravel(), minlength=len(ids_b) + 1)[1:].astype(np.int64),
        in_a - 1,
        in_b - 1,
        shared,
        image_a.size,
        first,
    )


def added_up(blocks: Iterable[tuple[np.ndarray, np.ndarray]]) -> Contingency:
    """The contingency table of two label images that are given block by block, in raster order.

    Parameters
    ----------
    blocks : iterable of (ndarray, ndarray)
        The same part of both images; together the whole, each pixel once. Ids are those of the whole.

    Returns
    -------
    Contingency
        As `contingency` makes it of the whole; but `first_a` is the first in the order of the blocks.

    Raises
    ------
    NucleiError
        The blocks of a pair differ in shape, or are no label images.
    """
    tables = [contingency(a, b) for a, b in blocks]
    ids_a, area_a = _summed([one.ids_a for one in tables], [one.area_a for one in tables])
    ids_b, area_b = _summed([one.ids_b for one in tables], [one.area_b for one in tables])
    width = max(1, len(ids_b))
    keys = [
        np.searchsorted(ids_a, one.ids_a)[one.a] * width + np.searchsorted(ids_b, one.ids_b)[one.b] for one in tables
    ]
    key, shared = _summed(keys, [one.shared for one in tables])
    met = next((int(np.searchsorted(ids_a, one.ids_a[one.first_a])) for one in tables if one.first_a >= 0), -1)
    size = sum(one.size for one in tables)
    return Contingency(ids_a, ids_b, area_a, area_b, key // width, key % width, shared, size, met)


def _summed(keys: list[np.ndarray], values: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Distinct keys, ascending, and the sum of each one's values."""
    if not keys:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    found, place = np.unique(np.concatenate(keys), return_inverse=True)
    total = np.zeros(len(found), np.int64)
    np.add.at(total, place, np.concatenate(values))
    return found.astype(np.int64), total
