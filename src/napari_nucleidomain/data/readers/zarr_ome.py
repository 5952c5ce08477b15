"""OME-Zarr (0.1 to 0.4 on Zarr 2, 0.5 on Zarr 3) and plain Zarr arrays: what fits is used, what does not is told."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import refuse_special, specials_in
from napari_nucleidomain.data.axes import READ_ERRORS, guess_axes

from .base import RawImage, damaged, not_an_image
from .zarr_axes import axes_of, names_of
from .zarr_levels import levels_of, listed
from .zarr_scale import pixel_size_of
from .zarr_store import ZarrStore, is_zarr, without_marks

__all__ = ["LABELS", "is_zarr", "labels_in", "read_zarr"]

# A slide has a file for each of its chunks; what is amiss stands at the beginning.
_MOST_LOOKED_AT = 50_000
# Where outlines lie in the store of their image.
LABELS = "labels"


def read_zarr(path: Path, series: int | None = None) -> RawImage:
    """Open an OME-Zarr image or a plain Zarr array.

    Parameters
    ----------
    path : Path
        The folder, or a zip of it.
    series : int, optional
        Which image of a store written by bioformats2raw; the first by default.

    Returns
    -------
    RawImage
        Its notes tell what of the description was left out.

    Raises
    ------
    NucleiError
        The store is damaged, is a plate or a group without an image, or lacks its pixels.
    """
    import zarr

    if path.is_dir() and not is_zarr(path):
        raise without_marks(path)
    for special in itertools.islice(specials_in(path, _MOST_LOOKED_AT), 1):
        refuse_special(special)
    store = ZarrStore(path)
    try:
        raw = _opened(store, "", series)
    except NucleiError:
        store.close()
        raise
    except (*READ_ERRORS, zarr.errors.BaseZarrError) as error:
        store.close()
        raise damaged(path, error) from error
    raw.close = store.close
    return raw


def labels_in(path: Path) -> list[Path]:
    """Folders of the outlines in the store of an image, as its `labels` group has them; none in a zip."""
    if not is_zarr(path):
        return []
    store = ZarrStore(path)
    said = store.attributes(LABELS)[0].get("labels")
    named = [name for one in (said if isinstance(said, list) else []) if (name := store.plain(one))]
    there = [name for name in store.children(LABELS) if is_zarr(path / LABELS / name)]
    return [path / LABELS / name for name in dict.fromkeys([*(n for n in named if n in there), *there])]


def _opened(store: ZarrStore, inner: str, series: int | None) -> RawImage:
    attributes, broken = store.attributes(inner)
    notes = [f"Its description {broken} is damaged and was left out."] if broken else []
    if store.is_array(inner):
        raw = _plain(store, inner, attributes)
    elif "plate" in attributes or "well" in attributes:
        some = ", ".join(store.children(inner)[:3]) or "nothing"
        raise NucleiError(
            f"{store.path.name} is a plate of many images, not one image.",
            f"Open a field inside it, a folder such as A/1/0 (this one holds {some}).",
        )
    else:
        scales = _scales(attributes, notes)
        if broken and not scales and not store.children(inner):
            raise damaged(store.path, ValueError(f"its description {broken} is cut off or no JSON"))
        raw = _described(store, inner, scales[0], attributes) if scales else _nested(store, inner, series, notes)
    raw.notes[:0] = notes
    if isinstance(attributes.get("image-label"), dict):
        raw.metadata["labels"] = True
    return raw


def _scales(attributes: dict[str, Any], notes: list[str]) -> list[dict[str, Any]]:
    """The images that a group describes."""
    found = listed(attributes.get("multiscales"))
    usable = [one for one in found if isinstance(one, dict) and one]
    if found and not usable:
        notes.append("Its description (multiscales) cannot be read and was left out.")
    if len(usable) > 1:
        notes.append(f"It describes {len(usable)} images of the same group; the first was opened.")
    return usable


def _described(store: ZarrStore, inner: str, scale: dict[str, Any], attributes: dict[str, Any]) -> RawImage:
    """An image with levels, axes, pixel size and names, as far as each can be read."""
    notes: list[str] = []
    found = levels_of(store, inner, scale, notes)
    shape = tuple(found[0].array.shape)
    axes, units = axes_of(scale, shape, found[0].names, notes)
    found = _alike(found, axes, notes)
    version = scale.get("version") or attributes.get("version")
    known = str(version) if isinstance(version, str | int | float) else ""
    raw = RawImage([level.array for level in found], axes, f"OME-Zarr {known}".strip(), notes=notes)
    raw.pixel_size = pixel_size_of(scale, found[0].transforms, axes, units, notes)
    raw.channel_names = names_of(attributes.get("omero"), axes, shape, notes)
    return raw


def _alike(found: list[Any], axes: str, notes: list[str]) -> list[Any]:
    """The levels that are the first one made smaller."""
    first = found[0].array
    kept = found[:1]
    for level in found[1:]:
        array = level.array
        same = len(array.shape) == len(first.shape) and array.dtype == first.dtype
        if same and _is_smaller(tuple(first.shape), tuple(array.shape), axes):
            kept.append(level)
        else:
            size = "×".join(map(str, array.shape))
            notes.append(f"Its level {level.path} ({size}, {array.dtype}) is not the picture made smaller: left out.")
    return kept


def _is_smaller(large: tuple[int, ...], small: tuple[int, ...], axes: str) -> bool:
    sides = dict(zip(axes, zip(large, small, strict=True), strict=True))
    if any(a != b for axis, (a, b) in sides.items() if axis not in "ZYX"):
        return False
    if any(b < 1 or b > a for a, b in sides.values()):
        return False
    rows, columns = sides["Y"], sides["X"]
    # Rounding up or down at every level, and blocks cut off, may cost a few pixels.
    factor = rows[0] / rows[1]
    return abs(columns[0] / factor - columns[1]) <= max(2.0, 0.1 * columns[1])


def _plain(store: ZarrStore, inner: str, attributes: dict[str, Any]) -> RawImage:
    """A Zarr array without OME metadata; its dimension names are used when they are ours."""
    array = store.array(inner)
    names = list(getattr(array.metadata, "dimension_names", None) or listed(attributes.get("_ARRAY_DIMENSIONS")))
    letters = "".join(str(n or "")[:1].upper() for n in names)
    named = len(letters) == array.ndim == len(set(letters)) and {"Y", "X"} <= set(letters) <= set("TZYXC")
    raw = RawImage([array], letters if named else guess_axes(array.shape), "Zarr array", guessed=not named)
    if not store.has_pixels(inner):
        raw.notes.append("None of its pixels is stored: all count as 0. Was the whole folder copied?")
    return raw


def _nested(store: ZarrStore, inner: str, series: int | None, notes: list[str]) -> RawImage:
    """A group of images (bioformats2raw) or of plain arrays."""
    inside = [name for name in store.children(inner) if name not in (LABELS, "OME")]
    described = [n for n in inside if listed(store.attributes(store.join(inner, n))[0].get("multiscales"))]
    if described:
        index = series or 0
        if index >= len(described):
            raise NucleiError(
                f"{store.path.name} holds {len(described)} image(s); there is no number {index}.", "Count from 0."
            )
        raw = _opened(store, store.join(inner, described[index]), None)
        if len(described) > 1:
            raw.series_names = described
            raw.metadata["series"] = index
        return raw
    arrays = store.arrays(inner)
    if len(arrays) == 1:
        return _plain(store, store.join(inner, arrays[0]), store.attributes(store.join(inner, arrays[0]))[0])
    if len(arrays) > 1 and all(name.isdecimal() for name in arrays):
        notes.append(f"It does not describe its image: its arrays {', '.join(arrays)} are taken as levels of one.")
        return _described(store, inner, {"datasets": [{"path": name} for name in arrays]}, {})
    if arrays:
        raise NucleiError(
            f"{store.path.name} holds {len(arrays)} arrays and does not say which is the image.",
            f"Open one of them: {', '.join(str(Path(store.path.name) / inner / name) for name in arrays[:5])}.",
        )
    raise not_an_image(store.path, "a Zarr folder without an image description (multiscales)")
