"""`nucleidomain export`."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.geojson import is_geojson
from napari_nucleidomain.data.images import Image, open_image
from napari_nucleidomain.data.labels_geojson import read_labels_geojson
from napari_nucleidomain.data.labels_io import read_labels, read_labels_of, separated, voxel_size
from napari_nucleidomain.data.labels_large import is_large, open_labels, refuse_mask
from napari_nucleidomain.data.labels_out import format_of, write_labels
from napari_nucleidomain.data.measuring import measure_on
from napari_nucleidomain.data.slide_bounds import parse_origin
from napari_nucleidomain.data.tables import write_table
from napari_nucleidomain.runs.execute import ExitCode

from .ranges import check_sizes
from .say import one_line


def command(arguments: argparse.Namespace) -> int:
    """Read labels, write them as the ending of --out says."""
    kind = _kind_of(arguments.out)
    for what, path in (("the image", arguments.image), ("the labels", arguments.labels)):
        if path is not None and arguments.out.exists() and path.exists() and arguments.out.samefile(path):
            raise NucleiError(f"--out {arguments.out} would replace {what}.", "Give another name.")
    image = open_image(arguments.image) if arguments.image else None
    if image is not None and arguments.pixel_size is None:
        for doubt in image.size_doubts:
            print(f"{image.name}: {doubt}", file=sys.stderr)
    origin = parse_origin(arguments.qupath_origin, image) if arguments.qupath_origin is not None else None
    drawn = is_geojson(arguments.labels)
    if origin is not None and not drawn and kind != "geojson":
        raise NucleiError("--qupath-origin moves outlines of QuPath only.", "Give or write a file ending in .geojson.")
    if is_large(arguments.labels):
        with open_labels(arguments.labels) as labels:
            refuse_mask(arguments.labels, labels)
            _export(arguments, kind, labels, image, origin)
    elif drawn and origin is not None:
        shape = image.spatial_shape if image else None
        labels = read_labels_geojson(arguments.labels, shape, (-origin[0], -origin[1]), told=partial(_tell, arguments))
        _export(arguments, kind, labels, image, origin)
    else:
        # Outlines do not say how large their image is.
        found = separated(read_labels_of(arguments.labels, image) if image else read_labels(arguments.labels))
        for note in found.notes:
            _tell(arguments, note)
        _export(arguments, kind, found.labels, image, origin)
    print(arguments.out)
    return ExitCode.DONE


def _tell(arguments: argparse.Namespace, note: str) -> None:
    print(one_line(f"{arguments.labels.name}: {note}"), file=sys.stderr)


def _kind_of(out: Path) -> str:
    """What the file's name asks for: labels in a format, or measurements."""
    if out.suffix.lower() == ".csv":
        return "csv"
    try:
        return format_of(out)
    except NucleiError as error:
        hint = error.hint.replace("ends in ", "ends in .csv (measurements), ")
        raise NucleiError(error.message, hint) from error


def _export(
    arguments: argparse.Namespace, kind: str, labels: Any, image: Image | None, origin: tuple[int, int] | None
) -> None:
    """Labels in memory, or of a slide, in its file."""
    shape = tuple(labels.shape)
    planes = (*image.plane_shape, *image.spatial_shape) if image is not None else ()
    if image is not None and tuple(image.spatial_shape) != shape and (kind == "csv" or planes != shape):
        raise NucleiError(
            f"The labels are {_by(shape)} px, the image is {_by(image.spatial_shape)} px.",
            "Give the image these labels were made from.",
        )
    size = _pixel_size(arguments, image, len(shape))
    offset = None if origin is None or kind != "geojson" else (-origin[0], -origin[1])
    name = image.name if image else arguments.labels.stem
    if kind != "csv":
        channels = image.file_channels if image else 1
        # A stack that is no volume is a film.
        axis = "T" if image is not None and image.plane_axes[-1:] == "T" else "Z"
        flat = kind == "geojson" and len(shape) == 2 and image is not None
        write_labels(
            labels,
            arguments.out,
            format=kind,
            pixel_size_um=size,
            image_name=name,
            offset=offset,
            measurements=measure_on(labels, image, pixel_size_um=size) if flat else None,
            axis=axis,
            channels=channels,
        )
        return
    columns = measure_on(labels, image, pixel_size_um=size)
    write_table({"image": np.full(len(columns["id"]), name), **columns}, arguments.out)


def _pixel_size(arguments: argparse.Namespace, image: Image | None, ndim: int) -> tuple[float, ...] | None:
    if arguments.pixel_size is not None:
        sizes: tuple[float, ...] = check_sizes(arguments.pixel_size)
        if ndim == 3 and len(sizes) == 1:
            raise NucleiError("A voxel has a depth, too.", "Give --pixel-size Z,Y,X, for example 0.5,0.13,0.13.")
        return sizes[-ndim:] if len(sizes) > 1 else sizes * ndim
    if image is not None and image.pixel_size_um:
        return tuple(image.pixel_size_um)
    return voxel_size(arguments.labels) if ndim == 3 else None


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(str(side) for side in shape)
