"""Where two label images of one picture differ: a box for each group of changes."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_nucleidomain.instances.labelimage import compact


def boxes_round_changes(before: np.ndarray, now: np.ndarray, margin: int) -> list[tuple[slice, slice]]:
    """Boxes round the nuclei that differ, one for each group of changes that lie near to one another.

    Parameters
    ----------
    before, now : ndarray (Y, X), integers, same shape
        What a person saw before the first change, and sees now.
    margin : int
        Pixels left about each nucleus; boxes that touch then become one.

    Returns
    -------
    list of (rows, columns)
        Slices; empty where nothing differs. No two overlap.
    """
    changed = before != now
    touched = changed.copy()
    for labels in (before, now):
        small, ids = compact(labels)
        concerned = np.zeros(len(ids) + 1, bool)
        concerned[small[changed]] = True
        concerned[0] = False
        touched |= concerned[small]
    pieces, _ = ndimage.label(touched, np.ones((3, 3), bool))
    boxes = [_wider(box, margin, now.shape) for box in ndimage.find_objects(pieces)]
    return _apart(boxes, now.shape)


def _wider(box: tuple[slice, ...], margin: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    rows, columns = (
        slice(max(0, side.start - margin), min(length, side.stop + margin))
        for side, length in zip(box, shape, strict=True)
    )
    return rows, columns


def _apart(boxes: list[tuple[slice, slice]], shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """Boxes that touch made one, until none do: the box round two of them may reach a third."""
    while True:
        covered = np.zeros(shape, bool)
        for box in boxes:
            covered[box] = True
        pieces, _ = ndimage.label(covered)
        joined = [(box[0], box[1]) for box in ndimage.find_objects(pieces)]
        if len(joined) == len(boxes):
            return joined
        boxes = joined
