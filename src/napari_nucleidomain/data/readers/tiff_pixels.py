"""The pixels of a TIFF, level by level: read in place or decoded by tiles, as colours, with empty tiles filled in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.data.axes import ArrayLike
from napari_nucleidomain.data.guesses import is_bright

from . import colour
from .base import RawImage, too_large
from .in_file import InFile, Watched, as_long_as
from .tiff_open import lies_in

_GDAL_NODATA = 42113
_CHUNKS_LOOKED_AT = 16
# Kinds of pixels that are colours once they are converted.
_COLOURS = {"RGB", "YCBCR", "SEPARATED", "CIELAB", "ICCLAB", "ITULAB"}


def open_levels(path: Path, tif: Any, series: Any, raw: RawImage, palette: str) -> None:
    """Open every level of a series, and say of what kind its pixels are.

    Parameters
    ----------
    path : Path
    tif : OpenedTiff
    series : TiffPageSeries
    raw : RawImage
        Its `axes` are those of the series; `levels`, `axes`, `rgb`, `alpha` and `notes` are changed.
    palette : {"colour", "index"}
    """
    page = series.keyframe
    photometric = name_of(page.photometric)
    samples = series.axes.find("S")
    convert = _conversion(tif, series, raw, palette) if palette == "colour" else None
    if samples >= 0:
        extras = [int(e) for e in page.extrasamples]
        ink = photometric == "SEPARATED" and int(page.tags.valueof(332, 1)) == 1 and page.samplesperpixel >= 4
        colours = (photometric in _COLOURS - {"SEPARATED"}) or ink
        raw.rgb = colours or name_of(page.compression).startswith("APERIO")
        # 1 and 2 are transparency; 0 and all others are channels of which nothing is known.
        raw.alpha = bool(extras) and extras[0] in (1, 2) and (raw.rgb or page.samplesperpixel == 2)
        raw.premultiplied = raw.alpha and extras[0] == 1
    fill = _fill(path, tif, series, raw, convert)
    levels = [_level(tif, path, series, k, fill) for k in range(len(series.levels))]
    raw.close = _closing(tif, levels)
    raw.levels = [_converted(level, series, convert) for level in levels]
    if convert is not None and convert.new_axis:
        raw.axes += "C"
        raw.rgb = True


def _closing(tif: Any, levels: list[ArrayLike]) -> Callable[[], None]:
    def close() -> None:
        tif.close()
        for level in levels:
            if isinstance(level, InFile):
                level.close()

    return close


def name_of(value: Any) -> str:
    """Name of a tag's value; values that the standard does not know are bare numbers."""
    return str(getattr(value, "name", value))


class _Conversion:
    """What makes colours of a series' pixels, and what white is among its numbers."""

    def __init__(self, change: Any, white: float | None, lost: int = 0, new_axis: bool = False) -> None:
        self.change, self.white, self.lost, self.new_axis = change, white, lost, new_axis


def _conversion(tif: Any, series: Any, raw: RawImage, palette: str) -> _Conversion | None:
    page = series.keyframe
    photometric = name_of(page.photometric)
    top = 2 ** int(page.bitspersample) - 1 if isinstance(page.bitspersample, int) and page.dtype.kind in "ub" else 0
    samples = series.axes.find("S")
    if photometric == "PALETTE" and samples < 0 and page.colormap is not None and page.dtype.kind in "ub":
        table = colour.palette_8bit(page.colormap)
        if colour.paints_intensities(table):
            raw.notes.append("Its colours only paint intensities (a LUT); the numbers themselves are used.")
            return None
        white = int(np.argmax(table.astype(int).sum(axis=1)))
        return _Conversion(colour.by_palette(table), white, new_axis=True)
    if photometric == "MINISWHITE" and samples < 0:
        if tif.is_imagej or not top:
            # Fiji inverts only what is shown; its numbers are what was measured.
            raw.notes.append("The file says that 0 is white; its numbers are used as they are.")
            return None
        return _Conversion(top, None)
    if samples < 0 or not top:
        return None
    if photometric == "SEPARATED" and page.samplesperpixel >= 4 and int(page.tags.valueof(332, 1)) == 1:
        raw.notes.append("Its printing inks (CMYK) were converted to colours.")
        return _Conversion(colour.from_cmyk(top), 0, lost=1)
    if photometric in {"CIELAB", "ICCLAB", "ITULAB"} and page.samplesperpixel >= 3 and top in (255, 65535):
        raw.notes.append("Its CIELAB values were converted to colours.")
        return _Conversion(colour.from_lab(photometric != "CIELAB"), None)
    if photometric == "YCBCR" and top == 255 and not _decoded_to_rgb(page):
        pairs = page.tags.valueof(532)
        black_white = _fractions(pairs) if pairs is not None and len(pairs) == 12 else None
        luma = page.tags.valueof(529)
        weights = _fractions(luma) if luma is not None and len(luma) == 6 else None
        return _Conversion(colour.from_ycbcr(weights, black_white), None)
    return None


