"""What a TIFF says of its image beside the pixels: channel names, pixel size, magnification."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np

from napari_nucleidomain.data.pixel_size import from_aperio, from_densities, number
from napari_nucleidomain.data.slide_bounds import KEY, bounds_in

from .base import RawImage, to_micrometres
from .ome import read_ome_xml

_UNITS = {2: 25400.0, 3: 1e4, 4: 1e3, 5: 1.0}  # ResolutionUnit; the last two are tifffile's


def describe(tif: Any, series: Any, number_of: int, raw: RawImage) -> None:
    """Fill in channel names, pixel size and magnification.

    Parameters
    ----------
    tif : OpenedTiff
    series : TiffPageSeries
        The image that is read.
    number_of : int
        Which of the file's it is.
    raw : RawImage
        Is changed.
    """
    if series.kind == "ome" and tif.ome_metadata:
        found = read_ome_xml(tif.ome_metadata, _ome_number(tif, series, number_of))
        raw.channel_names, raw.pixel_size = found.channel_names, found.pixel_size
    elif series.kind == "imagej":
        _imagej(tif, series, raw)
    elif tif.description.startswith("Aperio"):
        _aperio(tif.description, raw)
    elif series.kind in _BY_KIND:
        raw.pixel_size = {axis: size for axis, size in _BY_KIND[series.kind](tif).items() if size is not None}
    elif series.kind == "shaped":
        _shaped(tif, raw)
    elif tif.is_metaseries:
        raw.pixel_size = {axis: size for axis, size in _metaseries(tif).items() if size is not None}
    description = series.keyframe.description or ""
    if "openslide.bounds" in description and (bounds := bounds_in(description)):
        raw.metadata[KEY] = bounds
    if not raw.pixel_size and not (series.kind == "imagej" or tif.is_imagej):
        raw.pixel_size = _resolution_tags(series.keyframe)


def _ome_number(tif: Any, series: Any, number_of: int) -> int:
    """Which `Image` of the OME-XML a series is: images without pixels in any file make no series."""
    root = ElementTree.fromstring(tif.ome_metadata)
    names = [e.get("Name") for e in root if e.tag.rsplit("}", 1)[-1] == "Image"]
    alike = [k for k, name in enumerate(names) if name == series.name]
    return alike[0] if len(names) != len(tif.series) and len(alike) == 1 else number_of


def _length(value: Any, unit: str | None, factor: float = 1.0) -> float | None:
    size = number(value)
    return None if size is None else to_micrometres(size * factor, unit)


def _imagej(tif: Any, series: Any, raw: RawImage) -> None:
    meta = tif.imagej_metadata or {}
    unit = meta.get("unit")
    for axis, tag, own in (("Y", "YResolution", "yunit"), ("X", "XResolution", "xunit")):
        found = series.keyframe.tags.get(tag)
        if found is not None and unit is not None and _ratio(found.value):
            size = to_micrometres(1.0 / _ratio(found.value), str(meta.get(own, unit)))
            if size is not None:
                raw.pixel_size[axis] = size
    if raw.pixel_size and meta.get("spacing"):
        spacing = number(meta["spacing"])
        size = None if spacing is None else to_micrometres(abs(spacing), str(meta.get("zunit", unit)))
        if size is not None:
            raw.pixel_size["Z"] = size
    labels = [str(x).splitlines()[0] if str(x).strip() else "" for x in np.atleast_1d(meta.get("Labels", []))]
    channels = int(meta.get("channels", 1))
    if channels > 1 and len(labels) >= channels and len(set(labels[:channels])) == channels:
        raw.channel_names = labels[:channels]


def _ratio(value: Any) -> float:
    """A resolution tag's pixels per unit; 0 where it has none."""
    try:
        above, below = (float(v) for v in value)
        return above / below if below else 0.0
    except (TypeError, ValueError):
        size = number(value)
        return size if size is not None else 0.0


def _aperio(description: str, raw: RawImage) -> None:
    size, magnification = from_aperio(description)
    if size is not None:
        raw.pixel_size = {"Y": size, "X": size}
    if magnification is not None:
        raw.metadata["magnification"] = magnification


def _philips(tif: Any) -> dict[str, float | None]:
    spacing = re.search(r"DICOM_PIXEL_SPACING[^>]*>([^<]*)", tif.philips_metadata or "")
    if spacing is None:
        return {}
    sides = [number(part) for part in spacing[1].replace("&quot;", " ").replace('"', " ").split()]
    sides = sides * 2 if len(sides) == 1 else sides
    return {axis: side * 1e3 for axis, side in zip("YX", sides, strict=False) if side is not None}


