"""What in a picture is tissue or signal, and what lies over it: padding, scale bars, ink, very bright spots.

Looked for in an overview of the whole image, so that all its tiles agree. Thresholds and ranges are read off `signal`
only, and nothing in `left_out` is ever a nucleus. A clean picture has nothing left out and stays as it is, to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .stains import white_level
from .tissue_constant import black_in_bright_field, constant_in_intensity, white_strips
from .tissue_ink import find_ink
from .tissue_spots import Spots, find_spots, hot_step, without_hot

__all__ = ["Tissue", "find_tissue", "is_bright_field"]

# Glass lets through at least this share of the light in every colour.
_GLASS = 0.92
_PALE, _SOME_GLASS = 0.8, 0.01
_BRIGHT = 0.3
_BLACK = 3 / 255
_FRINGE = 0.1


@dataclass(frozen=True)
class Tissue:
    """Parts of one picture, all masks of the overview's spatial shape.

    Attributes
    ----------
    bright_field : bool
        Stained tissue on bright glass; else light on a dark ground (or one channel of any kind).
    padding : ndarray bool
        Borders of one exact value, which no microscope took.
    bars : ndarray bool
        Scale bars and what is written beside them.
    ink : ndarray bool
        Pen on the glass.
    spots : ndarray bool
        Fluorescence: debris, fibres, saturated spots, much brighter than nuclei.
    bright : ndarray bool
        Fluorescence: as bright as `spots` but of the size and shape of a nucleus; it may be one, yet sets no range.
    missing : ndarray bool
        Numbers that are not finite.
    glass : ndarray bool
        Bright-field: nothing on the slide. It is part of the picture.
    fill : ndarray (C,)
        What stands in for what is left out: glass, or the ground beside the nuclei.
    hot : tuple of float or None
        (value, step): pixels above `value` that exceed the middle of their surroundings by `step` are hot pixels of the
        camera. None where there are none.
    """

    bright_field: bool
    padding: np.ndarray
    bars: np.ndarray
    ink: np.ndarray
    spots: np.ndarray
    bright: np.ndarray
    missing: np.ndarray
    glass: np.ndarray
    fill: np.ndarray
    hot: tuple[float, float] | None = None
    white_padding: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    @property
    def left_out(self) -> np.ndarray:
        """Where no nucleus can be and no picture is."""
        return self.padding | self.bars | self.ink | self.spots

    @property
    def signal(self) -> np.ndarray:
        """What ranges and thresholds are read off: all the picture that nothing lies over."""
        used = ~(self.left_out | self.bright | self.missing)
        if self.white_padding.size:
            used &= ~self.white_padding
        return used if used.any() else ~self.missing

    @property
    def tissue(self) -> np.ndarray:
        """Signal that is no empty glass."""
        return self.signal & ~self.glass

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to leave out."""
        return not (self.left_out.any() or self.bright.any() or self.hot)

    def told(self) -> list[str]:
        """What was left out, in sentences without a point, for the person who reads the count."""
        names = ((self.ink, "ink was"), (self.bars, "a scale bar was"), (self.padding, "padding of one colour was"))
        said = [f"{name} left out ({_share(mask)} of the image)" for mask, name in names if mask.any()]
        if self.spots.any():
            said.append(f"spots far brighter than the rest were left out ({_share(self.spots)} of the image)")
        if self.bright.any():
            said.append(f"a few very bright nuclei ({_share(self.bright)} of the image) do not set the range")
        if self.hot:
            said.append("hot pixels of the camera were evened out")
        return said


def _share(mask: np.ndarray) -> str:
    share = 100 * float(mask.mean())
    return f"{share:.0f} %" if share >= 1 else f"{share:.1g} %"


