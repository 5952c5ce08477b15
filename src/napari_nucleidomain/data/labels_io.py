"""Label images in: PNG, TIFF, OME-TIFF, OME-Zarr, NPY, GeoJSON, ImageJ regions, cellpose. Out: see `labels_out`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .axes import UNKNOWN, LazyArray
from .cellpose_seg import is_pickled, read_masks
from .images import Image
from .labels_out import FORMATS, write_labels
from .masks import as_mask, is_binary, split_binary
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

_GEOJSON = (".geojson", ".json")
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
    if path.suffix.lower() in _GEOJSON:
        from .labels_geojson import read_labels_geojson

        return ReadLabels(read_labels_geojson(path, shape))
    if path.suffix.lower() in ROI_SUFFIXES:
        from .labels_rois import read_labels_rois

        labels, said = read_labels_rois(path, shape, channels=channels)
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
        pixels = _one_channel(path, pixels)
        notes.append("A grey picture saved as colour: one of its equal channels was taken.")
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
    if Path(path).suffix.lower() in _GEOJSON and image.plane_axes:
        from .labels_geojson import planes_of, read_labels_geojson

        if len({*planes_of(Path(path), image.plane_axes), (0,) * len(image.plane_axes)}) > 1:
            shape = (*image.plane_shape, *shape)
            return ReadLabels(read_labels_geojson(Path(path), shape, axes=image.plane_axes))
    if Path(path).suffix.lower() in ROI_SUFFIXES and image.plane_axes:
        from .labels_rois import has_planes

        if has_planes(Path(path)):
            shape = (*image.plane_shape, *shape)
    return read_labels(path, shape, image.file_channels)


def says_no_size(path: Path) -> bool:
    """Whether a file holds outlines as polygons, which do not say how large their image is."""
    return path.suffix.lower() in (*_GEOJSON, *ROI_SUFFIXES)


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


def _one_channel(path: Path, pixels: np.ndarray) -> np.ndarray:
    """Of a colour picture all of whose colours are equal, one; anything else is refused."""
    colours = pixels[..., :3] if pixels.shape[-1] == 4 else pixels
    if pixels.shape[-1] in (3, 4) and bool(np.all(colours == colours[..., :1])):
        return np.ascontiguousarray(colours[..., 0])
    if pixels.shape[-1] == 2:
        return np.ascontiguousarray(pixels[..., 0])
    raise NucleiError(
        f"{path.name} is a colour picture of outlines, not outlines.",
        "Save the label image itself (one number per nucleus) as TIFF or 16-bit PNG, not a coloured view of it.",
    )


def _checked(path: Path, pixels: np.ndarray, notes: list[str]) -> ReadLabels:
    if pixels.size == 0:
        raise NucleiError(f"{path.name} has no pixels: its size is {'×'.join(map(str, pixels.shape))}.", _HINT)
    if pixels.dtype == np.bool_:
        return ReadLabels(pixels.astype(np.uint32), True, notes)
    if pixels.dtype.kind == "f":
        if not np.isfinite(pixels).all() or not np.array_equal(pixels, np.floor(pixels)):
            raise NucleiError(f"{path.name} holds fractions or missing numbers, so it is no label image.", _HINT)
        if pixels.dtype.itemsize < 8 and pixels.max() > 1 << 24:
            raise NucleiError(f"{path.name} holds numbers that its type ({pixels.dtype}) cannot tell apart.", _HINT)
    elif pixels.dtype.kind not in "ui":
        raise NucleiError(f"{path.name} holds {pixels.dtype}, so it is no label image.", _HINT)
    if pixels.dtype.kind in "if" and pixels.min() < 0:
        raise NucleiError(f"{path.name} holds negative numbers, so it is no label image.", _HINT)
    if pixels.max() > _LARGEST:
        ids, places = np.unique(pixels, return_inverse=True)
        pixels = places.reshape(pixels.shape) + (0 if ids[0] == 0 else 1)
        notes.append("Its numbers were too large and were counted anew.")
    labels = pixels.astype(np.uint32)
    if is_binary(labels):
        return ReadLabels(labels, True, notes)
    if blurred := as_mask(path.name, labels):
        return ReadLabels(blurred[0], True, [*notes, blurred[1]])
    refuse_picture(path.name, labels)
    return ReadLabels(labels, False, notes)


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
    labels = split_binary(found.labels)
    pieces = int(labels.max(initial=0))
    note = f"It is a black-and-white mask: each of its {pieces:,} connected pieces counts as one nucleus"
    notes = [*found.notes, f"{note}, nuclei that touch as one together."]
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
