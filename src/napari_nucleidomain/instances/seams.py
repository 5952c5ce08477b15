"""How well seams are hidden, and the stitching of the SPN+IEN paper to compare with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .contingency import contingency
from .grid import Grid
from .labelimage import as_labels, boxes, compact
from .stitching import TileInstances


@dataclass(frozen=True)
class SeamErrors:
    """Nuclei of a reference that lie across a seam, and what became of them.

    Attributes
    ----------
    crossing : int
        Reference nuclei with pixels on both sides of a seam.
    broken : int
        Of these, split or doubled: two or more nuclei lie mostly inside.
    merged : int
        Of these, lying mostly in a nucleus that holds another reference nucleus, too.
    lost : int
        Of these, without a single pixel in any nucleus.
    """

    crossing: int
    broken: int
    merged: int
    lost: int

    @property
    def share(self) -> float:
        """broken / crossing; 0 where nothing crosses."""
        return self.broken / self.crossing if self.crossing else 0.0


def crossing(labels: np.ndarray, seams: Sequence[np.ndarray]) -> np.ndarray:
    """Ids of the nuclei with pixels on both sides of a seam.

    Parameters
    ----------
    labels : ndarray (Y, X) or (Z, Y, X), integers
    seams : sequence of ndarray
        Per axis, the coordinates at which a new core begins (`Grid.seams`).

    Returns
    -------
    ndarray of int64, ascending
    """
    small, ids = compact(as_labels(labels))
    box = boxes(small, len(ids))
    result = np.zeros(len(ids), bool)
    for axis, places in enumerate(seams):
        after_start = np.searchsorted(places, box[:, axis, 0], side="right")
        result |= after_start < np.searchsorted(places, box[:, axis, 1] - 1, side="right")
    return ids[result]


def seam_errors(
    labels: np.ndarray, reference: np.ndarray, seams: Sequence[np.ndarray], *, least_pixels: int = 1
) -> SeamErrors:
    """Count what seams did to the nuclei across them.

    Two segmentations differ away from seams, too: what seams add is the share above that at `Grid.middles`.

    Parameters
    ----------
    labels : ndarray, integers
        Stitched on a grid with these seams.
    reference : ndarray, integers, same shape
        The truth, or the result of a grid whose seams are elsewhere.
    seams : sequence of ndarray
        `Grid.seams` of the grid of `labels`.
    least_pixels : int
        Smaller nuclei of `labels` are not looked at.

    Returns
    -------
    SeamErrors
    """
    table = contingency(labels, reference, names=("The result", "the reference"))
    across = np.isin(table.ids_b, crossing(reference, seams))
    big = table.area_a[table.a] >= least_pixels
    inside = big & (2 * table.shared > table.area_a[table.a])
    pieces = np.bincount(table.b[inside], minlength=len(table.ids_b))
    covering = 2 * table.shared > table.area_b[table.b]
    held = np.bincount(table.a[covering], minlength=len(table.ids_a))
    merged = np.zeros(len(table.ids_b), bool)
    merged[table.b[covering & (held[table.a] > 1)]] = True
    seen = np.zeros(len(table.ids_b), bool)
    seen[table.b[big]] = True
    return SeamErrors(
        int(across.sum()),
        int((across & (pieces > 1)).sum()),
        int((across & merged).sum()),
        int((across & ~seen).sum()),
    )


def overwrite_stitch(grid: Grid, load: Callable[[int], TileInstances]) -> np.ndarray:
    """Stitch as the code of SPN+IEN does; only for benchmarks beside `stitch_array`.

    Every tile owns its core. Nuclei that lie across the upper or left border of a core are copied whole from the newer
    tile over what was there; ids are never merged, so that slivers of the older version survive with ids of their own.

    Returns
    -------
    ndarray uint32, shape of the image
    """
    result = np.zeros(grid.shape, np.uint32)
    following = 0
    for tile in grid:
        small, ids = compact(as_labels(load(tile.index).labels))
        numbered = np.where(small > 0, small + np.uint32(following), 0).astype(np.uint32)
        result[tile.core] = numbered[tile.inner]
        inside = np.zeros(len(ids) + 1, bool)
        inside[small[tile.inner]] = True
        before = np.zeros(len(ids) + 1, bool)
        for axis, piece in enumerate(tile.inner):
            margin = [slice(None)] * small.ndim
            margin[axis] = slice(0, piece.start)
            before[small[tuple(margin)]] = True
        copied = inside & before
        copied[0] = False
        mask = copied[small]
        result[tile.window][mask] = numbered[mask]
        following += len(ids)
    return result
