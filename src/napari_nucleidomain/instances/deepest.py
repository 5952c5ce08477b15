"""One point inside each nucleus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .labelimage import as_labels, compact


def suggest_points(labels: np.ndarray, spacing: Sequence[float] | None = None) -> np.ndarray:
    """The pixel of each nucleus that is deepest inside it; of equally deep ones that nearest to the centre of mass.

    Parameters
    ----------
    labels : ndarray (Y, X) or (Z, Y, X), integers
    spacing : sequence of float, optional
        Pixel size per axis.

    Returns
    -------
    ndarray (N, ndim) float64
        Pixel coordinates, whole numbers, in ascending order of ids; always inside the nucleus.
    """
    from scipy.ndimage import distance_transform_edt

    small, ids = compact(as_labels(labels))
    count, ndim = len(ids), small.ndim
    if not count:
        return np.zeros((0, ndim))
    step = np.ones(ndim) if spacing is None else np.asarray(spacing, float)
    padded = np.pad(small, 1)
    core = padded > 0
    # Pixels at the border to another nucleus count as outside, so that nuclei that touch do not deepen each other.
    for axis in range(ndim):
        front = tuple(slice(None, -1) if k == axis else slice(None) for k in range(ndim))
        back = tuple(slice(1, None) if k == axis else slice(None) for k in range(ndim))
        differs = padded[front] != padded[back]
        core[front] &= ~differs
        core[back] &= ~differs
    depth = distance_transform_edt(core, sampling=step)[(slice(1, -1),) * ndim]
    where = np.nonzero(small)
    nucleus = small[where] - 1
    depth = depth[where]
    deepest = np.zeros(count)
    np.maximum.at(deepest, nucleus, depth)
    area = np.bincount(nucleus, minlength=count)
    centre = [np.bincount(nucleus, axis, count) / area for axis in where]
    best = np.flatnonzero(depth >= deepest[nucleus] - 1e-9)
    away = sum(
        ((axis[best] - middle[nucleus[best]]) * s) ** 2 for axis, middle, s in zip(where, centre, step, strict=True)
    )
    order = best[np.argsort(-np.asarray(away), kind="stable")]
    chosen = np.empty(count, np.int64)
    chosen[nucleus[order]] = order  # the last write is the nearest
    return np.stack([axis[chosen] for axis in where], axis=1).astype(float)
