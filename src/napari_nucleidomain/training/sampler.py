"""Crops about clicked nuclei: batch k is a function of the generator it is given, and of nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

# Mesh of the lattice about whose points crops are centred where nothing else says what to look at, in px.
LATTICE = 25


@dataclass(frozen=True)
class Planes:
    """One image and its label maps as tensors.

    Attributes
    ----------
    smooth : Tensor (C, H, W) float32
        Interpolated when a view is taken: the image.
    sharp : Tensor (K, H, W) float32
        Taken from the nearest pixel: label maps.
    centres : ndarray (N, 2)
        Where crops are centred, give or take: the clicks.
    """

    smooth: Tensor
    sharp: Tensor
    centres: np.ndarray


class CropSampler:
    """Draws square crops, each centred near a random click of a random image.

    Images are drawn by the square root of their number of clicks, so that a crowded one does not take all.

    Parameters
    ----------
    images : sequence of Planes
        At least one with a centre.
    side : int
        Side of a crop in px.
    fill : sequence of float
        Value of each sharp plane outside the image (e.g. "ignored").
    """

    def __init__(self, images: Sequence[Planes], side: int, fill: Sequence[float]) -> None:
        self._side = side
        self._margin = side
        self._images = [self._pad(image, fill) for image in images if len(image.centres)]
        weights = np.sqrt([len(image.centres) for image in self._images])
        self._weights = weights / weights.sum()

    def _pad(self, image: Planes, fill: Sequence[float]) -> Planes:
        margin = (self._margin,) * 4
        sharp = [F.pad(plane, margin, value=value) for plane, value in zip(image.sharp, fill, strict=True)]
        height, width = image.smooth.shape[-2:]
        mode = "reflect" if min(height, width) > self._margin else "replicate"
        smooth = F.pad(image.smooth[None], margin, mode=mode)[0]
        return Planes(smooth, torch.stack(sharp), np.asarray(image.centres) + self._margin)

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor]:
        """(count, C, side, side) and (count, K, side, side)."""
        smooth, sharp = [], []
        reach = self._side // 2
        for number in rng.choice(len(self._images), size=count, p=self._weights):
            image = self._images[int(number)]
            centre = image.centres[rng.integers(len(image.centres))] + rng.uniform(-reach / 2, reach / 2, size=2)
            limit = np.array(image.smooth.shape[-2:]) - self._side
            row, column = np.clip(np.rint(centre - reach), 0, limit).astype(int)
            smooth.append(image.smooth[:, row : row + self._side, column : column + self._side])
            sharp.append(image.sharp[:, row : row + self._side, column : column + self._side])
        return torch.stack(smooth), torch.stack(sharp)


def lattice(mask: np.ndarray) -> np.ndarray:
    """Points of a lattice that lie in a mask, at least one where it holds a pixel; (N, 2) float."""
    found = np.argwhere(mask[::LATTICE, ::LATTICE]) * float(LATTICE)
    return found if len(found) else np.argwhere(mask)[:1].astype(float)


def channels_first(pixels: np.ndarray) -> Tensor:
    """(H, W, C) -> float32 (C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32))
