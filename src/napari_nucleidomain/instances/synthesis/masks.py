"""Masks full of ellipses or ellipsoids, semantic and with grey rims (AD-GAN, sections 4.5 and 5.3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .ellipsoids import Ellipsoids, pixels_inside, random_ellipsoids
from .settings import MaskSettings

GREY, WHITE = 127, 255
_BATCH = 32


@dataclass(frozen=True)
class SyntheticMask:
    """One mask.

    Attributes
    ----------
    labels : ndarray (*shape) uint16
        0 background, k + 1 where nucleus k of `nuclei` is.
    nuclei : Ellipsoids
        What was drawn; they may reach beyond the image.
    wanted : int
        How many were to be drawn; more than there are where no room was left.
    settings : MaskSettings
    """

    labels: np.ndarray
    nuclei: Ellipsoids
    wanted: int
    settings: MaskSettings

    def semantic(self) -> np.ndarray:
        """(*shape) uint8: 255 in nuclei, 0 elsewhere."""
        return np.where(self.labels > 0, np.uint8(WHITE), np.uint8(0))

    def instance(self) -> np.ndarray:
        """(*shape) uint8: 0 outside, 127 in the grey rim, 255 in the core.

        A pixel of a nucleus is in the rim where its distance to the nearest pixel outside that nucleus is less than
        `rim` times the largest such distance in the nucleus. Where the image cuts a nucleus there is no rim.
        """
        from scipy.ndimage import distance_transform_edt

        result = np.zeros(self.labels.shape, np.uint8)
        step = self.settings.step
        forms, reaches = self.nuclei.forms(), self.nuclei.reach()
        for centre, form, reach in zip(self.nuclei.centre, forms, reaches, strict=True):
            first, inside = pixels_inside(centre, form, reach, step)
            depth = distance_transform_edt(inside, sampling=step)
            grey = depth < self.settings.rim * depth.max()
            box, part = cut(first, inside.shape, self.labels.shape)
            values = np.where(grey[part], np.uint8(GREY), np.uint8(WHITE))
            np.copyto(result[box], values, where=inside[part])
        return result


def draw_mask(settings: MaskSettings, rng: np.random.Generator) -> SyntheticMask:
    """Draw one mask: nuclei one after another, each rejected that would cover a pixel of an earlier one.

    Nuclei may touch and may be cut by the border.

    Parameters
    ----------
    settings : MaskSettings
    rng : numpy.random.Generator
        The same state gives the same mask.

    Returns
    -------
    SyntheticMask
        With fewer nuclei than `wanted` after `settings.tries` rejections in a row; `shortfall` says so in words.
    """
    wanted = int(rng.integers(settings.count[0], settings.count[1] + 1))
    labels = np.zeros(settings.shape, np.uint16 if wanted < 2**16 else np.uint32)
    kept: list[Ellipsoids] = []
    count = misses = 0
    while count < wanted and misses < settings.tries:
        drawn = random_ellipsoids(settings, _BATCH, rng)
        forms, reaches = drawn.forms(), drawn.reach()
        hopeless = _surely_hit(drawn, forms, labels, settings.step)
        chosen = []
        for k in range(_BATCH):
            placed = not hopeless[k] and _place(labels, count + 1, drawn.centre[k], forms[k], reaches[k], settings.step)
            if placed:
                chosen.append(k)
                count += 1
            misses = 0 if placed else misses + 1
            if count == wanted or misses == settings.tries:
                break
        kept.append(drawn[chosen])
    nothing = random_ellipsoids(settings, 0, rng)
    parts = kept or [nothing]
    nuclei = Ellipsoids(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("centre", "axes", "rotation")))
    return SyntheticMask(labels, nuclei, wanted, settings)


def _surely_hit(drawn: Ellipsoids, forms: np.ndarray, labels: np.ndarray, step: np.ndarray) -> np.ndarray:
    """(N,) bool: those that cover a taken pixel, found by looking at a few of their own; a quick first look only."""
    ndim = labels.ndim
    spread = np.array([[0.0] * ndim, *(sign * np.eye(ndim)[k] * 0.9 for k in range(ndim) for sign in (1, -1))])
    points = drawn.centre[:, None] + np.einsum("nik,pk->npi", drawn.rotation * drawn.axes[:, None], spread)
    pixel = np.rint(points / step).astype(np.int64)
    offset = pixel * step - drawn.centre[:, None]
    inside = np.einsum("npi,nij,npj->np", offset, forms, offset) <= 1
    inside &= ((pixel >= 0) & (pixel < labels.shape)).all(-1)
    pixel = np.clip(pixel, 0, np.array(labels.shape) - 1)
    return np.asarray((inside & (labels[tuple(np.moveaxis(pixel, -1, 0))] > 0)).any(1))


def _place(
    labels: np.ndarray, value: int, centre: np.ndarray, form: np.ndarray, reach: np.ndarray, step: np.ndarray
) -> bool:
    """Draw one nucleus if all its pixels are free and at least one is in the image."""
    first, inside = pixels_inside(centre, form, reach, step)
    box, part = cut(first, inside.shape, labels.shape)
    inside, view = inside[part], labels[box]
    if not inside.any() or view[inside].any():
        return False
    view[inside] = value
    return True


def cut(first: np.ndarray, size: Sequence[int], shape: Sequence[int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where a box lies in the image, and the part of the box that does."""
    box, part = [], []
    for start, length, side in zip(first.tolist(), size, shape, strict=True):
        low, high = min(max(start, 0), side), max(min(start + length, side), 0)
        box.append(slice(low, max(high, low)))
        part.append(slice(low - start, max(high, low) - start))
    return tuple(box), tuple(part)


def shortfall(masks: Sequence[SyntheticMask]) -> str:
    """What to tell a user whose masks hold fewer nuclei than asked for; "" where all found room.

    Parameters
    ----------
    masks : sequence of SyntheticMask
        A few, of the same settings.
    """
    short = [mask for mask in masks if len(mask.nuclei) < mask.wanted]
    if not short:
        return ""
    found = sum(len(mask.nuclei) for mask in short) / len(short)
    wanted = sum(mask.wanted for mask in short) / len(short)
    return (
        f"In {len(short)} of {len(masks)} synthetic masks not all nuclei found room: {found:.0f} instead of "
        f"{wanted:.0f} on average. Ask for fewer or smaller nuclei if masks should be less full."
    )
