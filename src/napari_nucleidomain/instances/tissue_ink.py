"""Pen on the glass of stained sections: colours and densities that stains do not have, in strokes wider than nuclei.

Told by optical densities in red, green and blue. Haematoxylin is densest in green and red alike, eosin in green, DAB in
blue; dark nuclei and pigment are small. A colour that most of the picture's small objects have is its stain, not ink.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# Strokes are at least so large and so wide, as parts of the image and of its shorter side.
_LEAST = 0.0025
_WIDE = 0.012
_THIN_PX = 3.0
# Of the pixels of a colour so many must lie in strokes.
_IN_STROKES = 0.6
# A stroke is as dense as so much of its cores everywhere, and so much of it is core.
_SAME = 0.65
_CORE = 0.25


@dataclass(frozen=True)
class _Pen:
    """How one colour of ink is told.

    `seed` is true where nothing but ink can be (densities of red, green, blue); `level` is the density that the ink
    has all over its stroke, whatever tissue lies below.
    """

    seed: Callable[..., np.ndarray]
    level: Callable[..., np.ndarray]


def _least(*densities: np.ndarray) -> np.ndarray:
    return np.minimum.reduce(densities)


_PENS = (
    # Black: dense in all colours alike.
    _Pen(lambda r, g, b: (_least(r, g, b) > 0.6) & (_least(r, g, b) > 0.68 * np.maximum.reduce((r, g, b))), _least),
    # Blue and green: denser in red than in green; all stains and their mixtures are denser in green.
    _Pen(lambda r, g, b: (r > 0.65) & (g < 0.92 * r), lambda r, g, b: r),
    # Red: red blood cells and eosin let more blue through.
    _Pen(lambda r, g, b: (g > 0.85) & (b > 0.68) & (b > 0.7 * g) & (r < 0.3 * g), lambda r, g, b: np.minimum(g, b)),
)


def find_ink(unit: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Where ink is, a little more than its core.

    Parameters
    ----------
    unit : ndarray (Y, X, 3) float32
        0 black, 1 glass.
    known : ndarray (Y, X) bool
        Padding and bars.

    Returns
    -------
    ndarray (Y, X) bool
    """
    from scipy.ndimage import binary_dilation, gaussian_filter

    result = np.zeros(known.shape, bool)
    if min(known.shape) < 32:
        return result
    density = -np.log10(np.maximum(unit, 1 / 255))
    colours = [gaussian_filter(density[..., k], 1.0) for k in range(3)]
    for pen in _PENS:
        cores = _strokes(pen.seed(*colours) & ~known)
        if cores.any():
            result |= _whole(cores, pen.level(*colours), known)
    if not result.any():
        return result
    # The soft edge of a stroke has its colour, only paler.
    return np.asarray(binary_dilation(result, iterations=4))


def _whole(cores: np.ndarray, level: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The strokes that cores belong to, also where tissue below changes their colour."""
    from scipy.ndimage import binary_opening, label

    as_dense = (level > _SAME * float(np.median(level[cores]))) & ~known
    parts, count = label(binary_opening(as_dense, iterations=2) | cores)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    inside = np.bincount(parts[cores], minlength=count + 1)
    stays = inside > _CORE * sizes
    stays[0] = False
    return np.asarray(stays[parts] | cores)


def _strokes(mask: np.ndarray) -> np.ndarray:
    """Parts that are large and somewhere wide; nothing where most of the colour is in small ones."""
    from scipy.ndimage import distance_transform_edt, label

    none = np.zeros(mask.shape, bool)
    if mask.mean() < _LEAST:
        return none
    parts, count = label(mask)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    large = sizes >= _LEAST * mask.size
    large[0] = False
    if not large.any():
        return none
    kept = large[parts]
    depth = distance_transform_edt(np.pad(kept, 1, mode="edge"))[1:-1, 1:-1]
    widest = np.zeros(count + 1)
    np.maximum.at(widest, parts[kept], depth[kept])
    stays = large & (2 * widest >= max(_THIN_PX, _WIDE * min(mask.shape)))
    if sizes[stays].sum() < _IN_STROKES * mask.sum():
        return none
    # Small remains of the same colour beside a stroke are its frayed end.
    return np.asarray(stays[parts])
