"""Object Dice and object Hausdorff: how well the outlines of nuclei agree, weighted by their areas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .contingency import Contingency
from .labelimage import boxes, compact
from .matching import best_partner

_MATRIX_LIMIT = 1 << 20


def object_dice(table: Contingency) -> float:
    """Object-level Dice (Sirinukunwattana et al., Medical Image Analysis 2017, the GlaS challenge).

    Each nucleus is compared with the one it shares most pixels with (0 if there is none), weighted by its share of the
    area; mean of both directions. Both images empty: 1; one: 0.
    """
    if not len(table.ids_a) or not len(table.ids_b):
        return 1.0 if len(table.ids_a) == len(table.ids_b) else 0.0
    pair_dice = 2 * table.shared / (table.area_a[table.a] + table.area_b[table.b])

    def side(of: np.ndarray, partner: np.ndarray, area: np.ndarray) -> float:
        best = best_partner(of, partner, table.shared, len(area), table.iou)
        has = best >= 0
        return float((area[has] * pair_dice[best[has]]).sum() / area.sum())

    return 0.5 * (side(table.a, table.b, table.area_a) + side(table.b, table.a, table.area_b))


@dataclass(frozen=True)
class _Shapes:
    """Pixels of every nucleus of one image, gathered once."""

    labels: np.ndarray  # compact ids
    order: np.ndarray  # flat pixel positions, nucleus after nucleus
    starts: np.ndarray
    rims: np.ndarray  # the same, only of pixels with a neighbour outside the nucleus
    rim_starts: np.ndarray
    boxes: np.ndarray

    @classmethod
    def of(cls, image: np.ndarray) -> _Shapes:
        labels, ids = compact(image)
        count = len(ids)
        rim = np.zeros(labels.shape, bool)
        for axis in range(labels.ndim):
            ahead = [slice(None)] * labels.ndim
            behind = [slice(None)] * labels.ndim
            ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
            differs = labels[tuple(ahead)] != labels[tuple(behind)]
            rim[tuple(ahead)] |= differs
            rim[tuple(behind)] |= differs
        order, starts = _sorted_pixels(labels.ravel(), count)
        rims, rim_starts = _sorted_pixels(np.where(rim, labels, 0).ravel(), count)
        return cls(labels, order, starts, rims, rim_starts, boxes(labels, count))

    def pixels(self, k: int) -> np.ndarray:
        return self.order[self.starts[k] : self.starts[k + 1]]

    def rim(self, k: int) -> np.ndarray:
        return self.rims[self.rim_starts[k] : self.rim_starts[k + 1]]


def _sorted_pixels(flat: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the pixels of nuclei 1..count, sorted by nucleus, and where each nucleus begins."""
    inside = np.flatnonzero(flat)
    order = inside[np.argsort(flat[inside], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(np.bincount(flat[inside], minlength=count + 1)[1:])])
    return order, starts


def _directed(a: _Shapes, i: int, b: _Shapes, j: int, spacing: np.ndarray) -> float:
    """Largest distance from a pixel of nucleus i of `a` to the nearest pixel of nucleus j of `b`."""
    pixels = a.pixels(i)
    outside = pixels[b.labels.ravel()[pixels] != j + 1]
    if not len(outside):
        return 0.0
    # The pixel nearest to one outside is always on the rim.
    shape = a.labels.shape
    source = np.stack(np.unravel_index(outside, shape), axis=1) * spacing
    target = np.stack(np.unravel_index(b.rim(j), shape), axis=1) * spacing
    if len(source) * len(target) <= _MATRIX_LIMIT:
        from scipy.spatial.distance import cdist

        return float(np.sqrt(cdist(source, target, "sqeuclidean").min(axis=1).max()))
    from scipy.spatial import cKDTree

    return float(cKDTree(target).query(source)[0].max())


def _hausdorff(a: _Shapes, i: int, b: _Shapes, j: int, spacing: np.ndarray) -> float:
    return max(_directed(a, i, b, j, spacing), _directed(b, j, a, i, spacing))


def _nearest(a: _Shapes, i: int, b: _Shapes, spacing: np.ndarray) -> float:
    """Smallest Hausdorff distance from nucleus i of `a` to any nucleus of `b`."""
    # Two sets are at least as far apart as the sides of their bounding boxes: look at the promising ones first.
    bounds = (np.abs(b.boxes - a.boxes[i]) * spacing[:, None]).max(axis=(1, 2))
    best = np.inf
    for j in np.argsort(bounds, kind="stable").tolist():
        if bounds[j] >= best:
            break
        best = min(best, _hausdorff(a, i, b, j, spacing))
    return best


def object_hausdorff(
    predicted: np.ndarray, truth: np.ndarray, table: Contingency, spacing: Sequence[float] | None = None
) -> float:
    """Object-level Hausdorff distance (Sirinukunwattana et al., GlaS challenge); smaller is better.

    Partners and weights as in `object_dice`. A nucleus that overlaps nothing is compared with the nucleus of the other
    image at the smallest Hausdorff distance. Both images empty: 0; one: the diagonal of the image.

    Parameters
    ----------
    predicted, truth : ndarray (Y, X) or (Z, Y, X), integers
    table : Contingency
        Of these two images.
    spacing : sequence of float, optional
        Pixel size per axis; the result is in its unit. Default: pixels.
    """
    step = np.ones(predicted.ndim) if spacing is None else np.asarray(spacing, float)
    if not len(table.ids_a) or not len(table.ids_b):
        if len(table.ids_a) == len(table.ids_b):
            return 0.0
        return float(np.linalg.norm((np.array(predicted.shape) - 1) * step))
    a, b = _Shapes.of(predicted), _Shapes.of(truth)
    known: dict[tuple[int, int], float] = {}

    def side(of: np.ndarray, partner: np.ndarray, area: np.ndarray, flipped: bool) -> float:
        best = best_partner(of, partner, table.shared, len(area), table.iou)
        distance = np.empty(len(area))
        for k, pair in enumerate(best.tolist()):
            if pair < 0:
                distance[k] = _nearest(b, k, a, step) if flipped else _nearest(a, k, b, step)
                continue
            key = (int(table.a[pair]), int(table.b[pair]))
            if key not in known:
                known[key] = _hausdorff(a, key[0], b, key[1], step)
            distance[k] = known[key]
        return float((area * distance).sum() / area.sum())

    return 0.5 * (side(table.a, table.b, table.area_a, False) + side(table.b, table.a, table.area_b, True))
