"""How large and how many nuclei are drawn: what the user says, and what the images show where nothing was said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.images import Image
from napari_nucleidomain.data.telling import Warn
from napari_nucleidomain.inference.pieces import varied_pieces
from napari_nucleidomain.inference.seen import seen
from napari_nucleidomain.instances.sizes import NucleusSizes, estimate_sizes
from napari_nucleidomain.instances.synthesis import MaskSettings, draw_mask, shortfall
from napari_nucleidomain.instances.synthesis.settings import semi_major_of

from .brightness import Brightness
from .config import AdganConfig
from .pictures import Picture, work_factors

# Of a diameter that the user gave.
_USUAL = (0.75, 1.25)
# Nuclei whose depth and width differ by more hint at a wrong voxel size.
_STRETCH = (0.7, 1.4)
_LOOKED_AT = {2: 24, 3: 4}
_PIECES = 6
# Of a nucleus' diameter.
_SMOOTH = 0.15
# Fewer blobs do not tell an image's own size; it lies in these bounds of the typical one of all.
_FEWEST = 4
_FARTHEST = 2.5
# So much images must differ before it is told.
_VARY = 1.25
# The discriminator sees nothing of shorter crops; images that are shorter are mirrored.
_SHORTEST = 24
_LOOKS = 200
_TRIED = 60


@dataclass(frozen=True)
class Drawn:
    """What masks are drawn from; numbers only, so that it is kept with the run.

    Attributes
    ----------
    diameter : float
        Typical nucleus, pixels of the image's last axis.
    low, high : float
        Smallest and largest, likewise.
    estimated : float
        What was estimated of all images together; 0 where nothing could be.
    stretch : float
        How much longer than wide nuclei are along z.
    count : tuple of int
        Fewest and most nuclei in a drawn mask.
    own : tuple of float
        Typical nucleus of each image, by which it is scaled; all alike where images are not scaled each by its own.
    blobs, images : int
        What an estimate rests on; 0 where there was none.
    """

    diameter: float
    low: float
    high: float
    estimated: float
    stretch: float
    count: tuple[int, int]
    own: tuple[float, ...]
    blobs: int
    images: int

    def to_arrays(self) -> dict[str, np.ndarray]:
        """For `Stage.save`."""
        return {name: np.asarray(value, np.float64) for name, value in asdict(self).items()}

    @classmethod
    def from_arrays(cls, kept: dict[str, np.ndarray]) -> Drawn:
        """What `to_arrays` gave."""
        count = tuple(int(n) for n in kept["count"])
        numbers: dict[str, Any] = {
            name: float(kept[name]) for name in ("diameter", "low", "high", "estimated", "stretch")
        }
        own = tuple(float(one) for one in kept["own"])
        seen = {name: int(kept[name]) for name in ("blobs", "images")}
        return cls(**numbers, count=(count[0], count[1]), own=own, **seen)

    def says(self) -> str:
        """In words."""
        said = f"nuclei of about {self.diameter:.3g} px ({self.low:.3g} to {self.high:.3g})"
        if self.blobs:
            said += f", estimated from {self.blobs} in {self.images} image{'s' * (self.images != 1)}"
        if max(self.own) > _VARY * min(self.own):
            said += f"; images are scaled each by its own, {min(self.own):.3g} to {max(self.own):.3g} px"
        return said


def crop_shape(config: AdganConfig, works: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Sides of a crop in work pixels: the configured ones, shorter where every image is shorter; multiples of 4."""
    ndim = len(works[0])
    wanted = (config.crop_z, config.crop_volume_px, config.crop_volume_px) if ndim == 3 else (config.crop_px,) * 2
    longest = np.max(np.asarray(works), axis=0)
    return tuple(max(_SHORTEST, min(side, int(n) // 4 * 4)) for side, n in zip(wanted, longest, strict=True))


def find_sizes(
    pictures: Sequence[Picture], config: AdganConfig, warn: Warn, check: Callable[[], None] = lambda: None
) -> Drawn:
    """Estimate what the user did not say.

    Parameters
    ----------
    pictures : sequence of Picture
    config : AdganConfig
    warn : callable
        Given message and hint.
    check : callable
        Called between images; may raise to stop.

    Raises
    ------
    NucleiError
        No size was given and none can be estimated; or nuclei are larger than the images.
    """
    found = _estimate(pictures, check)
    if not config.diameter_px and found is None:
        raise NucleiError(
            "How large nuclei are cannot be told from these images: nothing in them stands out as round.",
            "Draw a line across one nucleus in Train (on the command line --set diameter_px=30).",
        )
    estimated = found.wide if found else 0.0
    diameter = config.diameter_px or estimated
    _refuse_too_large(pictures, diameter)
    alone = _alone(pictures, check) if config.own_scale else []
    by = diameter / estimated if estimated else 1.0
    own = tuple(bounded(one, diameter, by) for one in alone) or (diameter,) * len(pictures)
    deep = pictures[0].pixels.ndim == 3
    each = [one for one in alone if one is not None and one.blobs >= _FEWEST] or ([found] if found else [])
    # Many small nuclei instead of few large ones teach the network to divide what it sees.
    spread = _spread(each, *((config.least_volume, config.most_volume) if deep else (0.0, 0.0)))
    low, high = config.size_least or min(spread[0], 1.0), config.size_most or max(spread[1], 1.0)
    stretch = config.stretch or _stretch(found, warn)
    seen = (found.blobs, found.images) if found and not config.diameter_px else (0, 0)
    drawn = Drawn(diameter, diameter * low, diameter * high, estimated, stretch, (0, 0), own, *seen)
    return Drawn(**{**asdict(drawn), "count": _count(pictures, config, drawn)})


def _estimate(pictures: Sequence[Picture], check: Callable[[], None]) -> NucleusSizes | None:
    most = _LOOKED_AT[pictures[0].pixels.ndim]
    some = pictures[:: max(1, -(-len(pictures) // most))]
    check()
    return estimate_sizes([one.pixels for one in some], [one.spacing for one in some])


def _alone(pictures: Sequence[Picture], check: Callable[[], None]) -> list[NucleusSizes | None]:
    """Of each flat image by itself; volumes of a dataset are taken to be alike: looking takes long, few nuclei show."""
    found: list[NucleusSizes | None] = []
    for one in pictures:
        check()
        found.append(estimate_sizes([one.pixels], [one.spacing]) if one.pixels.ndim == 2 else None)
    return found


def bounded(found: NucleusSizes | None, typical: float, by: float) -> float:
    """An image's own diameter: what was found in it, not far from the typical one; that one where little was found.

    Parameters
    ----------
    found : NucleusSizes or None
    typical : float
        Of all images.
    by : float
        What estimates are multiplied by: the diameter that somebody said over the one estimated of all images.
    """
    if found is None or found.blobs < _FEWEST:
        return typical
    return float(np.clip(found.wide * by, typical / _FARTHEST, typical * _FARTHEST))


def own_diameter(image: Image, plane: int | None, brightness: Brightness, typical: float, by: float) -> float:
    """Typical nucleus of a flat image that was not learned from, in pixels.

    Parameters
    ----------
    image : Image
    plane : int or None
        z plane of a volume that is looked at as a flat image.
    brightness : Brightness
    typical : float
        That of the training images.
    by : float
        See `bounded`.
    """
    view = seen(image, plane)
    whole = view.overview.shape[:2] == view.shape
    pieces = [view.overview] if whole else varied_pieces(view, _PIECES)[0]
    units = [brightness.to_unit(one) for one in pieces]
    # Every piece is stretched to its own range when blobs are looked for, so that one without a nucleus shows noise.
    smooth = _SMOOTH * typical
    shown = [one for one in units if float(gaussian_filter(one, smooth).max(initial=0)) > brightness.threshold]
    return bounded(estimate_sizes(shown) if shown else None, typical, by)


def _spread(found: Sequence[NucleusSizes], least: float, most: float) -> tuple[float, float]:
    """Smallest and largest nuclei of an image as parts of its typical one; the median over images, within bounds."""
    if not found:
        return max(_USUAL[0], least), max(_USUAL[1], most)
    low, high = (float(np.median([getattr(one, name) / one.diameter for one in found])) for name in ("low", "high"))
    return max(low, least), max(high, most)


def _refuse_too_large(pictures: Sequence[Picture], diameter: float) -> None:
    shortest = max(min(one.pixels.shape[-2:]) for one in pictures)
    if diameter > shortest:
        raise NucleiError(
            f"Nuclei of {diameter:.3g} px are larger than the images, which are at most {shortest} px wide.",
            "Check diameter_px: it is in pixels across a nucleus.",
        )


def _stretch(found: NucleusSizes | None, warn: Warn) -> float:
    if found is None:
        return 1.0
    if not _STRETCH[0] <= found.stretch <= _STRETCH[1]:
        how = "longer" if found.stretch > 1 else "shorter"
        warn(
            f"Nuclei seem to be {found.stretch:.2g} times as long along z as they are wide: {how} than usual.",
            "Check the voxel size in Images. If it is right, go on: volumes are scaled so that nuclei are round.",
        )
    return found.stretch


def _count(pictures: Sequence[Picture], config: AdganConfig, drawn: Drawn) -> tuple[int, int]:
    """Nuclei in a crop, by how much of random crops is brighter than Otsu's threshold."""
    from skimage.filters import threshold_otsu

    if config.count_most:
        if config.count_least > config.count_most:
            raise NucleiError(
                f"There cannot be {config.count_least} to {config.count_most} nuclei in a mask.",
                "count_least is the smaller number.",
            )
        return config.count_least, config.count_most
    rng = np.random.default_rng(0)
    shares = []
    all_factors = factors_of(pictures, config, drawn)
    side = crop_shape(config, [scaled_shape(one, by) for one, by in zip(pictures, all_factors, strict=True)])
    for one, factors in zip(pictures, all_factors, strict=True):
        bright = one.pixels > threshold_otsu(one.pixels)
        shape = [min(n, max(1, round(c / f))) for n, c, f in zip(one.pixels.shape, side, factors, strict=True)]
        for _ in range(max(1, _LOOKS // len(pictures))):
            corner = [int(rng.integers(0, n - s + 1)) for n, s in zip(one.pixels.shape, shape, strict=True)]
            shares.append(bright[tuple(slice(c, c + s) for c, s in zip(corner, shape, strict=True))].mean())
    few, many = np.percentile(shares, [10, 90])
    each = _covers(config, drawn, side)
    least = int(few / each)
    return least, max(least + 2, int(np.ceil(many / each)))


def _covers(config: AdganConfig, drawn: Drawn, side: tuple[int, ...]) -> float:
    """Share of a drawn mask that one nucleus covers, in the mean: some of it lies outside."""
    rng = np.random.default_rng(0)
    # As many as surely find room.
    alone = mask_of(config, drawn, side, (1, 1))
    return float(np.mean([(draw_mask(alone, rng).labels > 0).mean() for _ in range(_TRIED)]))


def factors_of(pictures: Sequence[Picture], config: AdganConfig, drawn: Drawn) -> list[tuple[float, ...]]:
    """Work pixels per pixel of each image, per axis."""
    return [
        work_factors(own, config.work_diameter(one.pixels.ndim), config.resize, one.spacing, drawn.stretch)
        for one, own in zip(pictures, drawn.own, strict=True)
    ]


def scaled_shape(one: Picture, factors: Sequence[float]) -> tuple[int, ...]:
    """Sides of an image in work pixels."""
    return tuple(max(1, round(n * f)) for n, f in zip(one.pixels.shape, factors, strict=True))


def mask_settings(config: AdganConfig, drawn: Drawn, shape: tuple[int, ...], warn: Warn) -> MaskSettings:
    """What masks of a crop's shape are drawn from; tells where nuclei find no room.

    Raises
    ------
    NucleiError
        Sizes and numbers cannot be.
    """
    settings = mask_of(config, drawn, shape, drawn.count)
    rng = np.random.default_rng(0)
    if told := shortfall([draw_mask(settings, rng) for _ in range(8)]):
        warn(told, "Set count_most lower, or diameter_px smaller.")
    return settings


def mask_of(config: AdganConfig, drawn: Drawn, shape: tuple[int, ...], count: tuple[int, int]) -> MaskSettings:
    """What masks of a shape with so many nuclei are drawn from.

    Raises
    ------
    NucleiError
        Sizes and numbers cannot be.
    """
    if config.eccentricity_least > config.eccentricity_most:
        raise NucleiError("eccentricity_least is larger than eccentricity_most.", "Exchange them.")
    roundness = (config.eccentricity_least, config.eccentricity_most)
    work = config.work_diameter(len(shape))
    factor = work / drawn.diameter if work else config.resize
    low, high = (semi_major_of(size * factor, len(shape), roundness) for size in (drawn.low, drawn.high))
    return MaskSettings(shape, count, (max(1.0, low), max(1.0, high)), roundness, rim=config.rim)
