"""What napari asks when layers are saved as GeoJSON, ROI zip or OME-TIFF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError

_UM = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "meter": 1e6}


def write_labels_layer(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save a Labels layer; the ending decides the format.

    Raises
    ------
    NucleiError
        The disk refuses, or the format cannot hold the labels.
    """
    from napari_nucleidomain.data.labels_out import write_labels

    target = Path(path)
    kind = {".geojson": "geojson", ".zip": "roi-zip"}.get(target.suffix.lower(), "ome-tif")
    labels = data[0] if meta.get("multiscale") else data
    write_labels(labels, target, format=kind, pixel_size_um=_pixel_size(meta), image_name=str(meta.get("name", "")))
    return [str(target)]


def write_points_layer(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save a Points layer as GeoJSON points or, by the ending ``.zip``, as a ROI zip for Fiji.

    Raises
    ------
    NucleiError
        The points are those of a volume (GeoJSON), or the disk refuses.
    """
    from napari_nucleidomain.data.points import write_points

    return [str(write_points(np.asarray(data, dtype=np.float64), Path(path)))]


def write_shapes_layer(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save a Shapes layer as GeoJSON polygons.

    Raises
    ------
    NucleiError
        There is no closed shape in it, or the disk refuses.
    """
    from napari.layers import Shapes

    from napari_nucleidomain.data.regions import write_regions

    from .points_shapes import corners_of
    from .storage import as_regions

    corners = corners_of(Shapes(data, shape_type=meta.get("shape_type", "polygon")))
    if not corners:
        raise NucleiError("This layer holds no closed shape.", "Draw a rectangle or a polygon first.")
    return [str(write_regions(as_regions(corners), Path(path)))]


def _pixel_size(meta: dict[str, Any]) -> tuple[float, ...] | None:
    """Micrometres per pixel, where the layer says so; a layer in pixels has none."""
    scale, units = meta.get("scale"), meta.get("units")
    if scale is None or units is None:
        return None
    factors = [_UM.get(str(one)) for one in units]
    if any(one is None for one in factors):
        return None
    return tuple(float(size) * float(factor) for size, factor in zip(scale, factors, strict=True) if factor is not None)
