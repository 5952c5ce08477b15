"""From what a network paints (background black, rims grey, cores white) to nuclei: AD-GAN, sections 4.3 and 4.5.

The paper says "a threshold-based image ternarization and marker-based watershed algorithm" and no more; thresholds half
way between the levels are those of the authors' code for masks (64 of 255).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .shapeseeds import seeds_by_shape
from .spacing import relative_spacing


@dataclass(frozen=True)
class PaintSettings:
    """How painted values become nuclei.

    Parameters
    ----------
    low : float
        Values above belong to nuclei. -1 is background and 1 is white; grey is 0.
    high : float
        Values above belong to cores.
    diameter : float, optional
        Typical nucleus in pixels of the last axis. With it, what is much smaller is left out, and touching nuclei of
        semantic masks are divided.
    spacing : tuple of float, optional
        Pixel size per axis; its last one counts as 1.
    least : float
        Smallest nucleus, and smallest core, as a part of a typical one. Without a diameter nothing is too small.
    """

    low: float = -0.5
    high: float = 0.5
    diameter: float | None = None
    spacing: tuple[float, ...] | None = None
    least: float = 0.1

    def __post_init__(self) -> None:
        if not -1 <= self.low < self.high < 1:
            raise NucleiError(
                f"Nuclei from {self.low:g} on and cores from {self.high:g} on cannot be told apart.",
                "Both lie between -1 and 1, the second above the first.",
            )
        if self.diameter is not None and not self.diameter > 0:
            raise NucleiError(f"Nuclei cannot be {self.diameter:g} pixels large.", "Give a diameter above 0.")

    def step(self, ndim: int) -> tuple[float, ...]:
        """Pixel size per axis in units of the last."""
        return relative_spacing(self.spacing, ndim)

    def least_pixels(self, ndim: int, share: float = 1.0) -> int:
        """Of what is a `share` of a nucleus's diameter across."""
        if self.diameter is None:
            return 1
        ball = (np.pi / 4 if ndim == 2 else np.pi / 6) * (share * self.diameter) ** ndim
        return max(1, int(self.least * ball / np.prod(self.step(ndim))))


@dataclass(frozen=True)
class PaintedNuclei:
    """Nuclei with scores.

    Attributes
    ----------
    labels : ndarray (*spatial) uint32
        Ids 1..N.
    scores : ndarray (N,) float32
        Mean over the nucleus of how near values are to the levels painted: 1 on them, 0 half way between.
    """

    labels: np.ndarray
    scores: np.ndarray


def painted_mask(values: np.ndarray, settings: PaintSettings) -> np.ndarray:
    """(*spatial) bool: where nuclei are; specks left out and small holes filled.

    Parameters
    ----------
    values : ndarray (Y, X) or (Z, Y, X)
        In [-1, 1].
    settings : PaintSettings
    """
    mask = _checked(values) > settings.low
    least = settings.least_pixels(mask.ndim)
    if least > 1:
        mask = _without_small(mask, least, mask.ndim)
        mask = ~_without_small(~mask, least, 1, keep_cut=True)
    return mask


def nuclei_from_instances(values: np.ndarray, settings: PaintSettings) -> PaintedNuclei:
    """Nuclei painted with grey rims: cores are markers, and each floods as far as its rim reaches.

    The rim is as wide as the core is deep (half of a nucleus's radius each), so that a pixel between two cores belongs
    to the one from which it is fewer core radii away. A nucleus without a core is one all the same.

    Parameters
    ----------
    values : ndarray (Y, X) or (Z, Y, X)
        In [-1, 1].
    settings : PaintSettings
    """
    from skimage.measure import label
    from skimage.segmentation import watershed

    values = _checked(values)
    step = settings.step(values.ndim)
    mask = painted_mask(values, settings)
    # Half the diameter is core; connected by sides only, since rims may be one pixel thin.
    core = _without_small(mask & (values > settings.high), settings.least_pixels(mask.ndim, 0.5), 1)
    parts = label(mask, connectivity=mask.ndim)
    core |= mask & ~np.isin(parts, np.unique(parts[core]))
    markers = label(core, connectivity=1)
    labels = watershed(_radii_away(markers, step), markers, mask=mask)
    return _finished(labels, values, settings, 0.5)


