"""TIFF in all its kinds: plain, OME, ImageJ, pyramids and slides. The pixels stay in the file until asked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.axes import READ_ERRORS, UNKNOWN, ArrayLike
from napari_nucleidomain.data.slide_bounds import KEY, bounds_in

from .base import RawImage, damaged, not_an_image, to_micrometres, truncated
from .ome import read_ome_xml
from .ome_parts import mended_ome_xml
from .tiff_chain import chain_is_whole

_NAMES = {"ome": "OME-TIFF", "imagej": "ImageJ TIFF", "svs": "Aperio SVS", "ndpi": "Hamamatsu NDPI", "scn": "Leica SCN"}
_PLAUSIBLE = (0.005, 50.0)  # µm: a resolution tag outside it is a screen's or a printer's, not a microscope's
_MEANT_FOR_SCREENS = 1270  # dots per inch: at most this is 20 µm, far from any microscope


def read_tiff(path: Path, series: int | None = None) -> RawImage:
    """Open a TIFF.

    Parameters
    ----------
    path : Path
        Any TIFF or BigTIFF.
    series : int, optional
        Which image of a file with several; the largest by default.

    Returns
    -------
    RawImage

    Raises
    ------
    NucleiError
        The file is truncated or damaged, holds no picture, or has no image of that number.
    """
    try:
        if path.suffix.lower() != ".ndpi" and not chain_is_whole(path):  # NDPI stretches the format's 32-bit offsets
            raise truncated(path)
        tif, notes = _opened(path)
    except NucleiError:
        raise
    except READ_ERRORS as error:
        raise damaged(path, error) from error
    try:
        raw = _read(path, tif, series)
        raw.notes[:0] = notes
        return raw
    except NucleiError:
        tif.close()
        raise
    except READ_ERRORS as error:
        tif.close()
        raise damaged(path, error) from error


def _opened(path: Path) -> tuple[Any, list[str]]:
    """The file, its OME description made to fit what is there; and what is missing or was renamed."""
    import tifffile

    tif = tifffile.TiffFile(path)
    text = tif.ome_metadata if tif.is_ome else None
    if not text:
        return tif, []
    mended, notes = mended_ome_xml(text, path, len(tif.pages))
    if mended == text:
        return tif, notes
    tif.close()
    return tifffile.TiffFile(path, is_ome=False) if mended is None else tifffile.TiffFile(path, omexml=mended), notes


def _read(path: Path, tif: Any, wanted: int | None) -> RawImage:
    found = [s for s in tif.series if s.shape and len(s.shape) >= 2]
    if not found:
        raise not_an_image(path, "the TIFF holds no picture") if len(tif.pages) else truncated(path)
    index = _choose(path, found, wanted)
    series = found[index]
    _check_complete(path, tif, series)
    axes, dropped = _axes(series)
    page = series.keyframe
    raw = RawImage(
        levels=[_level(tif, path, series, k) for k in range(len(series.levels))],
        axes=axes,
        format=_NAMES.get(series.kind, "TIFF pyramid" if len(series.levels) > 1 else "TIFF"),
        close=tif.close,
    )
    raw.notes += dropped
    if "S" in series.axes:
        raw.rgb = _name(page.photometric) in {"RGB", "YCBCR", "CIELAB"} or _name(page.compression).startswith("APERIO")
        raw.alpha = raw.rgb and page.samplesperpixel == 4
    elif _name(page.photometric) == "MINISWHITE":
        raw.notes.append("The file says that 0 is white; its numbers are used as they are.")
    if series.kind not in {"svs", "ndpi", "scn", "bif", "philips"} and len(found) > 1:
        raw.series_names = [s.name or f"image {k + 1}" for k, s in enumerate(found)]
        raw.metadata["series"] = index
    _describe(tif, series, list(tif.series).index(series), raw)
    return raw


def _name(value: Any) -> str:
    """Name of a tag's value; values that the standard does not know are bare numbers."""
    return str(getattr(value, "name", value))


def _choose(path: Path, found: list[Any], wanted: int | None) -> int:
    if wanted is not None:
        if wanted >= len(found):
            raise NucleiError(f"{path.name} holds {len(found)} image(s); there is no number {wanted}.", "Count from 0.")
        return wanted
    return max(range(len(found)), key=lambda k: (found[k].size, -k))


def _axes(series: Any) -> tuple[str, list[str]]:
    """Letters of a series; unknown letters become ``Q``."""
    known = {"S": "C", "C": "C", "T": "T", "Z": "Z", "Y": "Y", "X": "X"}
    axes = "".join(known.get(a, UNKNOWN) for a in series.axes)
    if axes.count("C") > 1:
        # Channels that are colours each (an ImageJ composite of RGB): only one of the two axes can be channels.
        at = series.axes.index("C")
        axes = axes[:at] + UNKNOWN + axes[at + 1 :]
    odd = [a for a in series.axes if a not in known and a not in "QIRE"]
    return axes, [f"An axis named {a} in the file has no known meaning." for a in odd]


def _check_complete(path: Path, tif: Any, series: Any) -> None:
    """Compare where the pixels should lie with the length of the file; looks at no pixel."""
    if series.is_multifile:
        return
    size = tif.filehandle.size
    if series.dataoffset is not None:
        if series.dataoffset + series.nbytes > size:
            raise truncated(path)
        return
    pages = [p for level in series.levels for p in (level.pages[0], level.pages[-1])]
    if len(series.pages) <= 256:
        pages += [p for level in series.levels for p in level.pages]
    for page in pages:
        if page is None:
            continue
        ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
        if not ends or max(ends) > size:
            raise truncated(path)


