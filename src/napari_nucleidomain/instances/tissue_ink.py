"""Pen on the glass of stained sections: colours and densities that stains do not have, in strokes wider than nuclei.

Told by optical densities in red, green and blue. Haematoxylin is densest in green and red alike, eosin in green, DAB in
blue; dark nuclei and pigment are small. A colour that most of the picture's small objects have is its stain, not ink.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# Strokes are at least so large and so wide, as parts of the image and of its shorter side.
_LEAST = 0.0025
_WIDE = 0.012
_THIN_PX = 3.0
# Of the pixels of a colour so many must lie in strokes.
_IN_STROKES = 0.6


def _black(red: np.ndarray, green: np.ndarray, blue: np.ndarray) -> np.ndarray:
    least = np.minimum(np.minimum(red, green), blue)
    most = np.maximum(np.maximum(red, green), blue)
    return (least > 0.6) & (least > 0.68 * most)


def _blue(red: np.ndarray, green: np.ndarray, blue: np.ndarray) -> np.ndarray:
    return (red > 0.55) & (red > 1.22 * green) & (blue < 0.6 * red) & (green > 0.15)


def _green(red: np.ndarray, green: np.ndarray, blue: np.ndarray) -> np.ndarray:
    return (red > 0.4) & (green < 0.75 * red) & (green < 0.85 * blue)


def _red(red: np.ndarray, green: np.ndarray, blue: np.ndarray) -> np.ndarray:
    # Red blood cells and eosin let more blue through.
    return (green > 0.6) & (blue > 0.78 * green) & (red < 0.3 * green)


_PENS: tuple[Callable[..., np.ndarray], ...] = (_black, _blue, _green, _red)


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
        result |= _strokes(pen(*colours) & ~known)
    if not result.any():
        return result
    # The soft edge of a stroke has its colour, only paler.
    return np.asarray(binary_dilation(result, iterations=4))


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