def nuclei_from_semantic(values: np.ndarray, settings: PaintSettings) -> PaintedNuclei:
    """Nuclei painted white: components, divided by their shape where the diameter is known.

    Parameters
    ----------
    values : ndarray (Y, X) or (Z, Y, X)
        In [-1, 1].
    settings : PaintSettings
    """
    from skimage.measure import label
    from skimage.segmentation import watershed

    values = _checked(values)
    mask = painted_mask(values, settings)
    if settings.diameter is None or not mask.any():
        labels = label(mask, connectivity=mask.ndim)
    else:
        depth, seeds = seeds_by_shape(mask, settings.diameter, settings.step(mask.ndim))
        labels = watershed(-depth, seeds, mask=mask)
    return _finished(labels, values, settings, 1.0)


def _checked(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim not in (2, 3):
        raise NucleiError(f"Nuclei cannot be read off {values.ndim} axes.", "Choose a single plane or volume.")
    return np.nan_to_num(values.astype(np.float32), nan=-1.0)


def _without_small(mask: np.ndarray, least: int, connectivity: int, keep_cut: bool = False) -> np.ndarray:
    """Leave out components of fewer pixels; where `keep_cut`, not those that go on beyond the border."""
    from skimage.measure import label

    if least <= 1 or not mask.any():
        return mask
    parts = label(mask, connectivity=connectivity)
    stays = np.bincount(parts.ravel()) >= least
    for axis in range(mask.ndim if keep_cut else 0):
        for side in (0, -1):
            stays[np.take(parts, side, axis)] = True
    stays[0] = False
    return np.asarray(stays[parts])


def _radii_away(markers: np.ndarray, step: tuple[float, ...]) -> np.ndarray:
    """Distance of every pixel to the marker from which it is fewest of that marker's own inner radii away, in those."""
    from scipy.ndimage import distance_transform_edt, find_objects

    # Around a marker nothing counts that is three radii away: its rim is one.
    reach = 3.0
    result = np.full(markers.shape, np.inf, np.float32)
    for k, box in enumerate(find_objects(markers), 1):
        inner = np.pad(markers[box] == k, 1)
        radius = float(distance_transform_edt(inner, sampling=step).max())
        wider = tuple(
            slice(max(0, part.start - int(reach * radius / side) - 1), part.stop + int(reach * radius / side) + 1)
            for part, side in zip(box, step, strict=True)
        )
        away = distance_transform_edt(markers[wider] != k, sampling=step) / radius
        np.minimum(result[wider], away, out=result[wider])
    far = ~np.isfinite(result)
    if far.any() and not far.all():
        result[far] = reach + distance_transform_edt(far, sampling=step)[far]
    return result


def _finished(labels: np.ndarray, values: np.ndarray, settings: PaintSettings, apart: float) -> PaintedNuclei:
    """Ids 1..N without what is too small, with scores; painted levels are `apart` * 2 from each other."""
    least = settings.least_pixels(labels.ndim)
    stays = np.bincount(labels.ravel()) >= least
    stays[0] = False
    table = np.where(stays, np.cumsum(stays), 0)
    labels = table[labels].astype(np.uint32)
    inside = labels > 0
    # -1, 0, 1 (or -1, 1): how far from the next level, as a part of the farthest possible.
    place = (np.clip(values[inside], -1, 1) + 1) / (2 * apart)
    certain = 1 - 2 * np.abs(place - np.rint(place))
    count = int(stays.sum())
    area = np.bincount(labels[inside], minlength=count + 1)[1:]
    scores = np.bincount(labels[inside], certain, count + 1)[1:] / np.maximum(area, 1)
    return PaintedNuclei(labels, scores.astype(np.float32))
