"""Image layers that are open already become images of the session; the layers stay the user's own."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .image_layers import thumbnail
from .samples import PATH_KEY
from .session import plain

if TYPE_CHECKING:
    from napari_nucleidomain.data.images import Image

    from .entry import ImageEntry
    from .session import Session

_UM = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "meter": 1e6}


def free_layers(session: Session) -> list[Any]:
    """Image layers in the viewer that are not in the list yet."""
    from napari.layers import Image as ImageLayer

    return [one for one in session.viewer.layers if type(one) is ImageLayer and session.entry_of(one) is None]


def borrow(session: Session, layer: Any) -> ImageEntry:
    """List an open image layer. Call `settle` afterwards, in a thread, to find or make its file."""
    layer = plain(layer)
    entry = session.add_entry(layer.name, borrowed=True, reading=True)
    entry.layers["image"] = layer
    return entry


def borrow_channels(session: Session, layers: Sequence[Any]) -> ImageEntry:
    """List several grey layers of one size as the channels of one image. Call `settle` afterwards, in a thread.

    Raises
    ------
    NucleiError
        They differ in size or place, or one is in colour.
    """
    layers = [plain(one) for one in layers]
    first = layers[0]
    for one in layers:
        if one.rgb or tuple(one.data.shape) != tuple(first.data.shape) or one.multiscale:
            raise NucleiError(
                f"{one.name} and {first.name} are not channels of one image: they differ in size, or one is in colour.",
                "Use them one by one, or select layers of the same size.",
            )
    entry = session.add_entry(_common_name([one.name for one in layers]), borrowed=True, reading=True)
    for number, one in enumerate(layers):
        entry.layers["image" if number == 0 else f"image:{number}"] = one
    return entry


def _common_name(names: list[str]) -> str:
    """What the names share at their beginning ("cells - DAPI", "cells - GFP": "cells"), else the first."""
    columns = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return "".join(letters[0] for letters in columns).strip(" -_.·:") or names[0]


def settle(entry: ImageEntry, folder: Path) -> tuple[Path, Image]:
    """Find the file behind a borrowed layer, or copy its pixels into the project (in a thread).

    The file is used only if its pixels are those of the layer: an image that was cropped, projected or computed in
    the viewer is copied.

    Parameters
    ----------
    entry : ImageEntry
        From `borrow`.
    folder : Path
        The project's data folder.

    Returns
    -------
    Path
        The file.
    Image
        Opened, looked at, with the entry's thumbnail made.

    Raises
    ------
    NucleiError
        The copy cannot be written, or the layer holds something that is no image.
    """
    path, image = _file_of(entry, folder)
    entry.thumbnail = thumbnail(image)
    # Guesses and questions read pixels: done here, so that the dock never waits for them.
    _ = (image.kind, image.nuclei_channel, image.questions, image.warnings)
    return path, image


def _file_of(entry: ImageEntry, folder: Path) -> tuple[Path, Image]:
    from napari_nucleidomain.data.images import open_image

    layer = entry.layers["image"]
    layers = [one for role, one in entry.layers.items() if role.split(":")[0] == "image"]
    if len(layers) > 1:
        path = folder / "images" / f"{entry.id}.ome.tif"
        _copy(layers, path)
        return path, open_image(path, name=entry.name)
    source = getattr(layer.source, "path", None) or layer.metadata.get(PATH_KEY)
    if source and Path(source).exists():
        try:
            image = open_image(Path(source), name=entry.name)
        except NucleiError:
            # napari read it with another reader; then the pixels themselves are what counts.
            image = None
        if image is not None and _same_pixels(image, layer):
            return Path(source), image
        if image is not None:
            image.close()
    path = folder / "images" / f"{entry.id}.ome.tif"
    _copy([layer], path)
    return path, open_image(path, name=entry.name)


def layer_pixel_size(layer: Any) -> tuple[float, ...] | None:
    """Micrometres per pixel of each axis, where the layer's units are lengths; None where they are pixels."""
    sizes = []
    for scale, unit in zip(layer.scale, layer.units, strict=True):
        factor = _UM.get(str(unit))
        if factor is None:
            return None
        sizes.append(float(scale) * factor)
    return tuple(sizes)


def _same_pixels(image: Image, layer: Any) -> bool:
    data = layer.data[0] if layer.multiscale else layer.data
    shape = tuple(int(n) for n in data.shape)
    if shape != tuple(image.shape):
        return False
    # A crop of the same size would be another place of the file, so look at some pixels too.
    middle = tuple(slice(n // 2, n // 2 + min(n, 16)) if n > 4 else slice(None) for n in shape)
    return bool(np.array_equal(np.asarray(data[middle]), np.asarray(image.levels[0][middle])))


def _copy(layers: list[Any], path: Path) -> None:
    """Write one layer, or several as channels, as OME-TIFF with axes, pixel size and channel names."""
    import tifffile

    from napari_nucleidomain.contracts.files import write_atomic

    layer = layers[0]
    arrays = [_pixels(one) for one in layers]
    spatial = arrays[0].ndim - (1 if layer.rgb else 0)
    if not 2 <= spatial <= 4:
        raise NucleiError(
            f"The layer {layer.name} has {spatial} axes; an image has two to four.", "Choose another layer."
        )
    labels = [str(one).upper() for one in layer.axis_labels]
    known = len(set(labels)) == spatial and set(labels) <= set("TZCYX") and labels[-2:] == ["Y", "X"]
    axes = ("".join(labels) if known else "TZYX"[-spatial:]) + ("S" if layer.rgb else "")
    facts: dict[str, Any] = {"axes": axes}
    sizes = layer_pixel_size(layer)
    if sizes:
        for axis, size in zip(axes.rstrip("S"), sizes, strict=True):
            if axis in "XYZ":
                facts |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    data = arrays[0]
    if len(arrays) > 1:
        # Channels of one image share a number type; the widest holds all of them.
        data = np.stack([one.astype(np.result_type(*arrays), copy=False) for one in arrays])
        facts |= {"axes": f"C{axes}", "Channel": {"Name": [one.name for one in layers]}}
    photometric = "rgb" if layer.rgb else "minisblack"
    write_atomic(
        path,
        lambda aside: tifffile.imwrite(
            aside, data, ome=True, photometric=photometric, metadata=facts, compression="zlib", tile=(256, 256)
        ),
    )


def _pixels(layer: Any) -> np.ndarray:
    """A layer's numbers in a type that TIFF and the readers know."""
    data = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    if data.dtype.kind not in "buif":
        raise NucleiError(
            f"The layer {layer.name} holds {data.dtype}, which is no picture.", "Convert it to 8 or 16 bit."
        )
    if data.dtype == bool:
        return data.astype(np.uint8) * 255
    return data.astype(np.float32) if data.dtype in (np.float64, np.float16) else data
