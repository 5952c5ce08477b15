"""Label images in: PNG, TIFF, OME-TIFF, OME-Zarr, NPY, GeoJSON, ImageJ regions, cellpose. Out: see `labels_out`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .axes import UNKNOWN, LazyArray
from .cellpose_seg import is_pickled, read_masks
from .geojson import is_geojson
from .images import Image
from .labels_out import FORMATS, write_labels
from .labels_text import is_outlines_text, read_labels_text
from .masks import as_mask, is_binary, nuclei_of_mask, split_binary, wrapped
from .pictures import outlines_inside, refuse_picture
from .readers import IMAGE_SUFFIXES, RawImage, read_file
from .rois import ROI_SUFFIXES

__all__ = [
    "FORMATS",
    "LABEL_SUFFIXES",
    "ReadLabels",
    "labels_shape",
    "mismatch",
    "read_labels",
    "read_labels_of",
    "says_no_size",
    "separated",
    "split_binary",
    "write_labels",
]

# Outlines may lie in files of these endings; .json only where it was named as such.
LABEL_SUFFIXES = (*IMAGE_SUFFIXES, ".geojson", *ROI_SUFFIXES)

_LARGEST = np.iinfo(np.uint32).max
_HINT = "Outlines are an image of whole numbers: 0 for background, another number for each nucleus."


@dataclass
class ReadLabels:
    """A label image from a file.

    Attributes
    ----------
    labels : ndarray uint32
        (Y, X) or (Z, Y, X), or one of these for every moment, (T, ...).
    binary : bool
        Whether it holds no ids but only "nucleus or not" (bool, 0 and 255, or 0 and 1 with several separate
        nuclei). Touching nuclei cannot be told apart in such a mask; `split_binary` makes one id of each
        connected piece.
    notes : list of str
        What was changed on reading.
    """

    labels: np.ndarray
    binary: bool = False
    notes: list[str] = field(default_factory=list)


def read_labels(path: Path | str, shape: Sequence[int] | None = None, channels: int = 1) -> ReadLabels:
    """Read a label image.

    Parameters
    ----------
    path : Path or str
        PNG (8 or 16 bit, or with a colour table, whose numbers are taken), TIFF, OME-TIFF, OME-Zarr, NPY, a
        ``_seg.npy`` of cellpose, GeoJSON outlines, or ImageJ regions (``.zip`` of Fiji's ROI Manager, ``.roi``).
    shape : sequence of int, optional
        Lengths of the image; needed for GeoJSON and ImageJ regions alone, which do not say them.
    channels : int
        Of the image, for ImageJ regions; see `rois.Roi.plane`.

    Returns
    -------
    ReadLabels

    Raises
    ------
    NucleiError
        The file cannot be read, is a colour picture or has several channels, holds fractions or negative numbers, or
        classes instead of ids.
    """
    path = Path(path)
    said: list[str]
    if is_geojson(path):
        from .labels_geojson import read_labels_geojson

        said = []
        return ReadLabels(read_labels_geojson(path, shape, told=said.append), False, said)
    if path.suffix.lower() in ROI_SUFFIXES:
        from .labels_rois import read_labels_rois

        labels, said = read_labels_rois(path, shape, channels=channels)
        return ReadLabels(labels, False, said)
    if is_outlines_text(path):
        labels, said = read_labels_text(path, shape)
        return ReadLabels(labels, False, said)
    if is_pickled(path):
        # cellpose numbers its nuclei; a single one with the number 1 is no mask.
        found = _checked(path, read_masks(path), [])
        return ReadLabels(found.labels, False, found.notes)
    _, taken = outlines_inside(path)
    raw, view, axes = _open(path)
    try:
        pixels = np.asarray(view)
    except MemoryError as error:
        size = "×".join(map(str, view.shape))
        raise NucleiError(
            f"{path.name} ({size} pixels) does not fit into this computer's memory.", "Choose a smaller part of it."
        ) from error
    finally:
        raw.close()
    notes: list[str] = [taken] if taken else []
    if "C" in axes:
        pixels, taken = _one_channel(path, pixels)
        notes.append(taken)
    return _checked(path, pixels, notes)


def read_labels_of(path: Path | str, image: Image) -> ReadLabels:
    """Read outlines for an image, whose size and planes are told to formats that are silent about them.

    Parameters
    ----------
    path : Path or str
    image : Image

    Returns
    -------
    ReadLabels
        Of the plane that is used, or of all of them, (*plane_shape, *spatial): `mismatch` tells what fits.

    Raises
    ------
    NucleiError
        See `read_labels`.
    """
    shape = image.spatial_shape
    if image.plane_axes and is_geojson(Path(path)):
        from .labels_geojson import planes_of, read_labels_geojson

        if len({*planes_of(Path(path), image.plane_axes), (0,) * len(image.plane_axes)}) > 1:
            shape = (*image.plane_shape, *shape)
            said: list[str] = []
            labels = read_labels_geojson(Path(path), shape, axes=image.plane_axes, told=said.append)
            return ReadLabels(labels, False, said)
    elif Path(path).suffix.lower() in ROI_SUFFIXES and image.plane_axes:
        from .labels_rois import has_planes

        if has_planes(Path(path)):
            shape = (*image.plane_shape, *shape)
    return read_labels(path, shape, image.file_channels)


def says_no_size(path: Path) -> bool:
    """Whether a file holds outlines as polygons, which do not say how large their image is."""
    return is_geojson(path) or path.suffix.lower() in ROI_SUFFIXES or is_outlines_text(path)


def labels_shape(path: Path | str) -> tuple[int, ...]:
    """Lengths of a label image, from the file's header where it has one; channels left out.

    Raises
    ------
    NucleiError
        The file cannot be read, or holds polygons, which have no size.
    """
    if is_pickled(Path(path)):
        return tuple(read_masks(Path(path)).shape)
    raw, view, axes = _open(Path(path))
    raw.close()
    return view.shape[:-1] if "C" in axes else view.shape


def pixel_size(path: Path | str) -> tuple[float, float] | None:
    """Pixel size (y, x) in µm that a label image states; None where it states none."""
    if says_no_size(Path(path)) or is_pickled(Path(path)):
        return None
    raw = read_file(Path(path), palette="index")
    raw.close()
    y, x = (raw.pixel_size.get(axis) for axis in "YX")
    return (float(y), float(x)) if y and x else None


def voxel_size(path: Path | str) -> tuple[float, float, float] | None:
    """Voxel size (z, y, x) in µm that a label file states; None where it does not state all three."""
    if says_no_size(Path(path)) or is_pickled(Path(path)):
        return None
    raw = read_file(outlines_inside(Path(path))[0], palette="index")
    raw.close()
    z, y, x = (raw.pixel_size.get(axis) for axis in "ZYX")
    return (float(z), float(y), float(x)) if z and y and x else None


def _open(path: Path) -> tuple[RawImage, LazyArray, str]:
    """The file's largest level in the order T Z Y X (C), C only where channels stand last."""
    raw = read_file(outlines_inside(path)[0], palette="index")
    level = raw.levels[0]
    letters = ""
    lengths = tuple(level.shape)
    spare = iter("abcdefgh")
    free = [a for a in "ZT" if a not in raw.axes]
    for at, (axis, n) in enumerate(zip(raw.axes, lengths, strict=True)):
        last = at == len(lengths) - 1
        if axis in "YX":
            letters += axis
        elif n == 1:
            letters += next(spare)
        elif axis == "C" and last:
            letters += axis
        elif axis in (UNKNOWN, "C"):
            # Pages of a label image are planes: there are no channels of outlines.
            if not free:
                raw.close()
                raise NucleiError(f"{path.name} has too many axes for outlines: {lengths}.", _HINT)
            letters += free.pop(0)
        else:
            letters += axis
    axes = "".join(a for a in "TZYXC" if a in letters)
    return raw, LazyArray(level, letters, axes, name=path.name), axes


def _one_channel(path: Path, pixels: np.ndarray) -> tuple[np.ndarray, str]:
    """A colour picture all of whose colours are equal, or that has only two: what it says, and a line on what was done.

    Raises
    ------
    NucleiError
        It has more colours.
    """
    colours, clear = pixels, None
    if pixels.shape[-1] in (2, 4):
        colours, clear = pixels[..., :-1], pixels[..., -1]
        if (clear == clear.flat[0]).all():
            clear = None
    grey = bool(np.all(colours == colours[..., :1]))
    if grey and clear is not None and (colours == colours.flat[0]).all():
        return np.ascontiguousarray(clear), "Only its transparency differs: what is opaque was taken."
    if grey:
        one = np.ascontiguousarray(colours[..., 0])
        if clear is not None:
            one = np.where(clear > 0, one, 0).astype(one.dtype)
        return one, "A grey picture saved as colour: one of its equal channels was taken."
    first = colours.reshape(-1, colours.shape[-1])[0]
    away = (colours != first).any(axis=-1)
    other = colours[away][0]
    if clear is None and bool((colours[away] == other).all()):
        # 1 and 2: which of them is background is told by what goes round the edge, unless one is black.
        values = np.where(away, 2, 1).astype(np.uint8)
        for value, colour in ((1, first), (2, other)):
            if not colour.any():
                values = np.where(values == value, 0, 255).astype(np.uint8)
        return values, "A picture of only two colours."
    raise NucleiError(
        f"{path.name} is a colour picture of outlines, not outlines.",
        "Save the label image itself (one number per nucleus) as TIFF or 16-bit PNG, not a coloured view of it.",
    )


def _checked(path: Path, pixels: np.ndarray, notes: list[str]) -> ReadLabels:
    if pixels.size == 0:
        raise NucleiError(f"{path.name} has no pixels: its size is {'×'.join(map(str, pixels.shape))}.", _HINT)
    if pixels.dtype == np.bool_:
        return ReadLabels(pixels.astype(np.uint32), True, notes)
    if pixels.dtype.kind not in "fui":
        raise NucleiError(f"{path.name} holds {pixels.dtype}, so it is no label image.", _HINT)
    if (mask := _one_odd_value(pixels)) is not None:
        return ReadLabels(mask, True, notes)
    if pixels.dtype.kind == "f":
        if not np.isfinite(pixels).all() or not np.array_equal(pixels, np.floor(pixels)):
            raise NucleiError(f"{path.name} holds fractions or missing numbers, so it is no label image.", _HINT)
        if pixels.dtype.itemsize < 8 and pixels.max() > 1 << 24:
            raise NucleiError(f"{path.name} holds numbers that its type ({pixels.dtype}) cannot tell apart.", _HINT)
    if pixels.dtype.kind in "if" and pixels.min() < 0:
        raise NucleiError(f"{path.name} holds negative numbers, so it is no label image.", _HINT)
    if pixels.max() > _LARGEST:
        ids, places = np.unique(pixels, return_inverse=True)
        pixels = places.reshape(pixels.shape) + (0 if ids[0] == 0 else 1)
        notes.append("Its numbers were too large and were counted anew.")
    # The pixels were read for this, and are nobody else's.
    labels = pixels.astype(np.uint32, copy=False)
    if is_binary(labels):
        return ReadLabels(labels, True, notes)
    if blurred := as_mask(path.name, labels):
        return ReadLabels(blurred[0], True, [*notes, blurred[1]])
    refuse_picture(path.name, labels)
    if said := wrapped(labels):
        notes.append(said)
    return ReadLabels(labels, False, notes)


def _one_odd_value(pixels: np.ndarray) -> np.ndarray | None:
    """A mask of 0 and one number that no nucleus can have (below 0, a fraction, a huge one), as 0 and 1."""
    low, high = pixels.min(), pixels.max()
    if low == high or 0 not in (low, high) or not np.isfinite([float(low), float(high)]).all():
        return None
    value = low if low != 0 else high
    if (0 < value <= _LARGEST and value == np.floor(value)) or np.any((pixels != 0) & (pixels != value)):
        return None
    return (pixels != 0).astype(np.uint32)


def separated(found: ReadLabels) -> ReadLabels:
    """Outlines with one number per nucleus: a black-and-white mask is split into its connected pieces, and it is said.

    Parameters
    ----------
    found : ReadLabels

    Returns
    -------
    ReadLabels
        `binary` stays as it was found.
    """
    if not found.binary:
        return found
    mask, taken = nuclei_of_mask(found.labels)
    labels = split_binary(mask)
    pieces = int(labels.max(initial=0))
    note = f"It is a black-and-white mask: each of its {pieces:,} connected pieces counts as one nucleus"
    notes = [*found.notes, *taken, f"{note}, nuclei that touch as one together."]
    if np.count_nonzero(labels) > labels.size / 2:
        notes.append("More than half of it is marked as nuclei: are black and white exchanged?")
    return ReadLabels(labels, True, notes)


def mismatch(shape: Sequence[int], image: Image) -> str | None:
    """Say why labels do not fit an image; None when they do.

    Parameters
    ----------
    shape : sequence of int
        Of the labels.
    image : Image

    Returns
    -------
    str or None
        One sentence.
    """
    fitting = [image.spatial_shape, (*image.plane_shape, *image.spatial_shape)]
    if tuple(shape) in fitting:
        return None
    have, want = ("×".join(map(str, s)) for s in (shape, image.spatial_shape))
    text = f"The outlines are {have} pixels, but the image is {want}."
    if tuple(shape) == (*image.spatial_shape[:-2], *image.spatial_shape[:-3:-1]):
        text += " Rows and columns seem to be swapped."
    return text
