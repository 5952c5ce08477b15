"""What is far brighter than nuclei in fluorescence: debris, fibres, saturated spots, hot pixels of the camera.

Brightness alone does not tell: some nuclei are thirty times as bright as others. But where what Otsu's threshold finds
is little, and without it the rest of the picture falls into two clearly parted classes of its own, nuclei and ground,
then what was found is not what the picture is about.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Of the image at most so much is spots; of the rest's variance so much lies between its two classes, which are so many
# standard deviations of the ground apart. 63 clean images of nine sets reach 0.70 and 7.3 at most, never both.
_MOST = 0.08
_PARTED = 0.72
_APART = 6.0
_LEAST_PX = 20
# Haze and cytoplasm lie around the nuclei that they belong to: such parts in three clean images are above 0.89, those
# of nuclei beside debris below 0.58.
_AROUND = 0.75
# Bright and dim nuclei in like numbers are two kinds of nuclei, and neither is debris.
_OUTNUMBERED = 2
_ROUNDS = 3
_HOT = 3.0
_LEAST_HOT, _MOST_HOT = 2e-4, 0.01


@dataclass(frozen=True)
class Spots:
    """Masks of an image: what is no nucleus, and what is as bright but looks like one."""

    spots: np.ndarray
    bright: np.ndarray


def find_spots(image: np.ndarray, seen: np.ndarray) -> Spots:
    """Objects that would set the threshold although there are few of them and far dimmer ones are many.

    Parameters
    ----------
    image : ndarray (*spatial) float32
        Finite.
    seen : ndarray (*spatial) bool
        What is looked at.

    Returns
    -------
    Spots
    """
    from scipy.ndimage import binary_dilation, gaussian_filter

    none = np.zeros(image.shape, bool)
    spots, bright = none, none
    smooth = gaussian_filter(image, 1.5)
    seen = seen & ~binary_dilation(~seen, iterations=4) if not seen.all() else seen
    for _ in range(_ROUNDS):
        cut = _cut(smooth, seen & ~spots & ~bright)
        if cut is None:
            break
        threshold, area = cut
        found = (smooth > threshold) & seen
        like = _like_nuclei(found, area)
        bright = bright | binary_dilation(like, iterations=4)
        spots = spots | binary_dilation(found & ~like, iterations=4)
    return Spots(spots, bright & ~spots)


def _cut(smooth: np.ndarray, used: np.ndarray) -> tuple[float, float] | None:
    """(threshold of the spots, median area of the nuclei that are then left); None where there are none."""
    from scipy.ndimage import binary_dilation
    from skimage.filters import threshold_otsu

    values = smooth[used]
    if values.size < 1000:
        return None
    threshold = _otsu(values)
    if threshold is None:
        return None
    found = (smooth > threshold) & used
    share = found.sum() / values.size
    if not 0 < share <= _MOST:
        return None
    rest_mask = used & ~binary_dilation(found, iterations=6)
    rest = smooth[rest_mask]
    if rest.size < 1000:
        return None
    low, high = np.percentile(rest, [0.1, 99.9])
    if not high > low:
        return None
    clipped = np.clip(rest, low, high)
    second = float(threshold_otsu(clipped))
    above, below = clipped[clipped > second], clipped[clipped <= second]
    apart = float(above.mean() - below.mean())
    within = above.size * below.size / clipped.size**2 * apart**2
    if within < _PARTED * clipped.var() or apart < _APART * below.std():
        return None
    others = (smooth > second) & rest_mask
    many, few = _areas(others), _areas(found)
    if len(many) < max(2, _OUTNUMBERED * len(few)) or _around(others, found) > _AROUND:
        return None
    return threshold, float(np.median(many))


def _around(others: np.ndarray, found: np.ndarray) -> float:
    """Which part of some objects lies in such as touch the surroundings of the found ones."""
    from scipy.ndimage import binary_dilation, label

    parts, count = label(others)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    touched = np.zeros(count + 1, bool)
    touched[parts[binary_dilation(found, iterations=8)]] = True
    touched[0] = False
    return float(sizes[touched].sum() / max(1, sizes[1:].sum()))


def _otsu(values: np.ndarray) -> float | None:
    from skimage.filters import threshold_otsu

    low, high = np.percentile(values, [0.1, 99.9])
    return float(threshold_otsu(np.clip(values, low, high))) if high > low else None


def _areas(mask: np.ndarray) -> np.ndarray:
    from scipy.ndimage import label

    sizes = np.bincount(label(mask)[0].ravel())[1:]
    return sizes[sizes >= _LEAST_PX]


def _like_nuclei(mask: np.ndarray, area: float) -> np.ndarray:
    """Objects of a nucleus's size and round shape, however bright: a dividing, dying or transfected one may be that."""
    from scipy.ndimage import label
    from skimage.measure import regionprops

    parts, _ = label(mask)
    result = np.zeros(mask.shape, bool)
    for one in regionprops(parts):
        if 0.3 * area <= one.area <= 2 * area and (mask.ndim == 3 or one.solidity > 0.9):
            result[one.slice] |= parts[one.slice] == one.label
    return result


def hot_step(values: np.ndarray, image: np.ndarray) -> tuple[float, float] | None:
    """(value, step) of hot pixels, see `Tissue.hot`; None where there are none.

    Parameters
    ----------
    values : ndarray (N,)
        Those of the image that count.
    image : ndarray (*spatial) float32
    """
    low, high = (float(v) for v in np.percentile(values, [5, 99]))
    step = _HOT * (high - low)
    if not step > 0:
        return None
    hot = (low + step, step)
    found = _hot_places(image, hot)
    # Fewer than a thousandth or so do not reach the percentiles that set a range.
    return hot if _LEAST_HOT * values.size <= len(found[0]) <= _MOST_HOT * values.size else None


def _hot_places(image: np.ndarray, hot: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Flat index of every hot pixel, and the middle value around it."""
    value, step = hot
    places = np.argwhere(image > value)
    if not len(places):
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    # Seen around are two pixels in the plane; beyond the border it is mirrored.
    steps = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 2, indexing="ij"), -1).reshape(-1, 2)
    if image.ndim == 3:
        steps = np.pad(steps, [(0, 0), (1, 0)])
    around = np.abs(places[:, None] + steps)
    last = np.array(image.shape) - 1
    around = np.clip(np.where(around > last, 2 * last - around, around), 0, last)
    middle = np.median(image[tuple(np.moveaxis(around, -1, 0))], axis=1)
    own = image[tuple(places.T)]
    hot_ones = own - middle > step
    flat = np.ravel_multi_index(tuple(places[hot_ones].T), image.shape)
    return flat, middle[hot_ones].astype(np.float32)


def without_hot(image: np.ndarray, hot: tuple[float, float]) -> np.ndarray:
    """The image with hot pixels replaced by what is around them; any dtype, (*spatial)."""
    where, middle = _hot_places(np.asarray(image, np.float32), hot)
    if not len(where):
        return image
    made = image.copy()
    made.flat[where] = np.rint(middle) if made.dtype.kind in "ui" else middle
    return made
