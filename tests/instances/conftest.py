"""Random label images that hold what label images hold in life: touching, winding, nested, tiny, cut nuclei."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import label


def random_labels(rng: np.random.Generator, ndim: int = 2, largest: int = 40) -> np.ndarray:
    """A label image of random shape whose nuclei are connected (corners count)."""
    shape = tuple(rng.integers(1, largest if ndim == 2 else largest // 2, ndim))
    kind = rng.integers(3)
    if kind == 0:  # winding
        noise = ndimage.gaussian_filter(rng.normal(size=shape), rng.uniform(0.5, 2))
        return label(noise > np.quantile(noise, rng.uniform(0.3, 0.8)), connectivity=ndim)
    if kind == 1:  # round, touching
        seeds = np.zeros(shape, int)
        for k in range(rng.integers(1, 12)):
            seeds[tuple(rng.integers(0, side) for side in shape)] = k + 1
        distance, nearest = ndimage.distance_transform_edt(seeds == 0, return_indices=True)
        return label(np.where(distance > rng.uniform(1, 12), 0, seeds[tuple(nearest)]), connectivity=ndim)
    return label(rng.integers(0, 4, shape), connectivity=ndim)


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two label images are equal but for their ids."""
    if a.shape != b.shape:
        return False
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
    each_once = len(np.unique(pairs[0])) == pairs.shape[1] == len(np.unique(pairs[1]))
    return bool(each_once and ((pairs[0] == 0) == (pairs[1] == 0)).all())


@pytest.fixture(name="random_labels")
def _random_labels() -> Callable[..., np.ndarray]:
    return random_labels


@pytest.fixture(name="same_partition")
def _same_partition() -> Callable[..., bool]:
    return same_partition


@pytest.fixture
def discs() -> np.ndarray:
    """Nine discs of radius 8 in 90 × 90 pixels, ids 1..9."""
    y, x = np.indices((90, 90))
    result = np.zeros((90, 90), np.uint16)
    for k in range(9):
        cy, cx = 15 + 30 * (k // 3), 15 + 30 * (k % 3)
        result[(y - cy) ** 2 + (x - cx) ** 2 <= 64] = k + 1
    return result