def is_bright_field(pixels: np.ndarray, white: float | None = None) -> bool:
    """Whether colours lie on a bright ground, as in stained sections; fluorescence saved in colour does not.

    Black padding, however much of it, is not looked at: it has no soft transition to what is there, as nuclei on a dark
    ground have, and what is left is bright in every colour.

    Parameters
    ----------
    pixels : ndarray (..., C)
        The first three channels are red, green, blue.
    white : float, optional
        See `stains.white_level`.
    """
    white = white_level(pixels) if white is None else white
    unit = np.asarray(pixels[..., :3], np.float32).reshape(-1, 3) / np.float32(white)
    unit = unit[np.isfinite(unit).all(axis=1)]
    if not unit.size:
        return False
    if float(np.median(unit)) > _BRIGHT:
        return True
    rest = unit[unit.max(axis=1) > _BLACK]
    if len(rest) < 0.01 * len(unit) or (rest == rest[:, :1]).all():
        return False
    fringe = float((rest.max(axis=1) < _FRINGE).mean())
    return bool(np.median(rest.min(axis=1)) > 0.25 and np.median(rest) > _BRIGHT and fringe < 0.05)


def find_tissue(overview: np.ndarray, bright_field: bool, white: float | None = None) -> Tissue:
    """Tell tissue or signal from what lies over it.

    Parameters
    ----------
    overview : ndarray (*spatial, C), any real dtype
        A small version of the whole picture; at least some pixels of every stroke and bar must be in it.
    bright_field : bool
        Whether it is a stained section in colour, see `is_bright_field`.
    white : float, optional
        Bright-field: value of glass, see `stains.white_level`.

    Returns
    -------
    Tissue
    """
    return (
        _of_section(overview, white_level(overview) if white is None else white)
        if bright_field
        else _of_light(overview)
    )


def _of_section(overview: np.ndarray, white: float) -> Tissue:
    unit = np.asarray(overview[..., :3], np.float32) / np.float32(white)
    missing = np.asarray(~np.isfinite(unit).all(axis=-1))
    unit = np.clip(np.where(missing[..., None], 1.0, unit), 0, 1)
    none = np.zeros(unit.shape[:-1], bool)
    fill = np.full(overview.shape[-1], white)
    glass = unit.min(axis=-1) > _GLASS
    if unit.ndim != 3:
        return Tissue(True, none, none, none, none, none, missing, glass, fill)
    padding, bars = black_in_bright_field(unit)
    ink = find_ink(unit, padding | bars)
    strips = white_strips(unit)
    # The picture's own glass: whiter than that would have edges.
    empty = glass | ((unit.min(axis=-1) > _PALE) & (np.ptp(unit, axis=-1) < 1 - _GLASS))
    empty &= ~(padding | bars | ink | strips)
    if empty.mean() > _SOME_GLASS:
        fill[:3] = np.median(unit[empty], axis=0) * white
    return Tissue(
        True, padding, bars & ~padding, ink & ~padding & ~bars, none, none, missing, glass, fill, None, strips
    )


def _of_light(overview: np.ndarray) -> Tissue:
    values = np.asarray(overview, np.float32)
    missing = np.asarray(~np.isfinite(values).all(axis=-1))
    none = np.zeros(missing.shape, bool)
    if missing.all() or not values.size:
        return Tissue(False, none, none, none, none, none, missing, none, np.zeros(values.shape[-1]))
    padding, bars = constant_in_intensity(overview, missing)
    seen = ~(missing | padding | bars)
    if not seen.any():
        return Tissue(False, none, none, none, none, none, missing, none, np.zeros(values.shape[-1]))
    ground = np.array([np.median(values[..., k][seen]) for k in range(values.shape[-1])])
    mean = np.where(seen, values.mean(axis=-1), ground.mean()).astype(np.float32)
    hot = hot_step(mean[seen], mean)
    if hot is not None:
        mean = without_hot(mean, hot)
    found = find_spots(mean, seen) if _is_dark(mean[seen]) else Spots(none, none)
    spots = found.spots & seen
    if spots.any():
        # Beside what is bright and large no hot pixel stood out.
        hot = hot or hot_step(mean[seen & ~spots], np.where(spots, ground.mean(), mean).astype(np.float32))
        ground = np.array([np.median(values[..., k][seen & ~spots]) for k in range(values.shape[-1])])
    return Tissue(False, padding, bars, none, spots, found.bright & seen & ~spots, missing, none, ground, hot)


def _is_dark(values: np.ndarray) -> bool:
    """Whether the ground, which most pixels are, lies at the dark end."""
    low, middle, high = np.percentile(values, [0.5, 50, 99.5])
    return bool(high - middle >= middle - low)
