"""The images of a dataset as AD-GAN sees them: one channel, scaled until nuclei have one size, in [-1, 1]."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.dataset import Dataset
from napari_nucleidomain.data.example import Example
from napari_nucleidomain.data.images import Image
from napari_nucleidomain.data.sampling import spread_boxes
from napari_nucleidomain.data.telling import Told, Warn, not_finite, tell_about_image, tell_about_pixels

from .brightness import Brightness, brightness_of

# What one training reads at most, and has once it is scaled: more says nothing new, and all of it lies in memory.
MOST_PIXELS = {2: 64_000_000, 3: 96_000_000}
_THINNEST = 4
# Percentiles of smoothed values that become black and white.
_SMOOTHED = (0.1, 99.9)
# Of a large volume so many blocks along each axis tell them, each with so long sides.
_BLOCKS, _BLOCK = 2, 128


@dataclass(frozen=True)
class Picture:
    """One image, read.

    Attributes
    ----------
    name, path : str
    image : Image
        Opened lazily, for previews.
    pixels : ndarray (*spatial) float32
        In the unit range: the part that was read.
    origin : tuple of int
        Its corner in the image.
    spacing : tuple of float
        Pixel size per axis in units of the last one's.
    brightness : Brightness
    """

    name: str
    path: str
    image: Image
    pixels: np.ndarray
    origin: tuple[int, ...]
    spacing: tuple[float, ...]
    brightness: Brightness

    def digest(self) -> str:
        """Of all that training sees of it."""
        return hashlib.blake2b(np.ascontiguousarray(self.pixels).tobytes(), digest_size=12).hexdigest()


def load_pictures(dataset: Dataset, z_step: float, warn: Warn) -> list[Picture]:
    """Every training image in which something is to be seen.

    Parameters
    ----------
    dataset : Dataset
    z_step : float
        Pixels from plane to plane where a volume does not say; 0 where it must.
    warn : callable
        Given message and hint.

    Raises
    ------
    NucleiError
        No image will do: they are stained sections, have several channels, mix planes and volumes, show nothing, or
        volumes do not say how far apart their planes are.
    """
    told = Told(warn)
    examples = dataset.examples(split="train")
    if not examples:
        raise NucleiError("No image is for training: all are for validation or test.", "Choose images for training.")
    images = [(example, example.open()) for example in examples]
    _refuse_mixed(images, z_step)
    ndim = images[0][1].ndim
    share = MOST_PIXELS[ndim] // len(images)
    made = [one for example, image in images if (one := _picture(example, image, share, z_step, told)) is not None]
    if not made:
        why, remedy = told.lost[0]
        raise NucleiError(f"No training image can be used. {why}", remedy)
    return made


def _refuse_mixed(images: Sequence[tuple[Example, Image]], z_step: float) -> None:
    stained = [example.name for example, image in images if image.kind == "h&e"]
    if stained:
        raise NucleiError(
            f"{_some(stained)} looks like a stained section (H&E); this method needs fluorescence, bright nuclei on a "
            "dark ground.",
            "Click nuclei instead (spn-ien). If it is fluorescence, say so in Images.",
        )
    several = [example.name for example, image in images if image.n_channels != 1]
    if several:
        channels = next(image.n_channels for _, image in images if image.n_channels != 1)
        raise NucleiError(
            f"{_some(several)} has {channels} channels, and this method looks at one.",
            "Choose the channel of the nuclei in Images, or on the command line with --channels.",
        )
    flat = [example.name for example, image in images if image.ndim == 2]
    deep = [example.name for example, image in images if image.ndim == 3]
    if flat and deep:
        raise NucleiError(
            f"{_some(flat)} is flat and {_some(deep)} is a volume: one model cannot learn from both.",
            "Train on the flat images or on the volumes, or look at single planes of the volumes.",
        )
    # Who said to go on without it takes voxels for cubes.
    known = [bool(z_step or image.pixel_size_um or image.understanding.cubic) for _, image in images]
    unsaid = [one.name for (one, image), said in zip(images, known, strict=True) if image.ndim == 3 and not said]
    if unsaid:
        raise NucleiError(
            f"{_some(unsaid)} does not say how far apart its planes are.",
            "Enter the voxel size in Images, or say with z_step (--set z_step=2) how many pixels of a plane they are "
            "apart.",
        )


def _some(names: Sequence[str]) -> str:
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return f"{names[0]}{more}"


def spacing_of(image: Image, ndim: int, z_step: float) -> tuple[float, ...]:
    """Pixel size of the last `ndim` axes in units of the last one's; where the image does not say, `z_step` or 1."""
    size = image.pixel_size_um
    if size:
        return tuple(side / size[-1] for side in size[-ndim:])
    return (z_step or 1.0, 1.0, 1.0)[-ndim:]


def _picture(example: Example, image: Image, most: int, z_step: float, told: Told) -> Picture | None:
    tell_about_image(example.name, image, told)
    if image.ndim == 3 and image.spatial_shape[0] < _THINNEST:
        told.leave_out(
            f"{example.name}: a volume of {image.spatial_shape[0]} planes is too thin to learn from.",
            "It is left out. Use its planes as flat images.",
        )
        return None
    brightness = brightness_of(image, None)
    if brightness.blank:
        told.leave_out(
            f"{example.name}: nothing in it stands out from the noise.", "It is left out. Is it the right channel?"
        )
        return None
    box = _middle(image.spatial_shape, most)
    raw = image.read(box)
    tell_about_pixels(example.name, not_finite(raw), raw.size, told)
    if raw[..., 0].size < np.prod(image.spatial_shape):
        sides = " × ".join(str(b - a) for a, b in box)
        told(f"{example.name}: it is large, and its middle, {sides} pixels, is learned from.", "")
    origin = tuple(a for a, _ in box)
    pixels, spacing = brightness.to_unit(raw), spacing_of(image, image.ndim, z_step)
    return Picture(example.name, str(example.image), image, pixels, origin, spacing, brightness)


