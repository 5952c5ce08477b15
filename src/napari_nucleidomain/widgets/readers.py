"""What napari asks when a slide or an OME-Zarr is opened or dropped: layers as lazy pyramids, in µm.

Plain TIFF, PNG and JPEG stay with napari's own reader: two readers for one ending bring a dialog to choose.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

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

    from .entry import ImageEntry
    from .image_layers import make_layers, read_for_show

    found: list[LayerData] = []
    for one in [path] if isinstance(path, str) else path:
        image = open_image(Path(one))
        entry = ImageEntry(id=image.name, name=image.name, path=Path(one), image=image)
        found += [layer.as_layer_data_tuple() for layer in make_layers(entry, read_for_show(image))]
    return found
