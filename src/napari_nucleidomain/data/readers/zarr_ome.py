"""OME-Zarr (0.1 to 0.4 on Zarr 2, 0.5 on Zarr 3) and plain Zarr arrays."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import LISTS, read_json, refuse_special, specials_in
from napari_nucleidomain.data.axes import READ_ERRORS, UNKNOWN, ArrayLike, guess_axes

from .base import RawImage, damaged, not_an_image, to_micrometres

_MARKS = ("zarr.json", ".zattrs", ".zgroup", ".zarray")

# A slide has a file for each of its chunks; what is amiss stands at the beginning.
_MOST_LOOKED_AT = 50_000


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr group or array."""
    return path.is_dir() and any((path / mark).is_file() for mark in _MARKS)


def read_zarr(path: Path, series: int | None = None) -> RawImage:
    """Open an OME-Zarr image or a plain Zarr array.

    Parameters
    ----------
    path : Path
        The folder.
    series : int, optional
        Which image of a folder written by bioformats2raw; the first by default.

    Returns
    -------
    RawImage

    Raises
    ------
    NucleiError
        The folder is damaged, is a plate or a group without an image, or its metadata contradict its arrays.
    """
    import zarr

    for special in itertools.islice(specials_in(path, _MOST_LOOKED_AT), 1):
        refuse_special(special)
    try:
        node = zarr.open(str(path), mode="r")
        if isinstance(node, zarr.Array):
            return _plain(path, node)
        return _group(path, node, series)
    except NucleiError:
        raise
    except (*READ_ERRORS, zarr.errors.BaseZarrError) as error:
        raise damaged(path, error) from error


def _plain(path: Path, array: Any) -> RawImage:
    """A Zarr array without OME metadata; its dimension names are used when they are ours."""
    names = list(getattr(array.metadata, "dimension_names", None) or [])
    letters = "".join(str(n or "")[:1].upper() for n in names)
    if not (len(letters) == array.ndim and set(letters) <= set("TZYXC") and {"Y", "X"} <= set(letters)):
        letters = guess_axes(array.shape)
    return RawImage([array], letters, "Zarr array")


def _group(path: Path, group: Any, series: int | None) -> RawImage:
    attributes = _attributes(path, group)
    if "plate" in attributes or "well" in attributes:
        inner = sorted(k for k, _ in group.groups())[:3]
        raise NucleiError(
            f"{path.name} is a plate of many images, not one image.",
            f"Open a field inside it, a folder such as A/1/0 (this one holds {', '.join(inner) or 'nothing'}).",
        )
    scales = attributes.get("multiscales")
    if not scales:
        return _nested(path, group, series)
    scale = scales[0]
    levels: list[ArrayLike] = [group[entry["path"]] for entry in scale["datasets"]]
    axes, units = _axes(scale.get("axes"), len(levels[0].shape))
    raw = RawImage(levels, axes, f"OME-Zarr {scale.get('version') or attributes.get('version') or ''}".strip())
    raw.pixel_size = _pixel_size(scale, axes, units)
    channels = attributes.get("omero", {}).get("channels", [])
    names = [str(c.get("label") or "") for c in channels]
    raw.channel_names = names if any(names) else []
    if any(len(level.shape) != len(axes) for level in levels):
        raise NucleiError(f"{path.name} is damaged: its pyramid levels have different axes.", "Export it again.")
    return raw


def _attributes(path: Path, group: Any) -> dict[str, Any]:
    """OME attributes wherever the version keeps them."""
    attributes = dict(group.attrs)
    inner = attributes.get("ome")
    if isinstance(inner, dict):
        return inner
    # A Zarr 3 marker beside Zarr 2 attributes happens after copies: read the old file too.
    old = path / ".zattrs"
    if not attributes and old.is_file():
        return dict(read_json(old, LISTS))
    return attributes


def _nested(path: Path, group: Any, series: int | None) -> RawImage:
    """A group of images (bioformats2raw) or of plain arrays."""
    images = sorted((k for k, g in group.groups() if _attributes(path / k, g).get("multiscales")), key=_number)
    if images:
        index = series or 0
        if index >= len(images):
            raise NucleiError(f"{path.name} holds {len(images)} image(s); there is no number {index}.", "Count from 0.")
        raw = read_zarr(path / images[index])
        if len(images) > 1:
            raw.series_names = images
            raw.metadata["series"] = index
        return raw
    arrays = sorted((k for k, _ in group.arrays()), key=_number)
    if len(arrays) == 1:
        return _plain(path, group[arrays[0]])
    raise not_an_image(path, "a Zarr folder without an image description (multiscales)")


def _number(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdigit() else (1 << 30, name)


def _axes(described: Any, ndim: int) -> tuple[str, dict[str, str | None]]:
    """Letters and units; versions before 0.3 have neither and are always t, c, z, y, x."""
    if not described:
        if ndim != 5:
            return guess_axes((9,) * ndim), {}
        return "TCZYX", {}
    letters, units = "", {}
    for axis in described:
        name = (axis if isinstance(axis, str) else str(axis.get("name", ""))).upper()
        letter = name if name in set("TZYXC") else UNKNOWN
        if letter == UNKNOWN and not isinstance(axis, str):
            letter = {"channel": "C", "time": "T"}.get(str(axis.get("type")), UNKNOWN)
        letters += letter
        units[letter] = None if isinstance(axis, str) else axis.get("unit")
    if len(letters) != ndim or "Y" not in letters or "X" not in letters:
        raise NucleiError(f"The image's {ndim} axes do not fit their description ({letters}).", "Export it again.")
    return letters, units


def _pixel_size(scale: dict[str, Any], axes: str, units: dict[str, str | None]) -> dict[str, float]:
    """Micrometres per axis; an axis without a unit is in pixels, and its scale says nothing."""
    total = [1.0] * len(axes)
    for transforms in (scale["datasets"][0].get("coordinateTransformations"), scale.get("coordinateTransformations")):
        for transform in transforms or []:
            if transform.get("type") == "scale":
                total = [a * float(b) for a, b in zip(total, transform["scale"], strict=True)]
    sizes = {}
    for axis, value in zip(axes, total, strict=True):
        unit = units.get(axis)
        if axis in "ZYX" and unit:
            size = to_micrometres(value, unit)
            if size is not None:
                sizes[axis] = size
    return sizes
