"""Ids that a label image uses twice: pieces of one id too far apart to be one nucleus."""

from __future__ import annotations

import numpy as np

from .labelimage import boxes

# A nucleus whose box is longer than so many diameters of a disc of its area may be two.
_LONG = 1.5
# Far pieces smaller than this share of a typical nucleus are slips of the brush.
_CRUMB = 1 / 16
_ROWS = 1024


def part_reused(known: np.ndarray, spans: np.ndarray, unknown: int = -1) -> tuple[np.ndarray, np.ndarray, int]:
    """Make nuclei of their own of pieces that lie further apart than a typical nucleus is wide.

    Parameters
    ----------
    known : ndarray (H, W) int32
        1..N nuclei; anything below is not looked at.
    spans : ndarray (N, 2, 2) int64
        Their `boxes`.
    unknown : int
        What far crumbs become.

    Returns
    -------
    known : ndarray (H, W) int32
        The same memory where no id is used twice; else a copy with new ids above N.
    spans : ndarray
        Boxes of its nuclei.
    reused : int
        Ids that were used for more than one nucleus.
    """
    from skimage.measure import label

    areas = _areas(known, len(spans))
    own = _diameters(areas)
    long = np.diff(spans, axis=2)[:, :, 0].max(1, initial=0) > np.maximum(_LONG * own, 2)
    if not long.any():
        return known, spans, 0
    low, high = spans[long, :, 0].min(0), spans[long, :, 1].max(0)
    place = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    window = known[place]
    pieces, count = label(
        np.where(np.append(False, long)[np.maximum(window, 0)], window, 0), connectivity=2, return_num=True
    )
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    bounds = boxes(pieces, count)
    ids = np.zeros(count + 1, known.dtype)
    ids[pieces] = np.where(pieces > 0, window, 0)
    typical = float(np.median(np.concatenate([own[~long], _diameters(sizes[1:])])))
    new, reused, total = ids.copy(), 0, len(spans)
    least = _CRUMB * np.pi / 4 * typical**2
    order = np.argsort(ids[1:], kind="stable") + 1
    for members in np.split(order, np.flatnonzero(np.diff(ids[order])) + 1):
        groups = _near(bounds[members - 1], typical) if len(members) > 1 else []
        groups = sorted((members[group] for group in groups), key=lambda group: -sizes[group].sum())
        nuclei = [group for group in groups[1:] if sizes[group].sum() >= least]
        for group in groups[1:]:
            new[group] = unknown
        for group in nuclei:
            total += 1
            new[group] = total
        reused += bool(nuclei)
    if np.array_equal(new, ids):
        return known, spans, 0
    known = known.copy()
    known[place] = np.where(pieces > 0, new[pieces], window)
    return known, boxes(known, total), reused


def _near(bounds: np.ndarray, reach: float) -> list[np.ndarray]:
    """Rows of boxes (M, 2, 2) in groups, in each of which one is led to another by gaps of at most `reach` px."""
    left, groups = np.ones(len(bounds), bool), []
    while left.any():
        group, todo = [], [int(np.argmax(left))]
        left[todo] = False
        while todo:
            one = todo.pop()
            group.append(one)
            gap = np.maximum(bounds[:, :, 0] - bounds[one, :, 1], bounds[one, :, 0] - bounds[:, :, 1]).max(1)
            near = np.flatnonzero(left & (gap <= reach))
            left[near] = False
            todo += near.tolist()
        groups.append(np.array(group))
    return groups


def _diameters(areas: np.ndarray) -> np.ndarray:
    """Of discs of these areas."""
    found: np.ndarray = 2.0 * np.sqrt(areas / np.pi)
    return found


def _areas(known: np.ndarray, count: int) -> np.ndarray:
    """Pixels of nuclei 1..count, a few rows at a time, because counting takes twice the memory of what is counted."""
    areas = np.zeros(count + 1, np.int64)
    for top in range(0, len(known), _ROWS):
        areas += np.bincount(np.maximum(known[top : top + _ROWS], 0).ravel(), minlength=count + 1)
    return areas[1:]
