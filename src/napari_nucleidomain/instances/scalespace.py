"""Bright blobs: maxima over place and scale of the Laplacian of Gaussian, with what is noise left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_SMALLEST_SIGMA = 1.5  # pixels
_PER_OCTAVE = 4
_MOST = {2: 640 * 640, 3: 1 << 21}


@dataclass(frozen=True)
class Blobs:
    """N blobs of one image.

    Attributes
    ----------
    place : ndarray (N, ndim) float64
        Pixels.
    sigma : ndarray (N,) float64
        Scale, in the unit of the pixel size; a disc (ball) of radius r answers at r / sqrt(ndim).
    answer : ndarray (N,) float64
        Minus the scale-normalised Laplacian.
    """

    place: np.ndarray
    sigma: np.ndarray
    answer: np.ndarray

    def __getitem__(self, which: np.ndarray) -> Blobs:
        return Blobs(self.place[which], self.sigma[which], self.answer[which])


def richest(image: np.ndarray) -> np.ndarray:
    """The block of bearable size with the largest standard deviation."""
    while image.size > _MOST[image.ndim]:
        axis = int(np.argmax(image.shape))
        half = image.shape[axis] // 2
        parts = [np.take(image, range(half), axis), np.take(image, range(half, 2 * half), axis)]
        image = max(parts, key=lambda part: float(part.std()))
    return image


def in_unit_range(image: np.ndarray) -> np.ndarray | None:
    """Its richest block as float32, 0..1 from half a percent to all but that; None where it is flat or too small."""
    part = richest(np.nan_to_num(np.asarray(image, np.float32)))
    if not part.size or min(part.shape) < 3:
        return None
    low, high = np.percentile(part, [0.5, 99.5])
    return np.clip((part - low) / (high - low), 0, 1) if high > low else None


def find_blobs(image: np.ndarray, step: np.ndarray) -> Blobs:
    """Blobs that are bright, stand out from the noise and from weaker ones, and do not lie in stronger ones.

    Parameters
    ----------
    image : ndarray (Y, X) or (Z, Y, X) float32
        In 0..1, see `in_unit_range`.
    step : ndarray (ndim,)
        Pixel size per axis.
    """
    from skimage.filters import threshold_otsu

    blobs = _maxima(image, step)
    blobs = blobs[blobs.answer > noise_answer(image, blobs.sigma, step)]
    blobs = _outermost(blobs, step)
    if len(np.unique(blobs.answer)) > 1:
        blobs = blobs[blobs.answer > threshold_otsu(blobs.answer)]
    return blobs


def noise_answer(image: np.ndarray, sigma: np.ndarray, step: np.ndarray) -> np.ndarray:
    """What white noise, as strong as the image's, answers at most at each scale.

    A normalised Laplacian of Gaussian of white noise has a standard deviation of sigma^2 times the L2 norm of the
    filter; the largest of n independent normal values is near sqrt(2 ln n) of them.

    Parameters
    ----------
    image : ndarray
    sigma : ndarray (N,)
        In the unit of `step`.
    step : ndarray (ndim,)
    """
    # Differences of next neighbours but one: neighbours alone are alike in interpolated and compressed images.
    differences = np.abs(np.diff(image[..., ::2], axis=-1))
    strength = float(np.median(differences)) / 0.6745 / np.sqrt(2) if differences.size else 0.0
    volume = np.prod(np.asarray(sigma)[:, None] / step, axis=1)
    norm = 1 / np.sqrt(2 * np.pi) if image.ndim == 2 else np.sqrt(15 / 32) * np.pi**-0.75
    independent = np.maximum(image.size / volume, 2)
    # Along the border, where filters see the image mirrored, noise answers by the root of two more.
    return np.sqrt(2) * strength * norm / np.sqrt(volume) * np.sqrt(2 * np.log(independent))


def answer_at(image: np.ndarray, place: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """(N,) largest answer of a filter within a pixel of each place.

    Parameters
    ----------
    image : ndarray
    place : ndarray (N, ndim)
        Pixels.
    sigma : ndarray (ndim,)
        Pixels per axis.
    """
    from scipy.ndimage import maximum_filter

    pixel = np.clip(np.rint(place).astype(int), 0, np.array(image.shape) - 1)
    return maximum_filter(laplacian(image, sigma), 3)[tuple(pixel.T)]


def laplacian(image: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Minus the Laplacian of Gaussian, normalised by scale; sigma in pixels per axis."""
    from scipy.ndimage import gaussian_filter

    result = np.zeros_like(image)
    for axis in range(image.ndim):
        order = [2 * (k == axis) for k in range(image.ndim)]
        result -= sigma[axis] ** 2 * gaussian_filter(image, sigma, order=order)
    return result


