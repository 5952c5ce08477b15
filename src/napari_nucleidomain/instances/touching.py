"""Nuclei that touch in a black-and-white mask, parted where they are narrow."""

from __future__ import annotations

import numpy as np

_SMOOTH = 0.1  # of a nucleus' diameter: the distance map is smoothed so far, that a rough edge makes no nuclei
_APART = 0.35  # of it: two centres nearer than this are one nucleus'


def split_touching(mask: np.ndarray) -> np.ndarray:
    """Part touching nuclei by a watershed on the smoothed distance to the outside.

    Parameters
    ----------
    mask : ndarray (Y, X) or (Z, Y, X)
        0 is background.

    Returns
    -------
    ndarray uint32
        Ids 1..N; the same pixels as in `mask`. A small piece of its own always keeps an id.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter, label, maximum_filter, maximum_position
    from skimage.segmentation import watershed

    inside = np.asarray(mask) > 0
    if not inside.any():
        return np.zeros(inside.shape, np.uint32)
    whole = np.ones((3,) * inside.ndim, bool)
    depth = distance_transform_edt(inside)
    ridge = inside & (depth >= maximum_filter(depth, footprint=whole))
    # The deepest places of most nuclei are about their radius deep, whatever they touch.
    diameter = max(2.0, 2 * float(np.median(depth[ridge & (depth >= depth[ridge].mean())])))
    smooth = gaussian_filter(depth, _SMOOTH * diameter)
    reach = max(1, round(_APART * diameter))
    peaks = inside & (smooth >= maximum_filter(smooth, 2 * reach + 1))
    pieces, count = label(inside, structure=whole)
    without = np.setdiff1d(np.arange(1, count + 1), pieces[peaks])
    if len(without):
        peaks[tuple(np.array(maximum_position(depth, pieces, without)).T)] = True
    seeds, _ = label(peaks, structure=whole)
    # Pieces that meet in a corner are one for the watershed only if it may cross corners.
    return np.asarray(watershed(-smooth, seeds, mask=inside, connectivity=whole), np.uint32)
