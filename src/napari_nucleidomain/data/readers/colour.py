"""Pixels that are no colours yet: colour tables, inks (CMYK), CIELAB, YCbCr, and numbers of which 0 is white.

Each becomes red, green and blue when it is read; formulae of TIFF 6.0 and of the libraries that show such pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from napari_nucleidomain.data.axes import ArrayLike

Convert = Callable[[np.ndarray], np.ndarray]
# Steps between neighbours of a colour table that paints intensities, and of 256 at least how many there must be.
_SMOOTH, _LEAST_ENTRIES = 24, 64


class Converted:
    """An array whose samples become colours as they are read.

    Parameters
    ----------
    source : ArrayLike
        As in the file.
    axis : int or None
        Where its samples are; None where a pixel is one number, which becomes colours along a new last axis.
    samples : int
        Samples of a pixel afterwards.
    dtype : dtype
        Afterwards.
    convert : callable
        (..., n) -> (..., samples), or without `axis` (...) -> (..., samples).
    """

    def __init__(self, source: ArrayLike, axis: int | None, samples: int, dtype: Any, convert: Convert) -> None:
        self._source, self._axis, self._convert = source, axis, convert
        shape = [int(n) for n in source.shape]
        chunks = getattr(source, "chunks", None)
        simple = isinstance(chunks, tuple) and all(isinstance(c, int) for c in chunks)
        sides = list(chunks) if simple and chunks is not None else None
        if axis is None:
            shape.append(samples)
            sides = sides and [*sides, samples]
        else:
            shape[axis] = samples
            if sides:
                sides[axis] = samples
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self.chunks = tuple(sides) if sides else None

    def __getitem__(self, key: Any) -> np.ndarray:
        """Read a part; one slice per axis."""
        keys = list(key)
        if self._axis is None:
            colours = keys.pop()
            block = self._convert(np.asarray(self._source[tuple(keys)]))
            return block[..., colours]
        colours, keys[self._axis] = keys[self._axis], slice(None)
        block = self._convert(np.moveaxis(np.asarray(self._source[tuple(keys)]), self._axis, -1))
        return np.moveaxis(block[..., colours], -1, self._axis)


class Negative:
    """An array of which 0 is white, as its picture looks."""

    def __init__(self, source: ArrayLike, top: int) -> None:
        self._source, self._top = source, top
        self.shape, self.dtype = tuple(int(n) for n in source.shape), np.dtype(source.dtype)
        self.chunks = getattr(source, "chunks", None)

    def __getitem__(self, key: Any) -> np.ndarray:
        """Read a part."""
        block = np.asarray(self._source[key])
        if self.dtype == np.bool_:
            return ~block
        return (self._top - np.minimum(block, self._top)).astype(self.dtype)


def paints_intensities(table: np.ndarray) -> bool:
    """Whether a colour table (entries, 3) of 8 bit is a ramp laid over intensities, as Fiji's LUTs are.

    Then the numbers in the file are what was measured, and the colours only a way to show them.
    """
    steps = np.diff(table.astype(int), axis=0)
    rising = bool((steps >= 0).all()) and bool((table[-1] != table[0]).any())
    return rising or (len(table) >= _LEAST_ENTRIES and int(np.abs(steps).max(initial=0)) <= _SMOOTH)


def palette_8bit(colormap: Any) -> np.ndarray:
    """The colours (entries, 3) uint8 of a TIFF's ColorMap (3, entries); some writers use 8 of its 16 bits."""
    table = np.asarray(colormap).reshape(3, -1).T.astype(np.int64)
    return (table >> 8 if table.max(initial=0) > 255 else table).astype(np.uint8)


def by_palette(table: np.ndarray) -> Convert:
    """Numbers to the colours they stand for; numbers beyond the table are black."""
    padded = np.concatenate([table, np.zeros((1, 3), np.uint8)])

    def convert(block: np.ndarray) -> np.ndarray:
        colours: np.ndarray = padded[np.minimum(block.astype(np.int64), len(table))]
        return colours

    return convert


def _with_rest(convert: Callable[[np.ndarray], np.ndarray], used: int) -> Convert:
    """Convert the first samples of a pixel; transparency and further ones follow as they are."""

    def both(block: np.ndarray) -> np.ndarray:
        colours = convert(block[..., :used])
        return np.concatenate([colours, block[..., used:].astype(colours.dtype)], axis=-1)

    return both


def from_cmyk(top: int) -> Convert:
    """Cyan, magenta, yellow and black (0 is no ink) to colours of the same number type, as Pillow does."""

    def convert(block: np.ndarray) -> np.ndarray:
        ink = block.astype(np.float32) / top
        light = (1.0 - ink[..., :3]) * (1.0 - ink[..., 3:4])
        colours: np.ndarray = np.rint(light * top).astype(block.dtype)
        return colours

    return _with_rest(convert, 4)


def from_lab(offset: bool) -> Convert:
    """CIELAB of 8 or 16 bit to colours of the same number type (sRGB; its white becomes white).

    Parameters
    ----------
    offset : bool
        ICCLab, whose a and b have 128 (or 32768) added; else they are signed.
    """

    def convert(block: np.ndarray) -> np.ndarray:
        from skimage.color import lab2rgb

        wide = block.dtype.itemsize > 1
        raw = block.astype(np.float64)
        if offset:
            ab = raw[..., 1:3] / 256.0 - 128.0 if wide else raw[..., 1:3] - 128.0
            light = raw[..., :1] * (100.0 / (65280.0 if wide else 255.0))
        else:
            signed = block[..., 1:3].astype(np.uint16 if wide else np.uint8).view(np.int16 if wide else np.int8)
            ab = signed.astype(np.float64) / (256.0 if wide else 1.0)
            light = raw[..., :1] * (100.0 / (65535.0 if wide else 255.0))
        top = np.iinfo(block.dtype).max
        rgb = lab2rgb(np.concatenate([np.clip(light, 0, 100), ab], axis=-1))
        colours: np.ndarray = np.rint(np.clip(rgb, 0, 1) * top).astype(block.dtype)
        return colours

    return _with_rest(convert, 3)


def from_ycbcr(coefficients: Any, reference: Any) -> Convert:
    """YCbCr of 8 bit, every pixel with its own colour, to red, green and blue (TIFF 6.0, section 21).

    Parameters
    ----------
    coefficients : sequence of 3 float or None
        Share of red, green and blue in Y.
    reference : sequence of 6 float or None
        Black and white of the three.
    """
    red, green, blue = (float(c) for c in coefficients) if coefficients is not None else (0.299, 0.587, 0.114)
    low = np.array([0.0, 128.0, 128.0])
    high = np.array([255.0, 255.0, 255.0])
    if reference is not None:
        low, high = np.array(reference[::2], float), np.array(reference[1::2], float)
    span = np.where(high > low, high - low, 1.0)

    def convert(block: np.ndarray) -> np.ndarray:
        y, cb, cr = np.moveaxis((block.astype(np.float64) - low) * (np.array([255.0, 127.0, 127.0]) / span), -1, 0)
        r = y + cr * (2 - 2 * red)
        b = y + cb * (2 - 2 * blue)
        g = (y - red * r - blue * b) / (green or 1.0)
        colours: np.ndarray = np.clip(np.rint(np.stack([r, g, b], axis=-1)), 0, 255).astype(np.uint8)
        return colours

    return _with_rest(convert, 3)
