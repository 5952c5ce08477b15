"""What napari asks when a slide or an OME-Zarr is opened or dropped: layers as lazy pyramids, in µm.

Plain TIFF, PNG and JPEG stay with napari's own reader: two readers for one ending bring a dialog to choose.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_nucleidomain.data.images import Image

LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """A reader for these paths, or None where they are not ours."""
    from napari_nucleidomain.data.readers import is_zarr, looks_like_image

    paths = [path] if isinstance(path, str) else list(path)
    files = [Path(one) for one in paths]
    if not files or not all(looks_like_image(one) or (one.is_dir() and is_zarr(one)) for one in files):
        return None
    return read


def read(path: str | list[str]) -> list[LayerData]:
    """Open slides or OME-Zarr images as napari layers.

    Raises
    ------
    NucleiError
        A file is damaged or no image; napari shows the message.
    """
    from napari_nucleidomain.data.images import open_image
    from napari_nucleidomain.data.readers import labels_in

    from .entry import ImageEntry
    from .image_layers import make_layers, read_for_show

    found: list[LayerData] = []
    for one in [path] if isinstance(path, str) else path:
        image = open_image(Path(one))
        if image.metadata.get("labels"):
            found.append(_labels(image, image.name))
            continue
        entry = ImageEntry(id=image.name, name=image.name, path=Path(one), image=image)
        found += [layer.as_layer_data_tuple() for layer in make_layers(entry, read_for_show(image))]
        found += [_labels(open_image(inner), f"{image.name} · {inner.name}") for inner in labels_in(Path(one))]
    return found


def _labels(image: Image, name: str) -> LayerData:
    """A layer of labels; where the file does not say so they would be shown as a picture of dim greys."""
    from .image_layers import read_for_show
    from .layers import image_geometry

    data = [level.astype("int32") if level.dtype.kind == "f" else level for level in read_for_show(image).data]
    return (data if len(data) > 1 else data[0], {"name": name, **image_geometry(image)}, "labels")
