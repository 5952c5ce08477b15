"""Label images that are none: masks of "nucleus or not", masks that JPEG or resizing has changed, classes, pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_nucleidomain.contracts import NucleiError

# Pieces of fewer pixels are crumbs.
_CRUMB = 8
# Of a large image so many pixels a side, about its middle, tell what it is.
_LOOKED_AT = 3000
# More numbers than this are not classes.
_MOST_CLASSES = 5
_PIECES_A_CLASS = 5


@dataclass(frozen=True)
class _Pieces:
    """Connected pieces of equal numbers: how many numbers and pieces, and pixels in all and in crumbs."""

    numbers: int
    whole: int
    most: int
    crumbs: int
    pixels: int
    in_crumbs: int


def split_binary(mask: np.ndarray) -> np.ndarray:
    """One id for each connected piece of a mask, corners included.

    Parameters
    ----------
    mask : ndarray (Y, X) or (Z, Y, X)
        0 is background.

    Returns
    -------
    ndarray uint32
    """
    from scipy.ndimage import generate_binary_structure, label

    pieces, _ = label(np.asarray(mask) > 0, structure=generate_binary_structure(mask.ndim, mask.ndim))
    return np.asarray(pieces, dtype=np.uint32)


def is_binary(labels: np.ndarray) -> bool:
    """Whether a label image with one single value is a mask of several nuclei or one nucleus.

    Parameters
    ----------
    labels : ndarray uint32
    """
    value = int(labels.max())
    if value == 0 or np.any((labels != 0) & (labels != value)):
        return False
    if value == 255:
        return True
    return value == 1 and int(split_binary(labels).max()) > 1


def as_mask(name: str, labels: np.ndarray) -> tuple[np.ndarray, str] | None:
    """A mask whose black and white were blurred, made black and white again; None where the numbers are ids.

    Parameters
    ----------
    name : str
        Of the file.
    labels : ndarray (Y, X) uint32
        Not of one single value; of more axes it is taken as it is.

    Returns
    -------
    mask : ndarray uint32
        0 and 1.
    note : str
        What was done.

    Raises
    ------
    NucleiError
        The numbers are classes, or those of a picture.
    """
    if labels.ndim != 2:
        return None
    part = labels[tuple(slice(max(0, n - _LOOKED_AT) // 2, (n + _LOOKED_AT) // 2) for n in labels.shape)]
    found = _pieces_of(part)
    crumbled = found.crumbs > found.whole and found.crumbs > found.numbers
    if crumbled and _nearly_two_values(part):
        top = int(labels.max())
        note = (
            f"Nearly all its numbers are close to 0 or to {top}, as JPEG or resizing leaves a black-and-white mask: "
            f"what is above {top // 2} counts as nucleus."
        )
        return (labels > top // 2).astype(np.uint32), note
    if crumbled and found.in_crumbs > found.pixels / 5:
        raise NucleiError(
            f"{name} is no label image: its numbers lie in {found.crumbs + found.whole:,} pieces, most of them smaller "
            f"than {_CRUMB} pixels.",
            "JPEG, smoothing and resizing change the numbers: save the outlines anew as PNG or TIFF. A picture of the "
            "nuclei holds no outlines.",
        )
    if 1 < found.numbers <= _MOST_CLASSES and found.most > 1 and found.whole >= _PIECES_A_CLASS * found.numbers:
        raise NucleiError(
            f"{name} has only {found.numbers} numbers, in {found.whole:,} separate pieces: these look like classes, "
            "not nuclei.",
            "Give each nucleus a number of its own. Of a mask of inside and border save the inside alone, in black "
            "and white.",
        )
    return None


def _pieces_of(labels: np.ndarray) -> _Pieces:
    from skimage.measure import label

    pieces, count = label(labels, background=0, connectivity=labels.ndim, return_num=True)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    sizes[0] = 0
    of = np.zeros(count + 1, np.int64)
    of[pieces] = labels
    whole = sizes >= _CRUMB
    crumbs = (sizes > 0) & ~whole
    _, each = np.unique(of[whole], return_counts=True)
    return _Pieces(
        numbers=len(np.unique(of[1:])),
        whole=int(whole.sum()),
        most=int(each.max(initial=0)),
        crumbs=int(crumbs.sum()),
        pixels=int(sizes.sum()),
        in_crumbs=int(sizes[crumbs].sum()),
    )


def _nearly_two_values(labels: np.ndarray) -> bool:
    """Whether more pixels are near 0, and more near the largest number, than between; ids are spread evenly."""
    top = int(labels.max())
    high, some = (int(np.count_nonzero(labels > share * top)) for share in (0.85, 0.15))
    return top >= 100 and min(high, labels.size - some) > some - high and _in_plateaus(labels, top)


def _in_plateaus(labels: np.ndarray, top: int) -> bool:
    """Whether many pixels are exactly black and exactly white, as of a mask; a camera's noise leaves none so."""
    low, high = labels[labels <= 0.15 * top], labels[labels > 0.85 * top]
    black, white = (np.mean(part == value) if part.size else 0.0 for part, value in ((low, 0), (high, top)))
    return bool(black >= 0.25 and white >= 0.15)
