"""Where nuclei are to be divided that only their shape tells apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# In parts of a nucleus's diameter, chosen on train images of kumar, tnbc and dsb2018.
_SMOOTH_DISTANCE = 0.10
_SEED_DISTANCE = 0.33


def seeds_by_shape(mask: np.ndarray, diameter: float, spacing: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Smoothed distance to the outside, and one seed for each nucleus: its maxima that are not close to higher ones.

    Parameters
    ----------
    mask : ndarray (*spatial) bool
    diameter : float
        Typical nucleus, in the unit of `spacing`.
    spacing : sequence of float
        Pixel size per axis.

    Returns
    -------
    depth : ndarray (*spatial) float64
    seeds : ndarray (*spatial) int
        0 where there is none, else 1..N. Every component of the mask has one.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter, maximum_filter, maximum_position
    from skimage.measure import label

    step = np.array(spacing)
    depth = distance_transform_edt(mask, sampling=spacing)
    depth = gaussian_filter(depth, _SMOOTH_DISTANCE * diameter / step)
    reach = np.maximum(1, np.rint(_SEED_DISTANCE * diameter / step)).astype(int)
    peaks = mask & (depth >= maximum_filter(depth, tuple(2 * reach + 1)))
    parts, count = label(mask, connectivity=mask.ndim, return_num=True)
    # A small nucleus beside a large one is no maximum in its surroundings, but it is one of its own component.
    without = np.setdiff1d(np.arange(1, count + 1), parts[peaks])
    if len(without):
        peaks[tuple(np.array(maximum_position(depth, parts, without)).T)] = True
    return depth, label(peaks, connectivity=mask.ndim)
