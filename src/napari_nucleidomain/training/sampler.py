"""Crops about clicked nuclei: batch k is a function of the generator it is given, and of nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

# Mesh of the lattice about whose points crops are centred where nothing else says what to look at, in px.
LATTICE = 25
# A whole batch; where several processes share one, all draw it and each takes its part.
ALL = slice(None)


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
    """Draws square crops, each near a random click of a random image.

    Images are drawn by the square root of their number of clicks, so that a crowded one does not take all. What will be
    seen of a crop lies in the image where the image is large enough; where it is not, and in what is only there to turn
    in, the image is mirrored and the labels are `fill`.

    Parameters
    ----------
    images : sequence of Planes
        At least one with a centre.
    side : int
        Side of a crop in px.
    fill : sequence of float
        Value of each sharp plane outside the image (e.g. "ignored").
    view : int, optional
        Side in px of the middle part that is seen when a view of the crop is taken; by default the whole crop.
    """

    def __init__(self, images: Sequence[Planes], side: int, fill: Sequence[float], view: int | None = None) -> None:
        self._side = side
        self._view = side if view is None else min(view, side)
        self._fill = torch.tensor(list(fill), dtype=torch.float32).view(-1, 1, 1)
        self._images = [image for image in images if len(image.centres)]
        weights = np.sqrt([len(image.centres) for image in self._images])
        self._weights = weights / weights.sum()

    def draw(self, rng: np.random.Generator, count: int, part: slice = ALL) -> tuple[Tensor, Tensor]:
        """Draw a batch of `count` crops and cut those of `part`: (N, C, side, side) and (N, K, side, side)."""
        smooth, sharp = [], []
        reach = self._side // 2
        wanted = range(count)[part]
        for place, number in enumerate(rng.choice(len(self._images), size=count, p=self._weights)):
            image = self._images[int(number)]
            centre = image.centres[rng.integers(len(image.centres))] + rng.uniform(-reach / 2, reach / 2, size=2)
            if place not in wanted:
                continue
            room = np.array(image.smooth.shape[-2:]) - self._view
            corner = np.clip(np.rint(centre - self._view // 2), 0, np.maximum(room, 0))
            corner = np.where(room < 0, room // 2, corner) - (self._side - self._view) // 2
            picture, labels = self._cut(image, int(corner[0]), int(corner[1]))
            smooth.append(picture)
            sharp.append(labels)
        return torch.stack(smooth), torch.stack(sharp)

    def _cut(self, image: Planes, top: int, left: int) -> tuple[Tensor, Tensor]:
        """A crop, mirrored where it reaches out of the image."""
        height, width = image.smooth.shape[-2:]
        if min(top, left) >= 0 and top + self._side <= height and left + self._side <= width:
            place = np.s_[:, top : top + self._side, left : left + self._side]
            return image.smooth[place], image.sharp[place]
        rows, inner_rows = _mirrored(top, self._side, height)
        columns, inner_columns = _mirrored(left, self._side, width)
        inside = inner_rows[:, None] & inner_columns
        sharp = image.sharp[:, rows[:, None], columns]
        return image.smooth[:, rows[:, None], columns], torch.where(inside, sharp, self._fill.to(sharp))


def _mirrored(start: int, count: int, length: int) -> tuple[Tensor, Tensor]:
    """Pixels along an axis, mirrored at its ends as often as need be, and which of them needed no mirror."""
    at = torch.arange(start, start + count)
    folded = at.remainder(2 * length)
    return torch.minimum(folded, 2 * length - 1 - folded), (at >= 0) & (at < length)


def lattice(mask: np.ndarray) -> np.ndarray:
    """Points of a lattice that lie in a mask, at least one where it holds a pixel; (N, 2) float."""
    found = np.argwhere(mask[::LATTICE, ::LATTICE]) * float(LATTICE)
    return found if len(found) else np.argwhere(mask)[:1].astype(float)


def channels_first(pixels: np.ndarray) -> Tensor:
    """(H, W, C) -> float32 (C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32))
