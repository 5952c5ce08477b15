"""Batches: crops of images, and masks drawn for the occasion; each a function of the step's generator alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from napari_nucleidomain.instances.synthesis import MaskSettings, SyntheticMask, draw_mask

from .config import AdganConfig

# Turning by any angle needs so much around a crop.
_AROUND = 1.42


class Crops:
    """Draws crops of images, larger images more often.

    Parameters
    ----------
    works : sequence of ndarray (*spatial) float32
        At work scale, in [-1, 1].
    shape : tuple of int
        Of a crop.
    config : AdganConfig
    """

    def __init__(self, works: Sequence[np.ndarray], shape: tuple[int, ...], config: AdganConfig) -> None:
        self._shape, self._config = shape, config
        self._works = [at_least(one, shape) for one in works]
        sizes = np.array([one.size for one in works], float)
        self._weights = sizes / sizes.sum()

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """(count, *shape) float32."""
        return np.stack([self._one(rng) for _ in range(count)])

    def _one(self, rng: np.random.Generator) -> np.ndarray:
        work = self._works[int(rng.choice(len(self._works), p=self._weights))]
        config = self._config
        angle = float(rng.uniform(-config.turn, config.turn)) if config.turn and rng.random() < 0.5 else 0.0
        shape = self._shape
        if angle:
            wider = [min(n, int(_AROUND * s)) for n, s in zip(work.shape[-2:], shape[-2:], strict=True)]
            shape = (*shape[:-2], *wider)
        corner = [int(rng.integers(0, n - s + 1)) for n, s in zip(work.shape, shape, strict=True)]
        crop = work[tuple(slice(c, c + s) for c, s in zip(corner, shape, strict=True))]
        if angle:
            crop = _turned(crop, angle, self._shape)
        return np.ascontiguousarray(mirrored(crop, rng, config.flips, config.quarter_turns))


def mirrored(crop: np.ndarray, rng: np.random.Generator, flips: bool, turns: bool) -> np.ndarray:
    """Mirrored along each axis half of the time, and turned in the plane where its sides are equal."""
    if flips:
        for axis in range(crop.ndim):
            if rng.random() < 0.5:
                crop = np.flip(crop, axis)
    if turns and crop.shape[-1] == crop.shape[-2]:
        crop = np.rot90(crop, int(rng.integers(4)), (-2, -1))
    return crop


def _turned(crop: np.ndarray, angle: float, shape: tuple[int, ...]) -> np.ndarray:
    from scipy.ndimage import rotate

    turned = rotate(crop, angle, axes=(-1, -2), reshape=False, order=1, mode="reflect")
    low = [(n - s) // 2 for n, s in zip(turned.shape, shape, strict=True)]
    return np.asarray(turned[tuple(slice(a, a + s) for a, s in zip(low, shape, strict=True))])


def at_least(work: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Mirrored at its ends until a crop of a shape fits in."""
    missing = [max(0, s - n) for n, s in zip(work.shape, shape, strict=True)]
    if not any(missing):
        return work
    return np.pad(work, [(m // 2, m - m // 2) for m in missing], mode="symmetric")


def painted(mask: SyntheticMask, form: str) -> np.ndarray:
    """A mask as the networks see it; ndarray (*shape) float32 in [-1, 1]."""
    grey = mask.instance() if form == "instance" else mask.semantic()
    return grey.astype(np.float32) / np.float32(127.5) - np.float32(1)


def draw_masks(settings: MaskSettings, form: str, rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, *shape) float32 in [-1, 1]."""
    return np.stack([painted(draw_mask(settings, rng), form) for _ in range(count)])


def as_batch(pixels: np.ndarray, device: torch.device) -> Tensor:
    """(B, *shape) -> (B, 1, *shape) on the device, channels last."""
    batch = torch.from_numpy(np.ascontiguousarray(pixels))[:, None].to(device)
    return batch.contiguous(memory_format=channels_last(pixels.ndim - 1))


def channels_last(ndim: int) -> torch.memory_format:
    """The memory format in which convolutions are fast; three times so for volumes on a processor."""
    return torch.channels_last if ndim == 2 else torch.channels_last_3d
