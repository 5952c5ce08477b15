"""From an opened image file to napari image layers: pyramids stay lazy, small pictures are read once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .entry import shown_axes
from .layers import image_geometry

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

    from napari_nucleidomain.data.images import Image

    from .entry import ImageEntry

# A picture of up to this many numbers is read whole: the viewer then never waits for the disk.
_WHOLE = 150_000_000
_CHUNK = 1024
_COLOURS = ("green", "magenta", "cyan", "yellow", "red", "bop orange")
_THUMBNAIL = 48


@dataclass
class Shown:
    """What the layers of an image are made of; gathered in a thread, because reading takes time."""

    data: list[Any] = field(default_factory=list)
    limits: list[tuple[float, float]] | None = None
    axes: str = "YX"


def read_for_show(image: Image) -> Shown:
    """Read what is shown at once (safe in a thread).

    Raises
    ------
    NucleiError
        The pixels are damaged.
    """
    whole = len(image.levels) == 1 and math.prod(image.shape) <= _WHOLE
    data = [np.asarray(image.levels[0])] if whole else [_lazy(level, image) for level in image.levels]
    limits = None
    if not (image.rgb and image.n_channels == 3):
        overview = image.overview(512).astype(np.float32)
        limits = [_limits(overview[..., channel]) for channel in range(overview.shape[-1])]
    return Shown(data, limits, image.axes)


def make_layers(entry: ImageEntry, shown: Shown) -> list[ImageLayer]:
    """Image layers for an entry (in the main thread): one for colours or grey, else one for each channel used."""
    from napari.layers import Image as ImageLayer

    image = entry.image
    assert image is not None
    place = image_geometry(image)
    if image.rgb and image.n_channels == 3:
        return [ImageLayer(_pyramid(shown.data), name=entry.name, rgb=True, **place)]
    channels = list(image.channels) if "C" in shown.axes else [None]
    layers = []
    for number, channel in enumerate(channels):
        data = [level if channel is None else level[..., channel] for level in shown.data]
        name = entry.name if len(channels) == 1 else f"{entry.name} · {image.channel_names[number]}"
        colour = "gray" if len(channels) == 1 else _colour(image, number)
        limits = shown.limits[number] if shown.limits else None
        layer = ImageLayer(
            _pyramid(data),
            name=name,
            rgb=False,
            colormap=colour,
            blending="translucent_no_depth" if number == 0 else "additive",
            contrast_limits=limits,
            **place,
        )
        layers.append(layer)
    return layers


def thumbnail(image: Image, side: int = _THUMBNAIL) -> np.ndarray:
    """A small RGB picture (side, side, 3) uint8, padded in grey (safe in a thread)."""
    small = image.overview(256)
    if image.ndim == 3:
        small = small[len(small) // 2]
    step = max(1, math.ceil(max(small.shape[:2]) / side))
    small = small[::step, ::step].astype(np.float32)
    small = np.nan_to_num(small)
    if image.rgb and small.shape[-1] == 3:
        unit = small / (255.0 if image.dtype == np.uint8 else max(float(small.max()), 1e-9))
    else:
        channel = image.nuclei_channel or 0
        low, high = _limits(small[..., channel])
        unit = np.repeat(((small[..., channel] - low) / (high - low))[..., None], 3, axis=-1)
    picture = np.full((side, side, 3), 127, np.uint8)
    top, left = (side - unit.shape[0]) // 2, (side - unit.shape[1]) // 2
    picture[top : top + unit.shape[0], left : left + unit.shape[1]] = (np.clip(unit, 0, 1) * 255).astype(np.uint8)
    return picture


def _lazy(level: Any, image: Image) -> Any:
    import dask.array as da

    axes = image.axes
    chunks = level.chunks or tuple(
        min(size, _CHUNK) if axis in "YX" else size if axis == "C" else 1
        for axis, size in zip(axes, level.shape, strict=True)
    )
    return da.from_array(level, chunks=chunks, name=False, asarray=False, fancy=False)


def _pyramid(levels: list[Any]) -> Any:
    return levels if len(levels) > 1 else levels[0]


def _limits(values: np.ndarray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(one) for one in np.percentile(finite, (0.1, 99.9)))
    if high <= low:
        low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low, low + 1.0)


def _colour(image: Image, number: int) -> str:
    nuclei = image.nuclei_channel
    if number == nuclei:
        return "blue" if nuclei is not None and image.n_channels > 1 else "gray"
    others = [index for index in range(image.n_channels) if index != nuclei]
    return _COLOURS[others.index(number) % len(_COLOURS)]


def has_plane_axes(image: Image) -> bool:
    """Whether the viewer shows a slider of planes or moments that are segmented each for itself."""
    return len(shown_axes(image)) > image.ndim
