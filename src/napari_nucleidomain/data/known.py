"""Outlines of a part of an image as one array: nuclei, background, and where nothing is known."""

from __future__ import annotations

import numpy as np

from napari_nucleidomain.instances.labelimage import compact

from .example import Corrections

# Neither nucleus nor background: nobody said.
UNKNOWN = -1


def known_map(corrections: Corrections, *, whole_only: bool = False) -> np.ndarray:
    """Corrections as one array.

    Parameters
    ----------
    corrections : Corrections
    whole_only : bool
        Nothing is known of nuclei that the edge of the corrected part cuts: for methods that learn shapes.

    Returns
    -------
    ndarray (H, W) int32
        1..N nuclei, 0 background, -1 where nothing was corrected.
    """
    sure = corrections.inside
    if whole_only:
        labels = corrections.labels
        sure = sure & ~np.isin(labels, cut_ids(labels, sure))
    small, _ = compact(np.where(sure, corrections.labels, 0))
    return np.where(sure, small, UNKNOWN).astype(np.int32)


def with_corrections(labels: np.ndarray, corrections: Corrections, *, whole_only: bool = False) -> np.ndarray:
    """Outlines of the whole image with the corrected part laid over them.

    A nucleus on the part's edge is outlined in both: where the two halves are of one nucleus they are joined.

    Parameters
    ----------
    labels : ndarray (H, W), integers
        Outlines of the whole image.
    corrections : Corrections
    whole_only : bool
        Nothing is known of halves that found no other half: for methods that learn shapes. Else each is a nucleus.

    Returns
    -------
    ndarray (H, W) int32
        1..N nuclei, 0 background, -1 (only with `whole_only`) where nothing is known.
    """
    inside = corrections.inside
    old, _ = compact(labels)
    new, _ = compact(corrections.labels)
    top = int(old.max(initial=0))
    other = _other_halves(old, new, inside)
    renamed = np.arange(top + 1)
    renamed[list(other)] = [top + one for one in other.values()]
    laid = np.where(inside, np.where(new > 0, new + top, 0), renamed[old])
    if whole_only:
        lost_old = np.setdiff1d(cut_ids(old, inside), list(other))
        lost_new = np.setdiff1d(cut_ids(new, inside), list(other.values()))
        laid[np.where(inside, np.isin(new, lost_new), np.isin(old, lost_old))] = UNKNOWN
    return np.where(laid == UNKNOWN, UNKNOWN, compact(np.maximum(laid, 0))[0]).astype(np.int32)


def cut_ids(labels: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Ids of a label image with pixels both in a part of it and outside; (N,), ascending."""
    ids = np.intersect1d(labels[inside], labels[~inside])
    return ids[ids > 0]


def _other_halves(old: np.ndarray, new: np.ndarray, inside: np.ndarray) -> dict[int, int]:
    """Nuclei of `old` outside the part, each with the nucleus of `new` whose part outside is mostly the same pixels."""
    cut = cut_ids(new, inside)
    outside_old, outside_new = old[~inside], np.where(np.isin(new, cut), new, 0)[~inside]
    both = (outside_old > 0) & (outside_new > 0)
    if not both.any():
        return {}
    pairs, shared = np.unique(np.stack([outside_old[both], outside_new[both]]), axis=1, return_counts=True)
    area_old, area_new = np.bincount(outside_old), np.bincount(outside_new)
    union = area_old[pairs[0]] + area_new[pairs[1]] - shared
    return {int(a): int(b) for (a, b), good in zip(pairs.T, 2 * shared > union, strict=True) if good}
