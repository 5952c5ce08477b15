"""How good a prediction is by clicks alone, where nobody drew outlines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .counts import ratio
from .labelimage import as_labels, compact, same_shape


@dataclass(frozen=True)
class PointScores:
    """What became of the clicks; `DEFINITIONS` says what each figure is.

    Attributes
    ----------
    n_clicks, found, merged, missed : int
        Clicks; ``found + merged + missed == n_clicks``.
    n_predicted : int
        Predicted nuclei that were compared: those with a click, and extra ones.
    extra : int
        Nuclei without a click.
    point_precision, point_recall, point_f1 : float
        1 where there is neither a click nor a nucleus.
    """

    n_clicks: int
    found: int
    merged: int
    missed: int
    extra: int
    n_predicted: int
    point_precision: float
    point_recall: float
    point_f1: float

    def as_dict(self) -> dict[str, Any]:
        """Every figure by its exact name."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def sentence(self) -> str:
        """For a biologist: ``112 of 120 found, 5 merged, 9 extra``."""
        return f"{self.found} of {self.n_clicks} found, {self.merged} merged, {self.extra} extra"


def nearest_pixels(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The pixel each point lies in; pixel centres are at whole coordinates.

    Parameters
    ----------
    points : ndarray (N, ndim) float
    shape : tuple of int

    Returns
    -------
    ndarray (N, ndim) int64

    Raises
    ------
    NucleiError
        Wrong number of coordinates, missing values, or points outside the image.
    """
    points = np.asarray(points, float)
    if points.size == 0:
        return np.zeros((0, len(shape)), np.int64)
    if points.ndim != 2 or points.shape[1] != len(shape):
        raise NucleiError(
            f"The clicks have {points.shape[-1]} coordinates, the image has {len(shape)} axes.",
            "Clicks must be made on this image, in the same dimensions.",
        )
    pixels = np.floor(points + 0.5)
    outside = ~((pixels >= 0) & (pixels < np.array(shape))).all(axis=1)
    if outside.any():
        raise NucleiError(
            f"{int(outside.sum())} of {len(points)} clicks lie outside the image.",
            "They may belong to another image, or to this one at another size.",
        )
    return pixels.astype(np.int64)


def score_points(predicted: object, points: object, region_mask: np.ndarray | None = None) -> PointScores:
    """Compare predicted nuclei with clicks, one inside each nucleus.

    Parameters
    ----------
    predicted : array_like (Y, X) or (Z, Y, X), integers
        Label image; ids are arbitrary.
    points : array_like (N, ndim), float
        Clicks in pixel coordinates (y, x) or (z, y, x); pixel centres are at whole numbers.
    region_mask : ndarray of bool, same shape, optional
        Where every nucleus was clicked. Clicks outside are left out; nuclei without a click count as extra only if
        their centre is inside. Default: the whole image.

    Returns
    -------
    PointScores

    Raises
    ------
    NucleiError
        Clicks outside the image or of another dimension; a mask of another shape.
    """
    labels, _ = compact(as_labels(predicted, "The prediction"))
    pixels = nearest_pixels(np.asarray(points, float), labels.shape)
    if region_mask is not None:
        region_mask = np.asarray(region_mask, bool)
        same_shape(labels, region_mask, "The prediction", "the region")
        pixels = pixels[region_mask[tuple(pixels.T)]]
    count = int(labels.max(initial=0))
    hits = np.bincount(labels[tuple(pixels.T)], minlength=count + 1)
    without = np.flatnonzero(hits[1:] == 0) + 1
    if region_mask is not None and len(without):
        without = without[region_mask[tuple(_centres(labels, count)[without - 1].T)]]
    return _from_hits(hits, len(without))


def score_points_large(labels: Any, points: object, block: int = 2048) -> PointScores:
    """`score_points` for a flat label image of any size, looked at block by block.

    Parameters
    ----------
    labels : array-like (Y, X), integers
        Read with slices.
    points : array_like (N, 2), float
    block : int
        Rows and columns read at once, in pixels.

    Raises
    ------
    NucleiError
        Clicks outside the image or of another dimension.
    """
    height, width = labels.shape
    pixels = nearest_pixels(np.asarray(points, float), (height, width))
    at = np.zeros(len(pixels), np.int64)
    ids: list[np.ndarray] = []
    for top in range(0, height, block):
        for left in range(0, width, block):
            part = as_labels(labels[top : top + block, left : left + block], "The prediction")
            ids.append(np.unique(part).astype(np.int64))
            local = pixels - (top, left)
            here = ((local >= 0) & (local < part.shape)).all(axis=1)
            at[here] = part[tuple(local[here].T)]
    known = np.union1d(np.unique(np.concatenate(ids)) if ids else [], [0]).astype(np.int64)
    hits = np.bincount(np.searchsorted(known, at), minlength=len(known))
    return _from_hits(hits, int((hits[1:] == 0).sum()))


def _from_hits(hits: np.ndarray, extra: int) -> PointScores:
    """Scores from the clicks on the background (first) and on each nucleus, and the nuclei without a click."""
    per_nucleus = hits[1:]
    return _from_counts(
        found=int((per_nucleus == 1).sum()),
        merged=int(per_nucleus[per_nucleus > 1].sum()),
        missed=int(hits[0]),
        extra=extra,
        n_predicted=int((per_nucleus > 0).sum()) + extra,
    )


def add_scores(parts: Sequence[PointScores]) -> PointScores:
    """Scores of several images as if they were one: counts are added, ratios made of the sums."""
    names = ("found", "merged", "missed", "extra", "n_predicted")
    return _from_counts(**{name: sum(getattr(part, name) for part in parts) for name in names})


def _from_counts(*, found: int, merged: int, missed: int, extra: int, n_predicted: int) -> PointScores:
    clicks = found + merged + missed
    nothing = clicks == 0 and n_predicted == 0
    return PointScores(
        n_clicks=clicks,
        found=found,
        merged=merged,
        missed=missed,
        extra=extra,
        n_predicted=n_predicted,
        point_precision=ratio(found, n_predicted, nothing),
        point_recall=ratio(found, clicks, nothing),
        point_f1=ratio(2 * found, clicks + n_predicted, nothing),
    )


def _centres(labels: np.ndarray, count: int) -> np.ndarray:
    """The pixel nearest to each nucleus's centre of mass; (count, ndim) int64."""
    where = np.nonzero(labels)
    ids = labels[where]
    area = np.maximum(np.bincount(ids, minlength=count + 1)[1:], 1)
    sums = [np.bincount(ids, weights=axis, minlength=count + 1)[1:] for axis in where]
    return np.floor(np.stack(sums, axis=1) / area[:, None] + 0.5).astype(np.int64)