def _decoded_to_rgb(page: Any) -> bool:
    """Whether the decoder of the compression (JPEG, JPEG 2000, WebP, ...) makes red, green and blue itself."""
    import tifffile

    return int(page.compression) in tifffile.TIFF.IMAGE_COMPRESSIONS


def _fractions(pairs: Any) -> list[float]:
    values = [float(v) for v in pairs]
    return [a / b if b else 0.0 for a, b in zip(values[::2], values[1::2], strict=True)]


def _converted(level: ArrayLike, series: Any, conversion: _Conversion | None) -> ArrayLike:
    if conversion is None:
        return level
    if isinstance(conversion.change, int):
        return colour.Negative(level, conversion.change)
    if conversion.new_axis:
        return colour.Converted(level, None, 3, np.uint8, conversion.change)
    axis = series.axes.index("S")
    return colour.Converted(level, axis, int(level.shape[axis]) - conversion.lost, level.dtype, conversion.change)


def _level(tif: Any, path: Path, series: Any, level: int, fill: float | None) -> ArrayLike:
    """One level: read in place where the pixels lie raw in one piece, else decoded tile by tile through zarr."""
    import zarr

    key = series.keyframe
    raw_here = level == 0 and series.dataoffset and not series.is_multifile and lies_in(series[0], tif)
    if raw_here and key.bitspersample in (8, 16, 32, 64) and all(key.databytecounts):
        dtype = np.dtype(series.dtype).newbyteorder(tif.byteorder)
        return InFile(path, dtype, series.shape, series.dataoffset)
    here = series.levels[level]
    too_large(path, here.keyframe.chunks, here.dtype)
    opened = zarr.open(series.aszarr(level=level, fillvalue=fill), mode="r")
    array: Any = opened if isinstance(opened, zarr.Array) else opened["0"]
    if array.shape != here.shape:
        raise ValueError(f"level {level} is {array.shape}, not {here.shape}")
    return Watched(array, as_long_as(tif.filehandle.fileno(), tif.filehandle.size), path.name)


def _fill(path: Path, tif: Any, series: Any, raw: RawImage, conversion: _Conversion | None) -> float | None:
    """The number that stands in tiles without bytes: white on a bright slide, where scanners leave out the glass.

    None for what the file says (GDAL's nodata), else 0.
    """
    page = series.keyframe
    colours = raw.rgb or (conversion is not None and conversion.new_axis)
    levels = [k for k in range(len(series.levels)) if _has_empty(series.levels[k])]
    if not colours or not levels or page.tags.get(_GDAL_NODATA) is not None or page.dtype.kind not in "ub":
        return None
    white = float(np.iinfo(page.dtype).max) if conversion is None else conversion.white
    if white is None:
        return None
    # The smallest level that holds anything tells whether the picture is bright.
    for k in reversed(range(len(series.levels))):
        seen = _present(_converted(_level(tif, path, series, k, None), series, conversion), series.levels[k])
        if seen is not None:
            return white if is_bright(seen) else None
    return white


def _has_empty(level: Any) -> bool:
    pages = level.pages if len(level.pages) <= _CHUNKS_LOOKED_AT else [level.pages[0], level.pages[-1]]
    return any(0 in page.databytecounts or 0 in page.dataoffsets for page in pages if page is not None)


def _present(array: ArrayLike, level: Any) -> np.ndarray | None:
    """Pixels (N, 3) in 0..1 of a few tiles of the first page that hold bytes; None where none does."""
    page = level.keyframe
    wide, high = (page.tilewidth or page.imagewidth), (page.tilelength or page.rowsperstrip)
    across = -(-page.imagewidth // wide)
    down = -(-page.imagelength // high)
    there = [k for k, n in enumerate(page.databytecounts[: across * down]) if n]
    if not there:
        return None
    axis = level.axes.find("S")
    rows, columns = level.axes.index("Y"), level.axes.index("X")
    parts = []
    for k in there[:: max(1, len(there) // _CHUNKS_LOOKED_AT)]:
        key = [slice(0, 1)] * len(array.shape)
        row, column = divmod(k, across)
        key[rows] = slice(row * high, min((row + 1) * high, page.imagelength))
        key[columns] = slice(column * wide, min((column + 1) * wide, page.imagewidth))
        key[axis] = slice(0, 3)
        block = np.moveaxis(np.asarray(array[tuple(key)]), axis, -1)
        parts.append(block.reshape(-1, block.shape[-1]))
    return np.concatenate(parts) / float(np.iinfo(array.dtype).max)