def _middle(shape: Sequence[int], most: int) -> list[tuple[int, int]]:
    """A box about the middle of at most so many pixels."""
    return [(side.start, side.stop) for side in fitting(shape, (1.0,) * len(shape), most)]


def work_factors(
    diameter_px: float, work_diameter_px: float, resize: float, spacing: Sequence[float], stretch: float
) -> tuple[float, ...]:
    """Work pixels per pixel of the image, per axis: nuclei get the work's size and are as deep as wide.

    Parameters
    ----------
    diameter_px : float
        Typical nucleus, in pixels of the last axis.
    work_diameter_px : float
        The size wanted; 0 for `resize`.
    resize : float
    spacing : sequence of float
        Pixel size per axis in units of the last one's.
    stretch : float
        How much longer than wide nuclei are along z.
    """
    factor = work_diameter_px / diameter_px if work_diameter_px else resize
    return tuple(factor * side / long for side, long in zip(spacing, _longer(spacing, stretch), strict=True))


def fitting(shape: Sequence[int], factors: Sequence[float], most: int) -> tuple[slice, ...]:
    """The middle of an image that has at most so many pixels once it is scaled; all axes are cut alike."""
    scaled = float(np.prod([n * f for n, f in zip(shape, factors, strict=True)]))
    part = min(1.0, (most / scaled) ** (1 / len(shape)))
    sides = [max(1, int(n * part)) for n in shape]
    return tuple(slice((n - side) // 2, (n - side) // 2 + side) for n, side in zip(shape, sides, strict=True))


@dataclass(frozen=True)
class Smoothing:
    """Noise taken out of an image, and what is left of its range stretched; the same for all its tiles.

    Attributes
    ----------
    sigma : tuple of float
        Of a Gaussian, pixels per axis.
    low, high : float
        Smoothed values that become 0 and 1.
    """

    sigma: tuple[float, ...]
    low: float
    high: float

    def of(self, unit: np.ndarray) -> np.ndarray:
        """Unit-range pixels (*spatial) -> float32, in the unit range again."""
        from scipy.ndimage import gaussian_filter

        smooth = gaussian_filter(np.asarray(unit, np.float32), self.sigma)
        return np.asarray(np.clip((smooth - self.low) / (self.high - self.low), 0, 1), np.float32)


def find_smoothing(parts: Sequence[np.ndarray], sigma: Sequence[float]) -> Smoothing | None:
    """How to smooth an image; None where it is not to be, or nothing would be left.

    Parameters
    ----------
    parts : sequence of ndarray (*spatial) float
        Of the image at full resolution, in the unit range: noise of an overview would not be that of its tiles.
    sigma : sequence of float
        Pixels per axis; all 0 for none.
    """
    from scipy.ndimage import gaussian_filter

    if not any(sigma):
        return None
    seen = np.concatenate([gaussian_filter(np.asarray(one, np.float32), sigma).ravel() for one in parts])
    low, high = (float(value) for value in np.percentile(seen, _SMOOTHED))
    return Smoothing(tuple(float(s) for s in sigma), low, high) if high > low else None


def blocks_of(shape: Sequence[int]) -> list[list[tuple[int, int]]]:
    """The whole of an image as (start, stop) per axis, or blocks spread evenly over a large one."""
    if all(n <= _BLOCKS * _BLOCK for n in shape):
        return [[(0, n) for n in shape]]
    return spread_boxes(shape, [_BLOCK] * len(shape), [_BLOCKS] * len(shape))


def sigma_of(share: float, diameter_px: float, spacing: Sequence[float], stretch: float) -> tuple[float, ...]:
    """What is a `share` of a nucleus' diameter, in pixels per axis: of a Gaussian, of a margin.

    Parameters
    ----------
    share : float
    diameter_px, spacing, stretch
        As in `work_factors`.
    """
    return tuple(
        share * diameter_px * long / side for side, long in zip(spacing, _longer(spacing, stretch), strict=True)
    )


def _longer(spacing: Sequence[float], stretch: float) -> list[float]:
    """How much longer than wide nuclei look along each axis: along z alone."""
    return [stretch if axis < len(spacing) - 2 else 1.0 for axis in range(len(spacing))]


def to_work(
    pixels: np.ndarray, factors: Sequence[float], gamma: float, smoothing: Smoothing | None = None
) -> np.ndarray:
    """Smooth unit-range pixels, scale them, raise them to the power `gamma`, bring them to [-1, 1].

    Returns
    -------
    ndarray (*spatial) float32
    """
    from napari_nucleidomain.inference.tiles import resize

    shape = [max(1, round(n * factor)) for n, factor in zip(pixels.shape, factors, strict=True)]
    given = pixels if smoothing is None else smoothing.of(pixels)
    scaled: Any = resize(np.asarray(given, np.float32), shape)
    if gamma != 1.0:
        # Noise is averaged first: the power would make the ground of a noisy image brighter.
        scaled = np.clip(scaled, 0, 1) ** np.float32(gamma)
    return scaled * np.float32(2) - np.float32(1)
