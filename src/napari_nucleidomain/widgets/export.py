"""Writing a result to files: outlines, measurements, GeoJSON. For threads: no Qt, no layers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_nucleidomain.data.images import Image

SAVE_FILTERS = (
    "TIFF (*.tif);;OME-TIFF (*.ome.tif);;16-bit PNG (*.png);;OME-Zarr (*.ome.zarr);;GeoJSON for QuPath (*.geojson);;"
    "ROI zip for Fiji (*.zip)"
)


@dataclass(frozen=True)
class Snapshot:
    """A result as it is shown now, for a thread.

    Attributes
    ----------
    labels : array_like (*spatial) integers
    origin : tuple of int
        Where it begins in the image.
    pixel_size_um : tuple of float or None
        One per axis of `labels`.
    scores, uncertainty : ndarray or None
        Of id k at k - 1; None where the labels were changed by hand or come from elsewhere.
    area_px : float
        Pixels that were looked at; 0: all of `labels`.
    checked : str
        What a check by eye said of it, in words.
    threshold_shift : float
        How much fainter (below 0) or brighter the classical method was told to look.
    """

    name: str
    labels: Any
    origin: tuple[int, ...]
    pixel_size_um: tuple[float, ...] | None
    image: Image | None
    plane: int | None
    scores: np.ndarray | None
    uncertainty: np.ndarray | None
    model: str = ""
    model_folder: str = ""
    when: float = 0.0
    area_px: float = 0.0
    checked: str = ""
    threshold_shift: float = 0.0


def save_for_slide(result: Snapshot, file: Path) -> Path:
    """Write GeoJSON for the slide that the image was converted from, of which QuPath shows no empty margin.

    Raises
    ------
    NucleiError
        The image does not tell the slide's bounds, or the file cannot be written.
    """
    from napari_nucleidomain.data.labels_out import write_labels
    from napari_nucleidomain.data.slide_bounds import parse_origin

    away = parse_origin("slide", result.image)
    offset = [o - a for o, a in zip(result.origin[-2:], away, strict=True)]
    return write_labels(
        result.labels, file, "geojson", image_name=result.name, offset=offset, measurements=measure_result(result)
    )


def save_labels(result: Snapshot, file: Path) -> Path:
    """Write outlines in the format that the file's name asks for; a box is put into its place in the image.

    Raises
    ------
    NucleiError
        The format cannot hold it, or the file cannot be written.
    """
    from napari_nucleidomain.data.labels_out import format_of, write_labels

    kind = format_of(file)
    if kind == "geojson":
        from napari_nucleidomain.data.labels_geojson import write_labels_geojson

        table = measure_result(result) if len(result.labels.shape) == 2 else None
        return write_labels_geojson(result.labels, file, result.name, result.origin, table, _planes(result))
    if kind == "zarr":
        return write_labels(result.labels, file, kind, result.pixel_size_um, result.name, offset=result.origin)
    if kind == "roi-zip":
        return _save_rois(result, file)
    return write_labels(whole(result), file, kind, result.pixel_size_um, result.name)


def _save_rois(result: Snapshot, file: Path) -> Path:
    """For Fiji."""
    from napari_nucleidomain.data.labels_rois import write_labels_rois

    channels = result.image.file_channels if result.image is not None else 1
    return write_labels_rois(result.labels, file, offset=result.origin, channels=channels, planes=_planes(result))


def _planes(result: Snapshot) -> dict[str, int]:
    """The plane of a stack that a flat result lies on, so that it lies there in other programs, too."""
    image = result.image
    if image is None or result.plane is None or len(result.labels.shape) != 2:
        return {}
    if not image.plane_axes:
        return {"Z": int(result.plane)} if image.ndim == 3 else {}
    at = np.unravel_index(result.plane, image.plane_shape)
    return {axis: int(place) for axis, place in zip(image.plane_axes, at, strict=True)}


def whole(result: Snapshot) -> Any:
    """The labels in a picture of the image's size, so that they lie on it in any program."""
    if result.image is None or not any(result.origin):
        shape = _full_shape(result)
        if shape is None or shape == tuple(result.labels.shape):
            return result.labels
    shape = _full_shape(result)
    if shape is None:
        return result.labels
    if not isinstance(result.labels, np.ndarray):
        from napari_nucleidomain.data.labels_large import Placed

        return Placed(result.labels, result.origin, shape)
    full = np.zeros(shape, dtype=result.labels.dtype)
    place = tuple(slice(o, o + n) for o, n in zip(result.origin, result.labels.shape, strict=True))
    full[place] = result.labels
    return full


def _full_shape(result: Snapshot) -> tuple[int, ...] | None:
    if result.image is None:
        return None
    return tuple(result.image.spatial_shape)[-result.labels.ndim :]


def measure_result(result: Snapshot) -> dict[str, np.ndarray]:
    """One row per nucleus: `data.measuring.measure_on` the pixels the result lies on, in the image's coordinates."""
    from napari_nucleidomain.data.measuring import measure_on

    known = result.scores is not None
    if known and isinstance(result.labels, np.ndarray):
        known = len(result.scores) >= int(result.labels.max(initial=0))
    return measure_on(
        result.labels,
        result.image,
        origin=result.origin,
        plane=result.plane,
        pixel_size_um=result.pixel_size_um,
        scores=result.scores if known else None,
        uncertainty=result.uncertainty if known else None,
    )
