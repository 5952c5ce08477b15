"""How large the nuclei of unlabelled fluorescence images are: blobs in scale space (Lindeberg 1998), over all images.

`blobs.estimate_diameter` fits the classical method to one image of any kind. This one looks closer: every blob counts
once, noise is told from nuclei, scales lie between those computed, and in volumes nuclei may be longer or flatter than
round, because the microscope blurs along z or because the voxel size is not right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .scalespace import Blobs, answer_at, find_blobs, in_unit_range

_STRETCHES = 2.0 ** np.arange(-1.5, 1.51, 0.5)
_LOOKED_AT = 60  # blobs per image whose stretch is measured


@dataclass(frozen=True)
class NucleusSizes:
    """What was found.

    Attributes
    ----------
    diameter : float
        Typical nucleus: of the disc of equal area or the ball of equal volume, in the unit of the spacing.
    low, high : float
        Two thirds of what was found lie between them.
    stretch : float
        How much longer than wide nuclei are along z; 1 in 2D. Far from 1 the voxel size may be wrong.
    blobs : int
        How many nuclei this rests on.
    images : int
        In how many images they were found.
    """

    diameter: float
    low: float
    high: float
    stretch: float
    blobs: int
    images: int

    @property
    def wide(self) -> float:
        """How far across, in the plane, the typical nucleus is; the same as `diameter` where it is round."""
        return self.diameter / self.stretch ** (1 / 3)


def estimate_sizes(
    images: Sequence[np.ndarray], spacings: Sequence[Sequence[float] | None] | None = None
) -> NucleusSizes | None:
    """Typical size of bright nuclei on a dark ground.

    Parameters
    ----------
    images : sequence of ndarray (Y, X) or (Z, Y, X), any real dtype
        A handful is enough; all with equally many axes. Of large ones the part with the most contrast is looked at.
    spacings : sequence, optional
        Of every image the pixel size per axis, in one unit; None for pixels of equal sides.

    Returns
    -------
    NucleusSizes or None
        None where nothing stands out from the noise.

    Raises
    ------
    NucleiError
        Axes and pixel sizes do not fit.
    """
    parts, steps = _checked(images, spacings)
    if not parts:
        return None
    stretch = 1.0
    found = [find_blobs(part, step) for part, step in zip(parts, steps, strict=True)]
    if parts[0].ndim == 3:
        for _ in range(2):
            change = _more_stretch(parts, [_stretched(step, stretch) for step in steps], found)
            if change == 1.0:
                break
            stretch *= change
            found = [find_blobs(part, _stretched(step, stretch)) for part, step in zip(parts, steps, strict=True)]
    sigma = np.concatenate([blobs.sigma for blobs in found])
    if not len(sigma):
        return None
    ndim = parts[0].ndim
    scale = 2 * np.sqrt(ndim) * stretch ** (1 / 3 if ndim == 3 else 0)
    low, middle, high = (float(scale * value) for value in _weighted(sigma, ndim, (1 / 6, 0.5, 5 / 6)))
    return NucleusSizes(middle, low, high, stretch, len(sigma), sum(len(blobs.sigma) > 0 for blobs in found))


def _checked(
    images: Sequence[np.ndarray], spacings: Sequence[Sequence[float] | None] | None
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Parts of the images in 0..1 and their pixel sizes; without those that hold nothing."""
    given = list(spacings) if spacings is not None else [None] * len(images)
    if len(given) != len(images):
        raise NucleiError(f"There are {len(images)} images and {len(given)} pixel sizes.", "Give one for each image.")
    if len({np.ndim(image) for image in images}) > 1:
        raise NucleiError("Planes and volumes cannot be measured together.", "Choose images of one kind.")
    parts, steps = [], []
    for image, spacing in zip(images, given, strict=True):
        if np.ndim(image) not in (2, 3):
            raise NucleiError(f"An image with {np.ndim(image)} axes cannot be measured.", "Choose one channel.")
        step = np.ones(np.ndim(image)) if spacing is None else np.asarray(spacing, float)
        if step.shape != (np.ndim(image),) or not (np.isfinite(step) & (step > 0)).all():
            raise NucleiError(f"The pixel size {spacing} does not fit the image.", "Give one number above 0 per axis.")
        part = in_unit_range(image)
        if part is not None:
            parts.append(part)
            steps.append(step)
    return parts, steps


def _stretched(step: np.ndarray, stretch: float) -> np.ndarray:
    """Pixel sizes in which nuclei that are `stretch` times as long along z are round."""
    return step / np.array([stretch, *[1.0] * (len(step) - 1)])


def _more_stretch(parts: list[np.ndarray], steps: list[np.ndarray], found: list[Blobs]) -> float:
    """At which stretch of the filter, at the same volume, the blobs of typical size answer most."""
    sigma = np.concatenate([blobs.sigma for blobs in found])
    if not len(sigma):
        return 1.0
    typical = float(_weighted(sigma, 3, (0.5,))[0])
    answers = np.zeros(len(_STRETCHES))
    for part, step, blobs in zip(parts, steps, found, strict=True):
        chosen = np.flatnonzero(np.abs(np.log2(blobs.sigma / typical)) < 0.6)
        chosen = chosen[np.argsort(-blobs.answer[chosen], kind="stable")][:_LOOKED_AT]
        if len(chosen):
            for k, stretch in enumerate(_STRETCHES):
                sides = typical * np.array([stretch ** (2 / 3), stretch ** (-1 / 3), stretch ** (-1 / 3)])
                answers[k] += answer_at(part, blobs.place[chosen], sides / step).sum()
    best = int(np.argmax(answers))
    if not 0 < best < len(answers) - 1:
        return 1.0  # no maximum: structure that is not blobs
    before, at, after = answers[best - 1 : best + 2]
    return float(_STRETCHES[best] * 2 ** (0.5 * (before - after) / 2 / (before - 2 * at + after)))


def _weighted(sigma: np.ndarray, ndim: int, parts: Sequence[float]) -> np.ndarray:
    """Quantiles in which a blob counts by its circumference (surface): texture inside nuclei counts little."""
    order = np.argsort(sigma)
    votes = np.cumsum(sigma[order] ** (ndim - 1))
    return sigma[order][np.searchsorted(votes, np.asarray(parts) * votes[-1])]
