"""Random ellipses and ellipsoids, and the pixels inside them; one way of computing for two and three axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .settings import MaskSettings


@dataclass(frozen=True)
class Ellipsoids:
    """N ellipses (ellipsoids), in units of the last axis's pixels.

    Attributes
    ----------
    centre : ndarray (N, ndim) float64
        Position per axis (pixel × pixel size), pixel k being centred at k.
    axes : ndarray (N, ndim) float64
        Semi-axes, the major one first.
    rotation : ndarray (N, ndim, ndim) float64
        Columns are the directions of the semi-axes, along the image's axes.
    """

    centre: np.ndarray
    axes: np.ndarray
    rotation: np.ndarray

    def __len__(self) -> int:
        return len(self.centre)

    def __getitem__(self, which: np.ndarray | list[int]) -> Ellipsoids:
        return Ellipsoids(self.centre[which], self.axes[which], self.rotation[which])

    def forms(self) -> np.ndarray:
        """(N, ndim, ndim): A with (x - centre)' A (x - centre) <= 1 inside."""
        scaled = self.rotation / self.axes[:, None, :]
        return np.einsum("nik,njk->nij", scaled, scaled)

    def reach(self) -> np.ndarray:
        """(N, ndim): how far each extends from its centre along the image's axes."""
        return np.sqrt(np.einsum("nik,nk->ni", self.rotation**2, self.axes**2))


def random_ellipsoids(settings: MaskSettings, number: int, rng: np.random.Generator) -> Ellipsoids:
    """Centres anywhere in the mask, sizes and eccentricities even in their ranges (Eq. 8), any direction."""
    ndim = settings.ndim
    centre = (rng.random((number, ndim)) * settings.shape - 0.5) * settings.step
    major = rng.uniform(*settings.semi_major, (number, 1))
    e = rng.uniform(*settings.eccentricity, (number, ndim - 1))
    axes = np.concatenate([major, major * np.sqrt(1 - e**2)], axis=1)
    return Ellipsoids(centre, axes, _rotations(number, ndim, rng))


def _rotations(number: int, ndim: int, rng: np.random.Generator) -> np.ndarray:
    """(number, ndim, ndim): rotations evenly spread over all directions."""
    if ndim == 2:
        angle = rng.uniform(0, np.pi, number)
        c, s = np.cos(angle), np.sin(angle)
        return np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], 1)
    # A normal quaternion of length 1 is an evenly drawn rotation.
    q = rng.normal(size=(number, 4))
    w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
    return np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], -1),
            np.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], -1),
            np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], -1),
        ],
        1,
    )


def pixels_inside(
    centre: np.ndarray, form: np.ndarray, reach: np.ndarray, step: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The pixels of one ellipsoid, also those beyond the image.

    Returns
    -------
    corner : ndarray (ndim,) int64
        First pixel of the box around it; one row of outside on every side.
    inside : ndarray bool
        Of the box.
    """
    first = np.ceil((centre - reach) / step).astype(np.int64) - 1
    last = np.floor((centre + reach) / step).astype(np.int64) + 1
    ndim = len(centre)
    offset = [
        ((np.arange(first[k], last[k] + 1) * step[k] - centre[k]).reshape([-1 if j == k else 1 for j in range(ndim)]))
        for k in range(ndim)
    ]
    # Summed from the last axis on, so that the full box is only touched ndim times.
    square = np.zeros((1,) * ndim)
    for k in range(ndim):
        cross: np.ndarray = form[k, k] * offset[k]
        for j in range(k):
            cross = cross + 2 * form[j, k] * offset[j]
        square = square + cross * offset[k]
    return first, square <= 1
