"""Image-adaptive k-means over colour and distance to the nearest click (Liu et al., section 2.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .voronoi import pixel_of


@dataclass(frozen=True)
class ClusterSettings:
    """Numbers of the paper's section 3.2.

    Attributes
    ----------
    colour_weight : float
        Global scaling term lambda.
    patch_px : int
        Side L of the squares about clicks from which sigma is taken, in px.
    max_distance_px : float
        d*: distances are cut off here, in px.
    adaptive : bool
        Divide colours by the image's own sigma (the paper's SPN); else by `fixed_sigma` for all (its baseline).
    fit_stride : int
        k-means is fitted on every so many-th pixel along each axis and predicted for all; 1 uses all.
    restarts : int
        k-means starts; the one of least inertia is kept.
    """

    colour_weight: float = 0.2
    patch_px: int = 60
    max_distance_px: float = 20.0
    adaptive: bool = True
    fit_stride: int = 4
    restarts: int = 2

    @property
    def fixed_sigma(self) -> float:
        """What colours are divided by where not adaptive: weighed as by Qu et al., whatever lambda is.

        A unit colour counts 255 / 10 against a distance of one pixel; d* pixels are one unit here.
        """
        return self.colour_weight * self.max_distance_px / 25.5


def local_colour_spread(image: np.ndarray, points: np.ndarray, patch_px: int, stride: int = 1) -> float:
    """sigma_k: standard deviation of colour distances between pixels and their 9x9 neighbours near clicks.

    Neighbours are restricted to the L x L squares about clicks, centre pixels are not, as in the authors' code.

    Parameters
    ----------
    image : ndarray (H, W, C) float32 in [0, 1]
    points : ndarray (N, 2)
    patch_px : int
        L, in px.
    stride : int
        Use every so many-th centre pixel along each axis.

    Returns
    -------
    float
        At least 1e-3, also for a constant image.
    """
    near = squares_about(points, image.shape[:2], patch_px)
    padded = np.pad(image, ((4, 4), (4, 4), (0, 0)))
    near = np.pad(near, 4)
    height, width = image.shape[:2]
    centre = image[::stride, ::stride]
    count, total, squares = 0, 0.0, 0.0
    for down in range(9):
        for right in range(9):
            if down == right == 4:
                continue
            area = (slice(down, down + height, stride), slice(right, right + width, stride))
            wanted = near[area]
            difference = padded[area] - centre
            squared = np.einsum("ijk,ijk->ij", difference, difference)[wanted]
            count += squared.size
            total += float(np.sqrt(squared).sum(dtype=np.float64))
            squares += float(squared.sum(dtype=np.float64))
    if count == 0:
        return 1e-3
    return max(1e-3, float(np.sqrt(max(0.0, squares / count - (total / count) ** 2))))


def squares_about(points: np.ndarray, shape: tuple[int, int], side: int) -> np.ndarray:
    """Union of side x side squares about clicks, bool."""
    corners = np.zeros((shape[0] + 1, shape[1] + 1), np.int32)
    rows, columns = pixel_of(points, shape)
    low, high = side // 2, side - side // 2
    top, bottom = np.maximum(rows - low, 0), np.minimum(rows + high, shape[0])
    left, right = np.maximum(columns - low, 0), np.minimum(columns + high, shape[1])
    for a, b, sign in ((top, left, 1), (bottom, right, 1), (top, right, -1), (bottom, left, -1)):
        np.add.at(corners, (a, b), sign)
    return corners.cumsum(0).cumsum(1)[:-1, :-1] > 0


def cluster(
    image: np.ndarray, distance: np.ndarray, inside: np.ndarray, sigma: float, settings: ClusterSettings, seed: int
) -> np.ndarray:
    """Three clusters of the pixels inside a region.

    Features are the cut-off distance in [0, 1] and the colours times lambda / sigma.

    Parameters
    ----------
    image : ndarray (H, W, C) float32 in [0, 1]
    distance : ndarray (H, W) float32
        To the nearest click, in px.
    inside : ndarray (H, W) bool
    sigma : float
    settings : ClusterSettings
    seed : int

    Returns
    -------
    ndarray (H, W) int8
        0, 1 or 2; -1 outside.
    """
    from scipy.cluster.vq import kmeans2

    cut = np.minimum(distance, settings.max_distance_px)
    cut = cut / max(1e-6, float(cut.max()))
    weight = settings.colour_weight / sigma
    features = np.concatenate([cut[..., None], image * np.float32(weight)], axis=2).astype(np.float32)
    stride = settings.fit_stride
    sample = features[::stride, ::stride][inside[::stride, ::stride]]
    if len(sample) < 2000:
        sample = features[inside]
    # kmeans2 keeps the sample's number type: single precision gives the same clusters in half the time.
    best, least = None, np.inf
    for restart in range(settings.restarts):
        rng = np.random.default_rng([seed, restart])
        centres, codes = kmeans2(sample, 3, iter=40, minit="++", missing="warn", rng=rng)
        inertia = float(((sample - centres[codes]) ** 2).sum())
        if inertia < least:
            best, least = centres, inertia
    assert best is not None
    labels = np.full(distance.shape, -1, np.int8)
    labels[inside] = nearest_centre(features[inside], best)
    return labels


def nearest_centre(features: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Index of the nearest centre of each row, int8."""
    scores = features @ centres.T.astype(features.dtype)
    scores -= 0.5 * (centres**2).sum(1).astype(features.dtype)
    return scores.argmax(1).astype(np.int8)


def name_clusters(labels: np.ndarray, points: np.ndarray) -> tuple[int, int]:
    """Which cluster is nuclei and which is background.

    Nuclei: the one most clicks lie in. Background: of the others, the one that discs of radius 5 px about the clicks
    overlap least (as Qu et al. 2019 choose).

    Returns
    -------
    tuple of int
        Index of the nuclei's cluster, index of the background's.
    """
    at = labels[pixel_of(points, labels.shape)]
    nuclei = int(np.bincount(at[at >= 0], minlength=3).argmax()) if (at >= 0).any() else 0
    near = discs_about(points, labels.shape, 5)
    counts = np.bincount(labels[near & (labels >= 0)], minlength=3).astype(float)
    sizes = np.bincount(labels[labels >= 0], minlength=3)
    counts[nuclei] = np.inf
    # Of two clusters no disc touches, the larger is background; an empty one is not.
    order = sorted(range(3), key=lambda k: (counts[k] + (sizes[k] == 0) * 1e12, -sizes[k]))
    return nuclei, order[0]


def discs_about(points: np.ndarray, shape: tuple[int, int], radius: int) -> np.ndarray:
    """Union of discs about clicks, bool."""
    spots = np.zeros(shape, bool)
    if len(points):
        spots[pixel_of(points, shape)] = True
        offsets = np.arange(-radius, radius + 1)
        disc = offsets[:, None] ** 2 + offsets[None] ** 2 <= radius**2
        rows, columns = np.nonzero(spots)
        down, right = np.nonzero(disc)
        rows = (rows[:, None] + down[None] - radius).ravel()
        columns = (columns[:, None] + right[None] - radius).ravel()
        kept = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
        spots[rows[kept], columns[kept]] = True
    return spots


def remove_small(mask: np.ndarray, least: int) -> np.ndarray:
    """Drop 8-connected components of fewer than `least` pixels."""
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    if count == 0:
        return mask
    keep = np.bincount(labels.ravel()) >= least
    keep[0] = False
    return keep[labels]