def _level(tif: Any, path: Path, series: Any, level: int) -> ArrayLike:
    """One level: mapped memory where the pixels lie raw in one piece, else decoded tile by tile through zarr."""
    import zarr

    if level == 0 and series.dataoffset is not None and not series.is_multifile and series.keyframe.bitspersample >= 8:
        dtype = np.dtype(series.dtype).newbyteorder(tif.byteorder)
        mapped: ArrayLike = np.memmap(path, dtype, mode="r", offset=series.dataoffset, shape=series.shape)
        return mapped
    opened = zarr.open(series.aszarr(level=level), mode="r")
    array: Any = opened if isinstance(opened, zarr.Array) else opened["0"]
    if array.shape != series.levels[level].shape:
        raise ValueError(f"level {level} is {array.shape}, not {series.levels[level].shape}")
    return array


def _describe(tif: Any, series: Any, number: int, raw: RawImage) -> None:
    """Fill in channel names, pixel size and magnification."""
    if series.kind == "ome" and tif.ome_metadata:
        found = read_ome_xml(tif.ome_metadata, number)
        raw.channel_names, raw.pixel_size = found.channel_names, found.pixel_size
    elif series.kind == "imagej":
        _describe_imagej(tif, series, raw)
    elif series.kind == "svs":
        _describe_svs(tif.pages[0].description, raw)
    elif series.kind == "philips":
        spacing = re.search(r'DICOM_PIXEL_SPACING[^>]*>\s*(?:"|&quot;)?([\d.eE+-]+)', tif.philips_metadata or "")
        if spacing:
            raw.pixel_size = {"Y": float(spacing[1]) * 1e3, "X": float(spacing[1]) * 1e3}
    elif series.kind == "shaped":
        _describe_shaped(tif, raw)
    description = series.keyframe.description or ""
    if "openslide.bounds" in description and (bounds := bounds_in(description)):
        raw.metadata[KEY] = bounds
    if not raw.pixel_size and not (series.kind == "imagej" or tif.is_imagej):
        raw.pixel_size = _resolution_tags(series.keyframe)


def _describe_imagej(tif: Any, series: Any, raw: RawImage) -> None:
    meta = tif.imagej_metadata or {}
    unit = meta.get("unit")
    for axis, tag in (("Y", "YResolution"), ("X", "XResolution")):
        found = series.keyframe.tags.get(tag)
        if found is not None and unit is not None and found.value[0]:
            size = to_micrometres(found.value[1] / found.value[0], str(unit))
            if size is not None:
                raw.pixel_size[axis] = size
    if raw.pixel_size and meta.get("spacing"):
        size = to_micrometres(abs(float(meta["spacing"])), str(unit))
        if size is not None:
            raw.pixel_size["Z"] = size
    labels = [str(x).splitlines()[0] if str(x).strip() else "" for x in np.atleast_1d(meta.get("Labels", []))]
    channels = int(meta.get("channels", 1))
    if channels > 1 and len(labels) >= channels and len(set(labels[:channels])) == channels:
        raw.channel_names = labels[:channels]


def _describe_svs(description: str, raw: RawImage) -> None:
    mpp = re.search(r"\bMPP\s*=\s*([\d.]+)", description)
    if mpp and float(mpp[1]) > 0:
        raw.pixel_size = {"Y": float(mpp[1]), "X": float(mpp[1])}
    magnification = re.search(r"\bAppMag\s*=\s*([\d.]+)", description)
    if magnification:
        raw.metadata["magnification"] = float(magnification[1])


def _describe_shaped(tif: Any, raw: RawImage) -> None:
    """What tifffile's own JSON description holds beyond the shape."""
    meta = (tif.shaped_metadata or [{}])[0]
    for axis in "ZYX":
        if f"PhysicalSize{axis}" in meta:
            size = to_micrometres(float(meta[f"PhysicalSize{axis}"]), meta.get(f"PhysicalSize{axis}Unit"))
            if size is not None:
                raw.pixel_size[axis] = size
    spacing = meta.get("spacing_zyx_um")
    if isinstance(spacing, (list, tuple)) and len(spacing) == 3:
        raw.pixel_size = {a: float(s) for a, s in zip("ZYX", spacing, strict=True) if float(s) > 0}


def _resolution_tags(page: Any) -> dict[str, float]:
    """Pixel size from the resolution tags, where they can be a microscope's."""
    unit = page.tags.get("ResolutionUnit")
    name = _name(unit.value) if unit is not None else "INCH"
    if name not in {"CENTIMETER", "INCH"}:
        return {}
    sizes = {}
    for axis, tag in (("Y", "YResolution"), ("X", "XResolution")):
        found = page.tags.get(tag)
        if found is None or not found.value[0] or not found.value[1]:
            return {}
        per_unit = found.value[0] / found.value[1]
        if name == "INCH" and per_unit <= _MEANT_FOR_SCREENS:
            return {}
        size = (1e4 if name == "CENTIMETER" else 25400.0) / per_unit
        if not _PLAUSIBLE[0] <= size <= _PLAUSIBLE[1]:
            return {}
        sizes[axis] = size
    return sizes
