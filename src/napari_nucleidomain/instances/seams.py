"""How well seams are hidden, and the stitching of the SPN+IEN paper to compare with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    divided_within : int
        Of the broken, those that a tile which sees all of the nucleus divides by itself: the model's doing, not the
        seam's. 0 where the tiles were not given.
    """

    crossing: int
    broken: int
    merged: int
    lost: int
    divided_within: int = 0

    @property
    def share(self) -> float:
        """broken / crossing; 0 where nothing crosses."""
        return self.broken / self.crossing if self.crossing else 0.0

    @property
    def seam_share(self) -> float:
        """Those that no tile divides by itself, broken by the seam alone, / crossing; 0 where nothing crosses."""
        return (self.broken - self.divided_within) / self.crossing if self.crossing else 0.0


@dataclass(frozen=True)
class Views:
    """What the tiles saw from which a label image was stitched.

    Attributes
    ----------
    grid : Grid
    results : mapping of int to TileInstances
        By tile index.
    corner : tuple of int
        Place in the grid of the first pixel of the label images that are compared.
    """

    grid: Grid
    results: Mapping[int, TileInstances]
    corner: tuple[int, ...]

    def divide(self, where: tuple[np.ndarray, ...]) -> bool:
        """Whether a tile that sees all these pixels, and no edge of its window among them, has two nuclei in them.

        Parameters
        ----------
        where : tuple of ndarray
            Of one nucleus, as from `numpy.nonzero`, in the label images that are compared.
        """
        places = [axis + start for axis, start in zip(where, self.corner, strict=True)]
        for tile in self.grid:
            sides = zip(places, tile.window, self.grid.shape, strict=True)
            if not all(
                (piece.start == 0 or axis.min() > piece.start) and (piece.stop == n or axis.max() < piece.stop - 1)
                for axis, piece, n in sides
            ):
                continue
            labels = self.results[tile.index].labels
            here = labels[tuple(axis - piece.start for axis, piece in zip(places, tile.window, strict=True))]
            ids, shared = np.unique(here[here > 0], return_counts=True)
            if (2 * shared > np.bincount(labels.ravel())[ids]).sum() > 1:
                return True
        return False


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
    labels: np.ndarray,
    reference: np.ndarray,
    seams: Sequence[np.ndarray],
    *,
    least_pixels: int = 1,
    views: Views | None = None,
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
    views : Views, optional
        The tiles of `labels`: tells what seams broke from what the model divides.

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
    broken = across & (pieces > 1)
    within = 0
    if views is not None:
        within = sum(views.divide(np.nonzero(np.asarray(reference) == k)) for k in table.ids_b[broken])
    return SeamErrors(
        int(across.sum()), int(broken.sum()), int((across & merged).sum()), int((across & ~seen).sum()), int(within)
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
