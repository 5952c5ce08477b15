"""Label images out: TIFF, OME-TIFF, 16-bit PNG, OME-Zarr, GeoJSON for QuPath and ImageJ regions for Fiji."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import write_atomic
from napari_nucleidomain.contracts.shown import shown

from .axes import ArrayLike

Format = Literal["tif", "ome-tif", "png", "zarr", "geojson", "roi-zip"]
FORMATS: dict[str, str] = {
    "tif": ".tif",
    "ome-tif": ".ome.tif",
    "png": ".png",
    "zarr": ".ome.zarr",
    "geojson": ".geojson",
    "roi-zip": ".zip",
}
PNG_MOST = 65535
_TILE = 512
_TILED_FROM = 4096


def format_of(path: Path) -> Format:
    """The format that a file's name asks for.

    Raises
    ------
    NucleiError
        None has such a suffix.
    """
    name = path.name.lower()
    endings: list[tuple[str, Format]] = [
        (".ome.tif", "ome-tif"),
        (".ome.tiff", "ome-tif"),
        (".tif", "tif"),
        (".tiff", "tif"),
        (".png", "png"),
        (".zarr", "zarr"),
        (".geojson", "geojson"),
        (".json", "geojson"),
        (".zip", "roi-zip"),
    ]
    for ending, kind in endings:
        if name.endswith(ending):
            return kind
    raise NucleiError(
        f"Outlines cannot be saved as {path.name}.",
        "Use a name that ends in .tif, .ome.tif, .png, .ome.zarr, .geojson or .zip (Fiji).",
    )


def write_labels(
    labels: ArrayLike,
    path: Path | str,
    format: str | None = None,  # noqa: A002 - the word of the command line
    pixel_size_um: Sequence[float] | None = None,
    image_name: str = "",
    offset: Sequence[float] | None = None,
    measurements: Mapping[str, Any] | None = None,
    axis: str = "Z",
    channels: int = 1,
) -> Path:
    """Write a label image.

    Parameters
    ----------
    labels : ArrayLike (Y, X) or (Z, Y, X), integer
        0 is background. A zarr array is written piece by piece and never held whole.
    path : Path or str
        The file to make or replace (a folder for zarr).
    format : {"tif", "ome-tif", "png", "zarr", "geojson", "roi-zip"}, optional
        By default what the name's ending says.
    pixel_size_um : sequence of float, optional
        Per axis of `labels`.
    image_name : str
        Name of the image, written where the format has a place for it.
    offset : sequence of float, optional
        Place of the first pixel in the image, per axis of `labels`: written into zarr and added in GeoJSON
        (use it, too, for slides whose coordinates in QuPath do not start at the first pixel) and in ImageJ regions.
        TIFF and PNG have no place for it.
    measurements : mapping of str to array, optional
        Only GeoJSON: columns of a table per nucleus, with the ids in a column ``id`` or ``label``.
    axis, channels : str, int
        Only ImageJ regions: what the first of three axes is, ``"Z"`` or ``"T"``, and how many channels the image has;
        see `labels_rois.write_labels_rois`.

    Returns
    -------
    Path

    Raises
    ------
    NucleiError
        The array is no label image, the format cannot hold it (PNG: volumes, ids above 65,535; GeoJSON:
        volumes), or the file cannot be written.
    """
    path = Path(path)
    kind = format or format_of(path)
    if kind not in FORMATS:
        raise NucleiError(f"There is no format {kind!r} for outlines.", f"Use one of {', '.join(FORMATS)}.")
    shape = tuple(int(n) for n in labels.shape)
    if len(shape) not in (2, 3):
        raise NucleiError(f"Outlines have 2 or 3 axes, not {len(shape)}.", "Save each moment of a film for itself.")
    if np.dtype(labels.dtype).kind not in "uib":
        raise NucleiError(f"{np.dtype(labels.dtype)} is no number type of outlines.", "Use whole numbers.")
    largest = _largest(labels)
    # XML knows no control characters, and whoever reads the file shows the name.
    image_name = shown(image_name)
    if pixel_size_um is not None and len(pixel_size_um) != len(shape):
        raise ValueError(f"{len(pixel_size_um)} pixel sizes for {len(shape)} axes")
    if kind == "png":
        return _write_png(labels, path, shape, largest)
    if kind == "zarr":
        return _write_zarr(labels, path, shape, pixel_size_um, image_name, offset)
    if kind == "geojson":
        from .labels_geojson import write_labels_geojson

        return write_labels_geojson(labels, path, image_name, offset, measurements)
    if kind == "roi-zip":
        from .labels_rois import write_labels_rois

        return write_labels_rois(labels, path, offset, axis, channels)
    return _write_tiff(labels, path, shape, largest, pixel_size_um, image_name, ome=kind == "ome-tif")


def _largest(labels: ArrayLike) -> int:
    """The largest id; refuses negative ones and those beyond 32 bits."""
    largest = 0
    for box in boxes(labels.shape, 2048):
        block = np.asarray(labels[box])
        if block.size:
            if block.dtype.kind == "i" and block.min() < 0:
                raise NucleiError("Outlines cannot hold negative numbers.", "Use 0 for background.")
            largest = max(largest, int(block.max()))
    if largest > np.iinfo(np.uint32).max:
        raise NucleiError(f"The number {largest} of a nucleus is too large.", "Renumber the nuclei from 1.")
    return largest


def boxes(shape: Sequence[int], side: int) -> Iterator[tuple[slice, ...]]:
    """Boxes of `side` rows and columns that tile an array, plane by plane, in reading order."""
    spans = [[slice(k, min(k + side, n)) for k in range(0, n, side)] for n in shape[-2:]]
    planes = [[slice(k, k + 1) for k in range(n)] for n in shape[:-2]]
    return itertools.product(*planes, *spans)


def _write_png(labels: ArrayLike, path: Path, shape: tuple[int, ...], largest: int) -> Path:
    import imagecodecs

    if len(shape) != 2:
        raise NucleiError("A PNG cannot hold a volume.", "Save it as TIFF (tif) or OME-Zarr (zarr).")
    if largest > PNG_MOST:
        raise NucleiError(
            f"A PNG holds at most 65,535 nuclei, and the last one here has number {largest:,}.",
            "Save it as TIFF (tif), OME-TIFF (ome-tif) or OME-Zarr (zarr), which hold four thousand million.",
        )
    return write_atomic(path, bytes(imagecodecs.png_encode(np.ascontiguousarray(labels[:]).astype(np.uint16))))


def _write_zarr(
    labels: ArrayLike,
    path: Path,
    shape: tuple[int, ...],
    pixel_size_um: Sequence[float] | None,
    name: str,
    offset: Sequence[float] | None,
) -> Path:
    from .folders import write_folder_atomic
    from .labels_zarr import LabelsZarrWriter

    def write(aside: Path) -> None:
        out = LabelsZarrWriter(aside, shape, pixel_size_um, name, offset)
        for box in boxes(shape, 2048):
            out.write(box, np.asarray(labels[box]))
        out.finish()

    return write_folder_atomic(path, write)


def _write_tiff(
    labels: ArrayLike,
    path: Path,
    shape: tuple[int, ...],
    largest: int,
    pixel_size_um: Sequence[float] | None,
    name: str,
    ome: bool,
) -> Path:
    import tifffile

    dtype = np.dtype(np.uint16 if largest <= PNG_MOST else np.uint32)
    axes = "ZYX"[-len(shape) :]
    metadata: dict[str, Any] = {"axes": axes}
    options: dict[str, Any] = {"compression": "zlib", "photometric": "minisblack", "dtype": dtype}
    if name:
        metadata["Name"] = name
    if pixel_size_um is not None:
        for axis, size in zip(axes, pixel_size_um, strict=True):
            metadata[f"PhysicalSize{axis}"] = float(size)
            metadata[f"PhysicalSize{axis}Unit"] = "µm" if ome else "um"
        options["resolution"] = (1e4 / pixel_size_um[-1], 1e4 / pixel_size_um[-2])
        options["resolutionunit"] = "CENTIMETER"
    tiled = max(shape[-2:]) >= _TILED_FROM
    if tiled:
        options |= {"tile": (_TILE, _TILE), "shape": shape}

    def write(aside: Path) -> None:
        pixels = _tiles(labels, shape, dtype) if tiled else np.ascontiguousarray(labels[:]).astype(dtype)
        with tifffile.TiffWriter(aside, ome=ome, bigtiff=int(np.prod(shape)) * dtype.itemsize > 3 << 30) as out:
            out.write(pixels, metadata=metadata, **options)

    return write_atomic(path, write)


def _tiles(labels: ArrayLike, shape: tuple[int, ...], dtype: np.dtype) -> Iterator[np.ndarray]:
    """Tiles in the order TIFF wants them, padded at the edges; one is read at a time."""
    for box in boxes(shape, _TILE):
        rows, columns = (piece.stop - piece.start for piece in box[-2:])
        padded = np.zeros((_TILE, _TILE), dtype)
        padded[:rows, :columns] = np.asarray(labels[box]).reshape(rows, columns)
        yield padded
