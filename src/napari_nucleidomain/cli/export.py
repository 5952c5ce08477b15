"""`nucleidomain export`."""

from __future__ import annotations

import argparse

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.images import Image, open_image
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.data.labels_out import format_of, write_labels
from napari_nucleidomain.data.tables import write_table
from napari_nucleidomain.instances.measure import measure
from napari_nucleidomain.runs.execute import ExitCode


def command(arguments: argparse.Namespace) -> int:
    """Read labels, write them as the ending of --out says."""
    kind = "csv" if arguments.out.suffix.lower() == ".csv" else format_of(arguments.out)
    image = open_image(arguments.image) if arguments.image else None
    # Outlines do not say how large their image is.
    found = read_labels(arguments.labels, image.spatial_shape if image else None)
    if image is not None and tuple(image.spatial_shape) != tuple(found.labels.shape):
        raise NucleiError(
            f"The labels are {_by(found.labels.shape)} px, the image is {_by(image.spatial_shape)} px.",
            "Give the image these labels were made from.",
        )
    size = _pixel_size(arguments, image, found.labels.ndim)
    name = image.name if image else arguments.labels.stem
    if kind == "csv":
        pixels = image.read() if image else None
        columns = measure(found.labels, pixels, pixel_size_um=size, rgb=bool(image and image.rgb))
        write_table(columns, arguments.out)
    else:
        write_labels(found.labels, arguments.out, format=kind, pixel_size_um=size, image_name=name)
    print(arguments.out)
    return ExitCode.DONE


def _pixel_size(arguments: argparse.Namespace, image: Image | None, ndim: int) -> tuple[float, ...] | None:
    if arguments.pixel_size is not None:
        if not arguments.pixel_size > 0:
            raise NucleiError("The pixel size must be more than 0.", "Give it in µm.")
        return (arguments.pixel_size,) * ndim
    return tuple(image.pixel_size_um) if image is not None and image.pixel_size_um else None


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(str(side) for side in shape)
