"""Outlines where brightness falls half-way from a nucleus to its own surroundings (the half maximum of an edge).

A network tells where nuclei are better than where exactly they end; a threshold for the whole image ends bright nuclei
too far out and dim ones too far in. Half-way is where a sharp edge lies after the blur of a microscope, whatever the
brightness of the nucleus.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_nucleidomain.contracts import NucleiError


@dataclass(frozen=True)
class EdgeSettings:
    """How outlines are moved.

    Parameters
    ----------
    diameter : float
        Typical nucleus in pixels of the last axis.
    share : float
        How far from the surroundings (0) to the nucleus (1) brightness is at its edge.
    spacing : tuple of float, optional
        Pixel size per axis; its last one counts as 1.
    smooth : float
        Noise is smoothed by a Gaussian of this standard deviation, as a part of the diameter.
    reach : float
        So far beyond its old outline a nucleus may grow, as a part of the diameter.
    least : float
        A nucleus that would keep less than this part of its pixels keeps its old outline.
    """

    diameter: float
    share: float = 0.5
    spacing: tuple[float, ...] | None = None
    smooth: float = 0.0
    reach: float = 0.3
    least: float = 0.3

    def __post_init__(self) -> None:
        if not self.diameter > 0:
            raise NucleiError(f"Nuclei cannot be {self.diameter:g} pixels large.", "Give a diameter above 0.")
        if not 0 < self.share < 1:
            raise NucleiError(f"An edge cannot lie at {self.share:g} of the way.", "Give a number between 0 and 1.")

    def step(self, ndim: int) -> tuple[float, ...]:
        """Pixel size per axis in units of the last."""
        spacing = self.spacing or (1.0,) * ndim
        if len(spacing) != ndim:
            raise NucleiError(f"The pixel size {spacing} does not fit {ndim} axes.", "Give one number per axis.")
        return tuple(side / spacing[-1] for side in spacing)


def outlines_at_half_maximum(labels: np.ndarray, image: np.ndarray, settings: EdgeSettings) -> np.ndarray:
    """Move every nucleus's outline to where brightness falls half-way to its surroundings.

    Nuclei neither vanish nor meet: each keeps its id, in one part without holes, and ends half-way to its neighbour.

    Parameters
    ----------
    labels : ndarray (*spatial) int
        Nuclei, 0 background.
    image : ndarray (*spatial) float
        Nuclei bright; any range.
    settings : EdgeSettings

    Returns
    -------
    ndarray (*spatial), dtype of `labels`
    """
    from scipy.ndimage import find_objects, gaussian_filter
    from skimage.segmentation import expand_labels

    if labels.shape != image.shape:
        raise NucleiError(f"Nuclei of {labels.shape} pixels do not lie on an image of {image.shape}.")
    count = int(labels.max(initial=0))
    if not count:
        return labels
    step = settings.step(labels.ndim)
    image = np.nan_to_num(np.asarray(image, np.float32))
    if settings.smooth:
        image = gaussian_filter(image, [settings.smooth * settings.diameter / side for side in step])
    own = expand_labels(labels, settings.reach * settings.diameter, spacing=step)
    threshold = _thresholds(labels, own, image, settings, step, count)
    bright = image > threshold[own]
    result = np.zeros_like(labels)
    for k, box in enumerate(find_objects(own), 1):
        if box is not None:
            result[box][_one_part(bright[box] & (own[box] == k), labels[box] == k, settings.least)] = k
    return result


def _thresholds(
    labels: np.ndarray,
    own: np.ndarray,
    image: np.ndarray,
    settings: EdgeSettings,
    step: tuple[float, ...],
    count: int,
) -> np.ndarray:
    """(count + 1,) brightness at the edge of every nucleus; for 0, and where nothing is darker, that of nothing."""
    from scipy.ndimage import median
    from skimage.segmentation import expand_labels

    ids = np.arange(count + 1)
    around = np.where(own == 0, expand_labels(own, settings.diameter, spacing=step), 0)
    ground = image[own == 0]
    if not ground.size:
        return np.full(count + 1, np.inf, np.float32)
    seen = np.bincount(around.ravel(), minlength=count + 1) > 0
    dark = np.where(seen, median(image, around, ids), np.median(ground))
    there = np.bincount(labels.ravel(), minlength=count + 1) > 0
    light = np.where(there, median(image, labels, ids), dark)
    found = np.where(light > dark, dark + settings.share * (light - dark), np.inf)
    found[0] = np.inf
    return np.asarray(found, np.float32)


def _one_part(mask: np.ndarray, before: np.ndarray, least: float) -> np.ndarray:
    """The part of a mask that shares most with what was there, without holes; that itself where too little is left."""
    from scipy.ndimage import binary_fill_holes, label

    parts, _ = label(mask)
    shared = np.bincount(parts[before], minlength=2)
    shared[0] = 0
    chosen = parts == shared.argmax() if shared.any() else np.zeros_like(mask)
    filled = np.asarray(binary_fill_holes(chosen))
    return filled if filled.sum() >= least * before.sum() and filled.any() else before
