"""Outlines and clicks that exist already, as layers or files, attached to an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .session import Session

LABELS_READABLE = "Nuclei outlines (*.tif *.tiff *.png *.npy *.geojson *.json *.zip *.roi);;All files (*)"
# Formats that people look for by the name of the program that wrote them.
FILE_KINDS = {
    "Fiji ROI zip": "Fiji ROI zip (*.zip *.roi)",
    "QuPath GeoJSON": "QuPath GeoJSON (*.geojson *.json)",
    "cellpose _seg.npy": "cellpose (*_seg.npy)",
    "Black-and-white mask": "Black-and-white mask (*.png *.tif *.tiff *.bmp)",
}


def fitting_layers(session: Session, entry: ImageEntry) -> tuple[list[Any], list[Any]]:
    """Labels layers and Points layers of the viewer that could belong to an image and are not ours."""
    from napari.layers import Labels, Points

    shape = _shape(entry)
    labels, points = [], []
    for layer in session.viewer.layers:
        if session.entry_of(layer) is not None:
            continue
        if isinstance(layer, Labels) and not layer.multiscale and tuple(layer.data.shape) == shape:
            labels.append(layer)
        elif isinstance(layer, Points) and layer.ndim == len(shape) and len(layer.data):
            points.append(layer)
    return labels, points


def check_labels(path: Path, entry: ImageEntry) -> tuple[np.ndarray, str, bool]:
    """Read outlines and see that they fit the image (in a thread).

    Returns
    -------
    numpy.ndarray uint32
    str
        What the person should know: that a mask without ids was split into pieces.
    bool
        Whether it was such a mask.

    Raises
    ------
    NucleiError
        It is no label image, or one of another size.
    """
    from napari_nucleidomain.data.labels_io import mismatch, read_labels_of, separated

    assert entry.image is not None
    found = separated(read_labels_of(path, entry.image))
    wrong = mismatch(found.labels.shape, entry.image)
    if wrong:
        raise NucleiError(f"{path.name}: {wrong}", "Nothing was changed. Attach the outlines of this very image.")
    return found.labels, " ".join(found.notes), found.binary


def drawn_on_slide(path: Path, entry: ImageEntry) -> tuple[np.ndarray, str]:
    """Outlines drawn in QuPath on the slide that the image was converted from, moved to the image (in a thread).

    Returns
    -------
    numpy.ndarray uint32
    str
        What was left out.

    Raises
    ------
    NucleiError
        They do not fit, or the image does not tell the slide's bounds.
    """
    from napari_nucleidomain.data.labels_geojson import read_labels_geojson
    from napari_nucleidomain.data.slide_bounds import parse_origin

    assert entry.image is not None
    y, x = parse_origin("slide", entry.image)
    notes: list[str] = []
    return read_labels_geojson(path, entry.image.spatial_shape, (-y, -x), told=notes.append), " ".join(notes)


def save_labels(labels: np.ndarray, entry: ImageEntry, folder: Path) -> Path:
    """Keep outlines of a layer in the project (in a thread)."""
    from napari_nucleidomain.data.labels_out import write_labels

    labels = np.asarray(labels)
    if labels.dtype.kind not in "uib" or (labels.dtype.kind == "i" and labels.size and labels.min() < 0):
        raise NucleiError(
            "These outlines hold negative numbers or fractions.", "Use a layer with one number per nucleus."
        )
    size = entry.pixel_size_um
    path = folder / "labels" / f"{entry.id}.tif"
    write_labels(labels.astype(np.uint32), path, format="tif", pixel_size_um=size)
    return path


def clicks_from(layer: Any, entry: ImageEntry) -> np.ndarray:
    """A Points layer's clicks in the image's pixels, wherever the layer lies."""
    image = entry.layers.get("image")
    if image is None or not len(layer.data):
        return np.asarray(layer.data, dtype=np.float64)
    return np.array([image.world_to_data(layer.data_to_world(one)) for one in layer.data], dtype=np.float64)


def misplaced(points: np.ndarray, entry: ImageEntry) -> NucleiError | None:
    """What is wrong with clicks that plainly belong to another image; None where they may belong to this one."""
    from napari_nucleidomain.data.points import check_points

    shape = _shape(entry)
    wrong = [one for one in check_points(points, shape) if one.severity == "error"] if shape else []
    return NucleiError(wrong[0].message, "Nothing was changed. Choose the clicks of this image.") if wrong else None


def _shape(entry: ImageEntry) -> tuple[int, ...]:
    if entry.image is None:
        return ()
    return tuple(n for axis, n in zip(entry.image.axes, entry.image.shape, strict=True) if axis != "C")
