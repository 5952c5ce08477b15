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


def save_labels(result: Snapshot, file: Path) -> Path:
    """Write outlines in the format that the file's name asks for; a box is put into its place in the image.

    Raises
    ------
    NucleiError
        The format cannot hold it, or the file cannot be written.
    """
    from napari_nucleidomain.data.labels_out import format_of, write_labels

    kind = format_of(file)
    if kind in ("geojson", "zarr"):
        measurements = measure_result(result) if kind == "geojson" and result.labels.ndim == 2 else None
        return write_labels(
            result.labels,
            file,
            kind,
            result.pixel_size_um,
            result.name,
            offset=result.origin,
            measurements=measurements,
        )
    if kind == "roi-zip":
        return _save_rois(result, file)
    return write_labels(whole(result), file, kind, result.pixel_size_um, result.name)


def _save_rois(result: Snapshot, file: Path) -> Path:
    """For Fiji; the result of one plane of a stack lies on its slice there."""
    from napari_nucleidomain.data.labels_rois import write_labels_rois

    image = result.image
    planes: dict[str, int] = {}
    if image is not None and image.plane_axes and result.plane is not None and len(result.labels.shape) == 2:
        at = np.unravel_index(result.plane, image.plane_shape)
        planes = {axis: int(place) for axis, place in zip(image.plane_axes, at, strict=True)}
    channels = image.file_channels if image is not None else 1
    return write_labels_rois(result.labels, file, offset=result.origin, channels=channels, planes=planes)


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
    """One row per nucleus: `instances.measure.measure` on the pixels the result lies on.

    Centroids are in pixels of the image, not of the box.
    """
    from napari_nucleidomain.instances.measure import measure

    if not isinstance(result.labels, np.ndarray) and len(result.labels.shape) == 2:
        return _in_place(result, _measure_slide(result))
    labels = np.asarray(result.labels)
    pixels, rgb, names = None, False, None
    if result.image is not None:
        pixels = _pixels(result, labels)
        rgb, names = result.image.rgb, list(result.image.channel_names)
    top = int(labels.max(initial=0))
    known = result.scores is not None and len(result.scores) >= top
    table = measure(
        labels,
        pixels,
        rgb=rgb and pixels is not None and pixels.shape[-1] == 3,
        channel_names=names if names and pixels is not None and len(names) == pixels.shape[-1] else None,
        pixel_size_um=result.pixel_size_um,
        scores=result.scores if known else None,
        uncertainty=result.uncertainty if known else None,
    )
    return _in_place(result, table)


def _in_place(result: Snapshot, table: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Centroids in the image instead of in the box."""
    axes = ("z", "y", "x")[-len(result.origin) :]
    for axis, start in zip(axes, result.origin, strict=True):
        table[f"centroid_{axis}_px"] = table[f"centroid_{axis}_px"] + start
        if f"centroid_{axis}_um" in table and result.pixel_size_um is not None:
            size = result.pixel_size_um[axes.index(axis)]
            table[f"centroid_{axis}_um"] = table[f"centroid_{axis}_um"] + start * size
    return table


def _measure_slide(result: Snapshot) -> dict[str, np.ndarray]:
    """The same table, piece by piece: neither labels nor image are held as a whole."""
    from napari_nucleidomain.instances.measure_large import measure_large

    image = result.image
    known = result.scores is not None
    options: dict[str, Any] = {
        "pixel_size_um": result.pixel_size_um,
        "scores": result.scores if known else None,
        "uncertainty": result.uncertainty if known else None,
    }
    if image is None:
        return measure_large(result.labels, **options)

    def read(box: tuple[slice, ...]) -> np.ndarray:
        here = [(piece.start + o, piece.stop + o) for piece, o in zip(box, result.origin, strict=True)]
        return image.read(here, plane=result.plane)

    names = list(image.channel_names)
    return measure_large(
        result.labels,
        read,
        rgb=image.rgb and image.n_channels == 3,
        channel_names=names if len(names) == image.n_channels else None,
        **options,
    )


def _pixels(result: Snapshot, labels: np.ndarray) -> np.ndarray:
    image = result.image
    assert image is not None
    box = [(o, o + n) for o, n in zip(result.origin, labels.shape, strict=True)]
    return image.read(box, plane=result.plane)
