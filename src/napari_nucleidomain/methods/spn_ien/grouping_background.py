"""Which cluster of a tile is background."""

from __future__ import annotations

import numpy as np


def remove_background_cluster(
    labels: np.ndarray,
    min_components: int = 5,
    *,
    probability: np.ndarray | None = None,
    least_probability: float = 0.5,
) -> np.ndarray:
    """Remove the cluster that is background by its many components (SPN+IEN paper, section 2.1).

    The foreground proposal is generous, so that rims of background around many nuclei are in it, and the IEN gives all
    of them one embedding: the cluster with most components. The paper gives no least number of them; with fewer than
    five, nothing is removed (the authors' code).

    Parameters
    ----------
    labels : ndarray (h, w) integers
        Clusters of one tile; 0 is background already.
    min_components : int
        A cluster with fewer components (8 neighbours) stays.
    probability : ndarray (h, w) float, optional
        SPN probability of foreground. If given, clusters whose mean is below `least_probability` go too: stronger
        evidence than the count, where the SPN is good.
    least_probability : float

    Returns
    -------
    ndarray, same shape and dtype
        The other clusters keep their numbers. Where several have most components, the largest of them goes.
    """
    from skimage.measure import label

    clusters, small = np.unique(labels, return_inverse=True)
    small = small.reshape(labels.shape)
    parts, count = label(small, background=int(np.searchsorted(clusters, 0)), connectivity=2, return_num=True)
    remove = np.zeros(len(clusters), bool)
    pixels = np.bincount(small.ravel(), minlength=len(clusters))
    if count:
        owner = np.zeros(count + 1, np.int64)
        owner[parts] = small
        components = np.bincount(owner[1:], minlength=len(clusters))
        components[clusters == 0] = 0
        most = np.lexsort((pixels, components))[-1]
        remove[most] = components[most] >= max(1, min_components)
    if probability is not None:
        total = np.bincount(small.ravel(), np.asarray(probability, float).ravel(), minlength=len(clusters))
        remove |= total < least_probability * pixels
    return np.where(remove[small], 0, labels).astype(labels.dtype)