def _maxima(image: np.ndarray, step: np.ndarray) -> Blobs:
    """Maxima over place and scale in bright parts of the image; scales between those computed."""
    from scipy.ndimage import gaussian_filter, maximum_filter
    from skimage.filters import threshold_otsu

    finest = _SMALLEST_SIGMA * float(step.min())
    largest = float((np.array(image.shape) * step).max()) / 8
    places, scales, found = [], [], []
    shape, factor = np.array(image.shape), np.ones(image.ndim, int)
    for octave in range(max(1, int(np.ceil(np.log2(max(largest / finest, 1)))))):
        # Coarse scales are looked at in a reduced image; axes of larger pixels are reduced later.
        wanted = np.maximum(1, 2 ** np.floor(np.log2(2.0**octave * step.min() / step) + 1e-9)).astype(int)
        if min(shape // wanted) < 3:
            break
        image, factor = reduced(image, wanted // factor), wanted
        sigmas = finest * 2.0 ** (octave + np.arange(-1, _PER_OCTAVE + 1) / _PER_OCTAVE)
        smooth = gaussian_filter(image, sigmas[0] / 2 / (step * factor))
        bright = smooth > threshold_otsu(smooth)
        answers = [laplacian(image, s / (step * factor)) for s in sigmas]
        local = [maximum_filter(answer, 3) for answer in answers]
        for k in range(1, _PER_OCTAVE + 1):
            highest = np.maximum(np.maximum(local[k - 1], local[k + 1]), local[k])
            peak = bright & (answers[k] == highest) & (answers[k] > 0)
            # The very finest scale is where noise has its maximum.
            if octave or k > 1:
                below, at, above = (answers[j][peak].astype(float) for j in (k - 1, k, k + 1))
                places.append(np.argwhere(peak) * factor + (factor - 1) / 2)
                scales.append(sigmas[k] * 2 ** (_vertex(below, at, above) / _PER_OCTAVE))
                found.append(at)
    if not places:
        return Blobs(np.zeros((0, len(shape))), np.zeros(0), np.zeros(0))
    return Blobs(np.concatenate(places), np.concatenate(scales), np.concatenate(found))


def _vertex(below: np.ndarray, at: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Where between three neighbours, -1/2 to 1/2, a parabola through them is highest."""
    bend = below - 2 * at + above
    safe = np.where(bend < 0, bend, -1.0)
    return np.where(bend < 0, np.clip((below - above) / 2 / safe, -0.5, 0.5), 0.0)


def _outermost(blobs: Blobs, step: np.ndarray) -> Blobs:
    """Strongest first: what lies in a stronger blob, or has a stronger one in itself, goes."""
    from scipy.spatial import KDTree

    blobs = blobs[np.argsort(-blobs.answer, kind="stable")]
    if not len(blobs.sigma):
        return blobs
    centres = blobs.place * step
    tree = KDTree(centres)
    radius = blobs.sigma * np.sqrt(len(step))
    keep = np.ones(len(radius), bool)
    for k, near in enumerate(tree.query_ball_point(centres, radius)):
        if keep[k]:
            others = np.asarray(near)
            keep[k] = not keep[others[others < k]].any()
            if keep[k]:
                keep[others[others > k]] = False
    return blobs[keep]


def reduced(image: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Means of blocks; what does not fill a block at the far edges is left out."""
    for axis, f in enumerate(factor.tolist()):
        if f > 1:
            image = np.moveaxis(image, axis, -1)
            whole = image.shape[-1] // f * f
            image = image[..., :whole].reshape(*image.shape[:-1], -1, f).mean(axis=-1)
            image = np.moveaxis(image, -1, axis)
    return image
