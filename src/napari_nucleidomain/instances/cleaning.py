"""Tidying a label image: components apart, holes filled, specks gone, ids 1..N, scores kept beside their nuclei."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .labelimage import as_labels, compact


@dataclass(frozen=True)
class Cleaned:
    """A tidied label image.

    Attributes
    ----------
    labels : ndarray uint32
        Ids 1..N.
    source : ndarray (N,) int64
        Id each nucleus had before.
    scores, uncertainty : ndarray (N,) float32 or None
        Of nucleus k at k - 1; None where none were given.
    """

    labels: np.ndarray
    source: np.ndarray
    scores: np.ndarray | None = None
    uncertainty: np.ndarray | None = None


def relabel(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Renumber 1..N in the order of the old ids.

    Returns
    -------
    labels : ndarray uint32
    source : ndarray (N,) int64
        Old id of nucleus k at k - 1.
    """
    small, ids = compact(as_labels(labels))
    return small.astype(np.uint32), ids


def split_components(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give every connected component an id of its own; nuclei of different ids stay apart even where they touch.

    Pixels are connected through sides, edges and corners (8 neighbours in 2D, 26 in 3D).

    Returns
    -------
    labels : ndarray uint32
        Ids 1..N in raster order.
    source : ndarray (N,) int64
        Old id of component k at k - 1.
    """
    from skimage.measure import label

    labels = as_labels(labels)
    if labels.size == 0:
        return labels.astype(np.uint32), np.zeros(0, np.int64)
    # skimage keeps different values apart; it wants them signed or small.
    small, ids = compact(labels)
    parts, count = label(small, background=0, connectivity=labels.ndim, return_num=True)
    source = np.zeros(count + 1, np.int64)
    source[parts] = small
    return parts.astype(np.uint32), ids[source[1:] - 1]


def fill_holes(labels: np.ndarray) -> np.ndarray:
    """Fill background that a single nucleus encloses.

    A hole is background connected through sides that does not reach the image's border and whose neighbours all belong
    to one nucleus. What lies between a nucleus and another one inside it stays.

    Returns
    -------
    ndarray, same shape and dtype
    """
    from skimage.measure import label

    labels = as_labels(labels)
    if labels.size == 0:
        return labels.copy()
    gaps, count = label(labels == 0, connectivity=1, return_num=True)
    if count == 0:
        return labels.copy()
    lowest = np.full(count + 1, np.iinfo(np.int64).max)
    highest = np.zeros(count + 1, np.int64)
    open_ = np.zeros(count + 1, bool)
    for axis in range(labels.ndim):
        open_[np.take(gaps, 0, axis)] = True
        open_[np.take(gaps, -1, axis)] = True
        front = tuple(slice(None, -1) if k == axis else slice(None) for k in range(labels.ndim))
        back = tuple(slice(1, None) if k == axis else slice(None) for k in range(labels.ndim))
        for gap, nucleus in ((gaps[front], labels[back]), (gaps[back], labels[front])):
            rim = (gap > 0) & (nucleus > 0)
            np.minimum.at(lowest, gap[rim], nucleus[rim])
            np.maximum.at(highest, gap[rim], nucleus[rim])
    fill = np.where(~open_ & (lowest == highest), highest, 0)
    fill[0] = 0
    return np.where(gaps > 0, fill[gaps], labels).astype(labels.dtype)


def remove_small(labels: np.ndarray, least_pixels: int) -> np.ndarray:
    """Set nuclei of fewer than `least_pixels` pixels to background; the ids of the others stay."""
    labels = as_labels(labels)
    small, ids = compact(labels)
    stays = np.bincount(small.ravel(), minlength=len(ids) + 1) >= least_pixels
    return np.where(stays[small], labels, 0).astype(labels.dtype)


def clean(
    labels: np.ndarray,
    scores: np.ndarray | None = None,
    uncertainty: np.ndarray | None = None,
    *,
    least_pixels: int = 20,
    split: bool = True,
    fill: bool = True,
) -> Cleaned:
    """Split components, fill holes, remove what is small, renumber.

    Parameters
    ----------
    labels : ndarray (Y, X) or (Z, Y, X), integers
    scores, uncertainty : ndarray (M,), optional
        Of id k at k - 1. Components inherit those of their nucleus.
    least_pixels : int
        Smaller components are removed.
    split, fill : bool
        Whether to do these steps.

    Returns
    -------
    Cleaned

    Raises
    ------
    NucleiError
        Not a label image.
    """
    image = as_labels(labels)
    image, source = split_components(image) if split else relabel(image)
    if fill:
        image = fill_holes(image)
    image, kept = relabel(remove_small(image, least_pixels))
    source = source[kept - 1]
    return Cleaned(
        image,
        source,
        None if scores is None else np.asarray(scores, np.float32)[source - 1],
        None if uncertainty is None else np.asarray(uncertainty, np.float32)[source - 1],
    )
