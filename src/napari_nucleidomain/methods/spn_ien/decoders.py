"""From the networks' maps of one tile to nuclei: grouping of embeddings, or what can be had without them."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_nucleidomain.instances.cleaning import clean
from napari_nucleidomain.instances.stitching import TileInstances

from .clustering import remove_small
from .grouping import remove_background_cluster


def proposal(probability: np.ndarray, above: float, least_px: int) -> np.ndarray:
    """The SPN's foreground: thresholded, small pieces dropped, holes filled (Liu et al., section 2.1); (h, w) bool."""
    return np.asarray(ndimage.binary_fill_holes(remove_small(probability > above, least_px)))


def components(probability: np.ndarray, above: float, least_px: int) -> np.ndarray:
    """Connected pieces: the paper's "SPN" row with `above` one half; (h, w) int32."""
    labels, _ = ndimage.label(proposal(probability, above, least_px), np.ones((3, 3)))
    return np.asarray(labels, np.int32)


def watershed(probability: np.ndarray, above: float, least_px: int, diameter_px: float) -> np.ndarray:
    """Pieces divided where they are waisted; (h, w) int32.

    Seeds are the maxima of the distance to the edge, smoothed and kept apart by a share of a nucleus' diameter.
    """
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed as flood

    mask = proposal(probability, above, least_px)
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), max(1.0, diameter_px / 12.0))
    pieces, _ = ndimage.label(mask, np.ones((3, 3)))
    peaks = peak_local_max(depth, min_distance=max(3, round(diameter_px / 4.0)), labels=pieces, exclude_border=False)
    seeds = np.zeros(mask.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return np.asarray(flood(-depth, seeds, mask=mask), np.int32)


def without_background(
    clusters: np.ndarray, probability: np.ndarray, min_components: int, least_probability: float
) -> np.ndarray:
    """Remove the background cluster by its many pieces, and clusters the SPN thinks background (section 2.1)."""
    known = probability if least_probability else None
    return remove_background_cluster(clusters, min_components, probability=known, least_probability=least_probability)


def tidy(labels: np.ndarray, probability: np.ndarray, spread: np.ndarray | None, least_px: int) -> TileInstances:
    """Clean a tile's nuclei and score each.

    Parameters
    ----------
    labels : ndarray (h, w) int
    probability : ndarray (h, w) float32
        By the SPN.
    spread : ndarray (h, w) float32 or None
        Distance of each pixel's embedding to its nucleus' mean, in bandwidths.
    least_px : int

    Returns
    -------
    TileInstances
        Score: mean probability. Uncertainty: how near that is to one half, or how far the embeddings spread, whichever
        is more.
    """
    cleaned = clean(labels, least_pixels=least_px).labels
    count = int(cleaned.max(initial=0))
    if count == 0:
        return TileInstances(cleaned.astype(np.int32), np.zeros(0, np.float32), np.zeros(0, np.float32))
    flat = cleaned.ravel()
    sizes = np.bincount(flat, minlength=count + 1)[1:]
    score = np.bincount(flat, probability.ravel(), count + 1)[1:] / sizes
    doubt = 1.0 - np.bincount(flat, np.abs(2.0 * probability.ravel() - 1.0), count + 1)[1:] / sizes
    if spread is not None:
        doubt = np.maximum(doubt, np.bincount(flat, np.minimum(spread.ravel(), 1.0), count + 1)[1:] / sizes)
    return TileInstances(cleaned.astype(np.int32), score.astype(np.float32), np.clip(doubt, 0, 1).astype(np.float32))
