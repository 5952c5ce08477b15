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
# The largest numbers of 8 and 16 bits.
_WHITE = (255, 65535)


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
    """Whether a label image is a mask of "nucleus or not": one value (or two, where there is no 0) in several pieces.

    A single number in one piece is one nucleus either way; 255 and 65,535 are white.

    Parameters
    ----------
    labels : ndarray uint32
    """
    values = two_values(labels)
    if values is None:
        return False
    low, high = values
    if low == 0 and high in _WHITE:
        return True
    if low == 0:
        return int(split_binary(labels).max()) > 1 or _exchanged(labels > 0)
    return _ground(labels, low, high) is not None


def two_values(labels: np.ndarray) -> tuple[int, int] | None:
    """The only two values of an image, ascending; None where it has one or more than two."""
    if not labels.size:
        return None
    low, high = int(labels.min()), int(labels.max())
    if low == high:
        return (0, high) if high in _WHITE else None
    return None if np.any((labels != low) & (labels != high)) else (low, high)


def _ground(labels: np.ndarray, low: int, high: int) -> int | None:
    """Of two values, neither of them 0, that of the background: it goes round the others. None where neither does."""
    if labels.ndim != 2 or min(labels.shape) < 3:
        return None
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    for ground, nuclei in ((low, high), (high, low)):
        share = float(np.mean(rim == ground))
        pieces = int(split_binary(labels == nuclei).max())
        if share == 1 or (share > 0.5 and pieces > 1 and int(split_binary(labels == ground).max()) < pieces):
            return ground
    return None


def nuclei_of_mask(labels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """What in a mask are nuclei, and lines on what was taken for granted.

    Parameters
    ----------
    labels : ndarray uint32
        See `is_binary`.

    Returns
    -------
    ndarray of bool
    list of str
    """
    values = two_values(labels)
    if values is not None and values[0] > 0:
        low, high = values
        ground = _ground(labels, low, high)
        if ground is not None:
            note = f"It holds only {low} and {high}: {ground}, which goes round the edge, counts as background."
            return labels != ground, [note]
    mask = labels > 0
    if _exchanged(mask):
        return ~mask, [
            "White goes round black pieces: black and white are exchanged, and what is black counts as nuclei."
        ]
    return mask, []


def _exchanged(mask: np.ndarray) -> bool:
    """Whether a mask is one white piece round several black ones, on most of the image and nearly all of its edge."""
    if mask.ndim != 2 or min(mask.shape) < 3 or not mask.size / 2 < np.count_nonzero(mask) < mask.size:
        return False
    rim = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    if np.mean(rim) < 0.9:
        return False
    white = np.bincount(split_binary(mask).ravel())[1:]
    black = np.bincount(split_binary(~mask).ravel())[1:]
    # Specks of noise are no pieces.
    return len(white[white >= _CRUMB]) == 1 and len(black[black >= _CRUMB]) > 1


def wrapped(labels: np.ndarray) -> str:
    """A line where numbers ran over the end of 8 or 16 bits, so that several nuclei share one; else "".

    Parameters
    ----------
    labels : ndarray uint32
        Numbered from 1 up to 255 or 65,535.
    """
    top = int(labels.max(initial=0))
    if top not in _WHITE or labels.ndim not in (2, 3):
        return ""
    from skimage.measure import label

    pieces, count = label(labels, background=0, connectivity=labels.ndim, return_num=True)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    sizes[0] = 0
    of = np.zeros(count + 1, np.int64)
    of[pieces] = labels
    # Slips of the brush and fragments are smaller than nuclei.
    whole = sizes >= max(_CRUMB, 0.4 * float(np.median(sizes[1:])))
    numbers, each = np.unique(of[whole], return_counts=True)
    used = len(np.unique(of[1:]))
    many = int((each > 1).sum())
    clipped = int(each[numbers == top].sum())
    bits = 8 if top == 255 else 16
    if used < 0.9 * top and clipped <= 2:
        return ""
    if not many or (many == 1 and clipped == 2):
        return ""
    return (
        f"{used:,} numbers of {bits} bits stand in {int(whole.sum()):,} separate pieces, {many:,} of them in several: "
        f"there are more nuclei than {bits} bits can number, and those of one number count as one. Save them with "
        f"{2 * bits} bits."
    )


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
    crumbled = found.crumbs > found.whole and found.crumbs > found.numbers and _touching(part)
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


def _touching(labels: np.ndarray) -> bool:
    """Whether different numbers lie side by side in more than a few places: those of labels in fragments do not."""
    beside = apart = 0
    for one, other in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        differ = one != other
        both = (one > 0) & (other > 0)
        beside += int(np.count_nonzero(differ & both))
        apart += int(np.count_nonzero(differ & ~both))
    return 20 * beside > apart


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
