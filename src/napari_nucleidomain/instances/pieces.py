"""A label image of any size looked at piece by piece, each nucleus once and whole."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

# Rows and columns looked at in one go.
BLOCK = 4096


@dataclass(frozen=True)
class Piece:
    """Some nuclei of a label image.

    Attributes
    ----------
    box : tuple of slice
        Where they lie, as a whole.
    labels : ndarray (*box shape)
        Their ids; others that reach into the box are 0.
    ids : ndarray (N,) int64
    at_border : ndarray (N,) bool
        Whether each touches the edge of the label image.
    """

    box: tuple[slice, ...]
    labels: np.ndarray
    ids: np.ndarray
    at_border: np.ndarray


def pieces(labels: Any, block: int = BLOCK) -> Iterator[Piece]:
    """Pieces in which every nucleus lies once and whole, also where it reaches over the edge of a block.

    Parameters
    ----------
    labels : array-like (Y, X), integers
        Read with slices; never held as a whole where it is larger than a block.
    block : int
        Rows and columns of a block, in pixels.

    Yields
    ------
    Piece
    """
    ids, spans = extents(labels, block)
    shape = np.array(labels.shape)
    corner = spans[:, 0] // block
    # Nuclei that begin in the same block are looked at together.
    _, group = np.unique(corner[:, 0] * (int(shape[1]) // block + 1) + corner[:, 1], return_inverse=True)
    order = np.argsort(group, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        if not len(members):
            continue
        low, high = spans[members, 0].min(axis=0), spans[members, 1].max(axis=0)
        box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        window = np.asarray(labels[box])
        own = np.where(np.isin(window, ids[members]), window, 0)
        at_border = (spans[members, 0] == 0).any(axis=1) | (spans[members, 1] == shape).any(axis=1)
        yield Piece(box, own, ids[members], at_border)


def extents(labels: Any, block: int = BLOCK) -> tuple[np.ndarray, np.ndarray]:
    """Bounding boxes of all nuclei, from blocks.

    Parameters
    ----------
    labels : array-like (Y, X), integers
    block : int

    Returns
    -------
    ids : ndarray (N,) int64
        Ascending.
    spans : ndarray (N, 2, 2) int64
        First pixel, and the one after the last, each as (y, x).
    """
    from scipy.ndimage import find_objects

    found: list[tuple[np.ndarray, np.ndarray]] = []
    height, width = labels.shape
    for top, left in itertools.product(range(0, height, block), range(0, width, block)):
        piece = np.asarray(labels[top : top + block, left : left + block])
        ids, small = np.unique(piece, return_inverse=True)
        small = small.reshape(piece.shape).astype(np.int32)
        if len(ids) and ids[0] == 0:
            ids = ids[1:]
        else:
            small += 1
        boxes = [[[y.start + top, x.start + left], [y.stop + top, x.stop + left]] for y, x in find_objects(small)]
        found.append((ids.astype(np.int64), np.array(boxes, np.int64).reshape(-1, 2, 2)))
    if not found:
        return np.zeros(0, np.int64), np.zeros((0, 2, 2), np.int64)
    seen = np.concatenate([ids for ids, _ in found])
    spans = np.concatenate([boxes for _, boxes in found])
    ids, place = np.unique(seen, return_inverse=True)
    low = np.full((len(ids), 2), np.iinfo(np.int64).max)
    high = np.zeros((len(ids), 2), np.int64)
    np.minimum.at(low, place, spans[:, 0])
    np.maximum.at(high, place, spans[:, 1])
    return ids, np.stack([low, high], axis=1)
