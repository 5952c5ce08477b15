"""How large the nuclei of an image are, without any labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .scalespace import laplacian, reduced, richest

_SMALLEST_SIGMA = 1.5
_PER_OCTAVE = 4


def estimate_diameter(values: np.ndarray, spacing: Sequence[float] | None = None) -> float | None:
    """Typical diameter of bright blobs, from the scales at which a Laplacian of Gaussian answers most (Lindeberg 1998).

    Maxima over place and scale whose answer is above Otsu's threshold of all answers, and that lie in the bright part
    of the image, vote with their area, so that texture inside nuclei counts little.

    Parameters
    ----------
    values : ndarray (Y, X) or (Z, Y, X), any real dtype
        Higher where nuclei are. Of large images the part with the most contrast is looked at.
    spacing : sequence of float, optional
        Pixel size per axis.

    Returns
    -------
    float or None
        In the unit of `spacing` (default: pixels); None where nothing looks like a blob.
    """
    from skimage.filters import threshold_otsu

    step = np.ones(values.ndim) if spacing is None else np.asarray(spacing, float)
    image = richest(np.nan_to_num(np.asarray(values, np.float32)))
    if not image.size or min(image.shape) < 3:
        return None
    low, high = np.percentile(image, [0.5, 99.5])
    if not high > low:
        return None
    image = np.clip((image - low) / (high - low), 0, 1)
    brightness, answer, sigma = _maxima(image, step)
    bright = brightness > threshold_otsu(image)
    answer, sigma = answer[bright], sigma[bright]
    if len(np.unique(answer)) > 1:
        strong = answer > threshold_otsu(answer)
        sigma = sigma[strong]
    if not len(sigma):
        return None
    order = np.argsort(sigma)
    votes = np.cumsum(sigma[order] ** 2)
    middle = sigma[order][np.searchsorted(votes, votes[-1] / 2)]
    return float(2 * np.sqrt(values.ndim) * middle)


def _maxima(image: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Maxima over place and scale: brightness there, answer and sigma (in the unit of `step`), each (N,)."""
    from scipy.ndimage import gaussian_filter, maximum_filter

    finest = _SMALLEST_SIGMA * float(step.min())
    largest = float((np.array(image.shape) * step).max()) / 8
    bright, found, scales = [], [], []
    factor = np.ones(image.ndim, int)
    smooth = gaussian_filter(image, step.min() / step)
    for octave in range(max(1, int(np.ceil(np.log2(max(largest / finest, 1)))))):
        # Coarse scales are looked at in a reduced image; axes of larger pixels are reduced later.
        wanted = np.maximum(1, 2 ** np.floor(np.log2(2.0**octave * step.min() / step) + 1e-9)).astype(int)
        if min(np.array(image.shape) * factor // wanted) < 3:
            break
        image, smooth = reduced(image, wanted // factor), reduced(smooth, wanted // factor)
        factor = wanted
        sigmas = finest * 2.0 ** (octave + np.arange(-1, _PER_OCTAVE + 1) / _PER_OCTAVE)
        answers = [laplacian(image, s / (step * factor)) for s in sigmas]
        local = [maximum_filter(answer, 3) for answer in answers]
        for k in range(1, _PER_OCTAVE + 1):
            highest = np.maximum(np.maximum(local[k - 1], local[k + 1]), local[k])
            peak = (answers[k] == highest) & (answers[k] > 0)
            # The very finest scale is where noise has its maximum.
            if octave or k > 1:
                bright.append(smooth[peak])
                found.append(answers[k][peak].astype(float))
                scales.append(np.full(int(peak.sum()), sigmas[k]))
    none = [np.zeros(0)]
    return np.concatenate(bright or none), np.concatenate(found or none), np.concatenate(scales or none)
