"""Padding and scale bars: areas of one exact value that no microscope took."""

from __future__ import annotations

import numpy as np

# Deep black: no stained tissue lets so little light through in all three colours.
_DEEP = 0.1
_LEAST_PADDING = 0.005  # of the image
_LEAST_BAR = 0.0002
# What padding leaves is at least so much of the image, and almost all of it wide: nuclei on a flat ground are neither.
_LEAST_PICTURE = 0.2
_WIDE, _WIDE_SHARE = 8, 0.8
_ASPECT = 2.5
_THICK = 0.04  # of the image's shorter side; a wider box is a stroke of ink
_FULL = 0.88  # of its box a bar fills


def black_in_bright_field(unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Black padding, and black bars with what is written beside them.

    Parameters
    ----------
    unit : ndarray (Y, X, 3) float32
        0 black, 1 glass.

    Returns
    -------
    padding, bars : ndarray (Y, X) bool
    """
    # An almost black pixel is a neighbour of a black one where the picture was compressed.
    deep = unit.max(axis=-1) < _DEEP
    exact = unit.max(axis=-1) < 0.012
    padding = _strips(deep) | _at_border(exact)
    return _grown(padding, deep), _grown(_bars(deep & ~padding), deep & ~padding)


def white_strips(unit: np.ndarray) -> np.ndarray:
    """Whole rows and columns at the border that are exactly white: padding or empty glass, (Y, X) bool."""
    return _strips(unit.min(axis=-1) >= 1.0)


def constant_in_intensity(overview: np.ndarray, missing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Padding of any one value, and bars of the brightest value, where pixels are brightnesses.

    Parameters
    ----------
    overview : ndarray (*spatial, C)
    missing : ndarray (*spatial) bool
        Not finite.

    Returns
    -------
    padding, bars : ndarray (*spatial) bool
    """
    values = np.where(missing[..., None], 0, overview)
    none = np.zeros(missing.shape, bool)
    padding, bars = none, none
    seen = values[~missing]
    low, high = seen.min(axis=0), seen.max(axis=0)
    if (low == high).all():
        return none, none
    top = (values == high).all(axis=-1)
    bright = _strips(top)
    if bright.mean() >= _LEAST_PADDING:
        padding = padding | bright
    for value in {tuple(low.tolist()), (0,) * values.shape[-1]}:
        dark = (values == np.array(value)).all(axis=-1)
        if dark.mean() < _LEAST_PADDING:
            continue
        strips = _strips(dark)
        dark = strips | _at_border(dark)
        if not _is_picture(~(dark | padding)):
            # A ground of one value, as of pictures that were cut out or cleaned, holds nuclei and is no padding.
            dark = strips
        large = dark.mean() >= _LEAST_PADDING and 1 - (dark | padding).mean() >= _LEAST_PICTURE
        if large and _stands_apart(values, dark, missing | padding):
            padding = padding | dark
    if missing.ndim == 2:
        span = np.maximum(high.astype(np.float64) - low, 1e-12)
        bars = _bars(top & ~padding, ((values - low.astype(np.float64)) / span).mean(axis=-1))
    return padding, bars


def _is_picture(rest: np.ndarray) -> bool:
    """Whether what is left beside padding is a picture, or pieces of one, and not single nuclei."""
    from scipy.ndimage import minimum_filter

    if rest.mean() < _LEAST_PICTURE:
        return False
    sides = [max(3, n // _WIDE) for n in rest.shape]
    # What lies in some box of that size that is all picture; beyond the border the picture goes on.
    cores = minimum_filter(rest, sides, mode="nearest")
    wide = _dilated(cores, sides)
    return bool((wide & rest).sum() >= _WIDE_SHARE * rest.sum())


def _dilated(mask: np.ndarray, sides: list[int]) -> np.ndarray:
    from scipy.ndimage import maximum_filter

    # Mirrors the place of even boxes, so that opening takes nothing off on one side.
    return np.asarray(maximum_filter(mask, sides, origin=[-1 if n % 2 == 0 else 0 for n in sides], mode="nearest"))


def _stands_apart(values: np.ndarray, dark: np.ndarray, other: np.ndarray) -> bool:
    """Whether a gap lies between the value of an area and the darkest of the rest: a ground cut off at 0 has none."""
    rest = values[~dark & ~other].astype(np.float64)
    if not len(rest):
        return False
    own = values[dark][0].astype(np.float64)
    least, low, middle = np.percentile(rest, [0.5, 10, 50], axis=0)
    # Of whole numbers a ground cut off at 0 goes on with 1 and 2.
    grain = 4 if values.dtype.kind in "ui" else 1e-6
    return bool((least - own > 3 * np.maximum(low - least, 0) + grain).any() and (middle > own).any())


def _strips(mask: np.ndarray) -> np.ndarray:
    """Whole rows (columns, planes) at the border that lie in the mask."""
    result = np.zeros(mask.shape, bool)
    inner = [slice(None)] * mask.ndim
    # Once along each axis, and once more: beside a full row at the top a column at the left is full only below it.
    for axis in (*range(mask.ndim), *range(mask.ndim)):
        part = mask[tuple(inner)]
        if not part.size:
            break
        others = tuple(k for k in range(mask.ndim) if k != axis)
        # JPEG leaves a few other pixels where padding ends.
        full = part.mean(axis=others) > 0.995
        if full.all():
            return mask
        first, last = int(np.argmin(full)), int(np.argmin(full[::-1]))
        start = inner[axis].start or 0
        stop = inner[axis].stop or mask.shape[axis]
        for a, b in ((start, start + first), (stop - last, stop)):
            box = [slice(None)] * mask.ndim
            box[axis] = slice(a, b)
            result[tuple(box)] = True
        inner[axis] = slice(start + first, stop - last)
    return result


def _at_border(mask: np.ndarray) -> np.ndarray:
    """Large flat parts that reach the image's border."""
    from scipy.ndimage import binary_opening, label

    if mask.mean() < _LEAST_PADDING:
        return np.zeros(mask.shape, bool)
    # Padding is mirrored beyond the border, or opening would take its rim off.
    wide = np.pad(mask, 3, mode="edge")
    flat = binary_opening(wide, np.ones((5,) * mask.ndim))[(slice(3, -3),) * mask.ndim]
    parts, count = label(flat)
    if not count:
        return np.zeros(mask.shape, bool)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    border = np.zeros(count + 1, bool)
    for axis in range(mask.ndim):
        for end in (0, -1):
            border[np.take(parts, end, axis)] = True
    chosen = border & (sizes >= _LEAST_PADDING * mask.size)
    chosen[0] = False
    return np.asarray(chosen[parts])


def _bars(mask: np.ndarray, brightness: np.ndarray | None = None) -> np.ndarray:
    """Long straight-edged boxes, and what stands beside them in the same colour.

    Where `brightness` (0 to 1, the bar's) is given, only those are taken around which it falls by half at once: the
    brightest row of a nucleus is none.
    """
    from scipy.ndimage import find_objects, label

    parts, count = label(mask)
    result = np.zeros(mask.shape, bool)
    if not count:
        return result
    boxes = find_objects(parts)
    sizes = np.bincount(parts.ravel())
    for k in np.flatnonzero(sizes >= max(12, _LEAST_BAR * mask.size)):
        if k == 0:
            continue
        box = boxes[k - 1]
        sides = [piece.stop - piece.start for piece in box]
        thick = min(sides) > max(8, _THICK * min(mask.shape))
        if thick or max(sides) < _ASPECT * min(sides) or sizes[k] < _FULL * np.prod(sides):
            continue
        if brightness is not None and _around(brightness, mask, box) > 0.5:
            continue
        reach = max(max(sides), 40)
        near = tuple(
            slice(max(0, piece.start - min(reach, 90)), min(n, piece.stop + min(reach, 90)))
            for piece, n in zip(box, mask.shape, strict=True)
        )
        # Letters are small beside the bar.
        small = sizes <= sizes[k]
        small[0] = False
        result[near] |= small[parts[near]]
    return result


def _around(brightness: np.ndarray, mask: np.ndarray, box: tuple[slice, ...]) -> float:
    """Median of what lies up to three pixels beside a box; 0 where nothing does."""
    wide = tuple(slice(max(0, piece.start - 3), piece.stop + 3) for piece in box)
    beside = brightness[wide][~mask[wide]]
    return float(np.median(beside)) if beside.size else 0.0


def _grown(mask: np.ndarray, within: np.ndarray) -> np.ndarray:
    """Two pixels wider, for the soft edge, and over what is black beside it."""
    from scipy.ndimage import binary_dilation

    if not mask.any():
        return mask
    mask = mask | (binary_dilation(mask, iterations=4) & within)
    return np.asarray(binary_dilation(mask, iterations=2))