def _lsm(tif: Any) -> dict[str, float | None]:
    meta = tif.lsm_metadata or {}
    # 0 where the axis has one place only.
    return {axis: _length(meta.get(f"VoxelSize{axis}") or None, "m") for axis in "ZYX"}


def _stk(tif: Any) -> dict[str, float | None]:
    meta = tif.stk_metadata or {}
    unit = str(meta.get("CalibrationUnits", ""))
    sizes = {axis: _length(meta.get(f"{axis}Calibration"), unit) for axis in "YX"}
    apart = [number(v) for v in np.atleast_1d(meta.get("ZDistance", [])).ravel()]
    between = {round(step, 6) for step in apart if step}
    if len(between) == 1:
        sizes["Z"] = to_micrometres(between.pop(), unit)
    return sizes if meta.get("SpatialCalibration", 1) else {}


def _micromanager(tif: Any) -> dict[str, float | None]:
    summary = (tif.micromanager_metadata or {}).get("Summary", {})
    side = number(summary.get("PixelSize_um")) or None
    return {"Y": side, "X": side, "Z": number(summary.get("z-step_um")) or None}


def _metaseries(tif: Any) -> dict[str, float | None]:
    plane = (tif.metaseries_metadata or {}).get("PlaneInfo", {})
    if str(plane.get("spatial-calibration-state", "on")).lower() in ("off", "false", "0"):
        return {}
    unit = str(plane.get("spatial-calibration-units", ""))
    return {axis: _length(plane.get(f"spatial-calibration-{axis.lower()}"), unit) for axis in "YX"}


def _fluoview(tif: Any) -> dict[str, float | None]:
    rows = (tif.fluoview_metadata or {}).get("Dimensions", [])
    found = {str(row[0]).strip().upper(): (row[3], str(row[4])) for row in rows}
    return {axis: _length(*found[axis]) for axis in "ZYX" if axis in found and found[axis][0]}


def _scn(tif: Any) -> dict[str, float | None]:
    """Leica: nanometres across the whole of the main image."""
    text = tif.scn_metadata or ""
    wide = max((int(w) for w in re.findall(r'<dimension[^>]*sizeX="(\d+)"', text)), default=0)
    across = max((int(w) for w in re.findall(r'<view[^>]*sizeX="(\d+)"', text)), default=0)
    mains = re.findall(r"<image\b.*?</image>", text, re.DOTALL)
    for main in mains if len(mains) > 1 else ():
        dims = [int(w) for w in re.findall(r'<dimension[^>]*sizeX="(\d+)"', main)]
        view = re.search(r'<view[^>]*sizeX="(\d+)"', main)
        if dims and view and max(dims) == wide:
            across = int(view[1])
    side = across / wide * 1e-3 if wide and across else None
    return {"Y": side, "X": side}


def _bif(tif: Any) -> dict[str, float | None]:
    for page in tif.pages:
        tag = page.aspage().tags.get(700)
        found = re.search(rb'ScanRes="([^"]*)"', bytes(tag.value)) if tag is not None else None
        if found:
            side = number(found[1])
            return {"Y": side, "X": side}
    return {}


_BY_KIND = {
    "philips": _philips,
    "lsm": _lsm,
    "stk": _stk,
    "mmstack": _micromanager,
    "fluoview": _fluoview,
    "scn": _scn,
    "bif": _bif,
}


def _shaped(tif: Any, raw: RawImage) -> None:
    """What tifffile's own JSON description holds beyond the shape."""
    meta = (tif.shaped_metadata or [{}])[0]
    for axis in "ZYX":
        if f"PhysicalSize{axis}" in meta:
            size = _length(meta[f"PhysicalSize{axis}"], meta.get(f"PhysicalSize{axis}Unit"))
            if size is not None:
                raw.pixel_size[axis] = size
    spacing = meta.get("spacing_zyx_um")
    if isinstance(spacing, (list, tuple)) and len(spacing) == 3:
        sizes = {axis: number(side) for axis, side in zip("ZYX", spacing, strict=True)}
        raw.pixel_size = {axis: side for axis, side in sizes.items() if side}


def _resolution_tags(page: Any) -> dict[str, float]:
    """Pixel size from the resolution tags, where they can be a microscope's."""
    unit = page.tags.get("ResolutionUnit")
    # Inches where nothing is said (TIFF 6.0).
    unit_um = _UNITS.get(int(unit.value)) if unit is not None and isinstance(unit.value, int) else None
    if unit is None:
        unit_um = _UNITS[2]
    x, y = (
        _ratio(found.value) if found is not None else 0.0
        for found in (page.tags.get("XResolution"), page.tags.get("YResolution"))
    )
    return from_densities(x, y, unit_um) if unit_um and x and y else {}
