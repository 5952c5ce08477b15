"""Outlines that are nuclei as a label image: small ones on top of large ones, and a word on every one that is lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.outlines import Outline, rasterise

from .drawn import Drawn, taken_apart
from .nested import sort_out
from .odd import named

NOTHING_IN = "It holds no outlines: an image without nuclei."
_LARGEST_ID = np.iinfo(np.uint32).max


def nuclei_of(found: Sequence[Drawn]) -> tuple[list[tuple[int, Drawn]], list[str]]:
    """Outlines that are nuclei, each with its id, and lines on what was done with the others.

    Parameters
    ----------
    found : sequence of Drawn
        All that may be nuclei, in the order of the file.

    Returns
    -------
    list of (int, Drawn)
        Ids that were written with the outlines, where all have one of their own; else they are counted from 1 in the
        order of the file.
    list of str
    """
    ids = [one.nucleus for one in found]
    pairs = list(zip(ids, (one.plane for one in found), strict=True))
    numbered = all(0 < one <= _LARGEST_ID for one in ids) and len(set(pairs)) == len(pairs)
    notes: list[str] = []
    if not numbered:
        found, notes = taken_apart(found)
        ids = list(range(1, len(found) + 1))
    kept, more = sort_out(found, numbered=numbered)
    return [(ids[k], found[k]) for k in kept], notes + more


def check_place(path: Path, found: Sequence[Drawn], shape: Sequence[int]) -> list[str]:
    """Refuse outlines of another image: as with clicks, more than a tenth of them (and more than two) beside it.

    Parameters
    ----------
    path : Path
    found : sequence of Drawn
    shape : sequence of int
        Rows and columns.

    Returns
    -------
    list of str
        Empty, or a line on the few that lie outside.

    Raises
    ------
    NucleiError
    """
    import shapely

    if not found:
        return []
    bounds = shapely.bounds(np.array([one.shape for one in found], object))
    beside = (bounds[:, 2:] <= 0).any(axis=1) | (bounds[:, :2] >= np.asarray(shape)).any(axis=1)
    number = int(beside.sum())
    if not number:
        return []
    if number > min(len(found) - 1, max(2, 0.1 * len(found))):
        reach = "×".join(str(int(v)) for v in np.ceil(bounds[:, 2:].max(axis=0)))
        raise NucleiError(
            f"{path.name}: {number} of {len(found)} outlines lie outside the image: they reach to {reach}, the image "
            f"is {shape[0]}×{shape[1]}. They probably belong to another image.",
            "Attach the outlines of this very image, or a label image.",
        )
    places = named([one.number for one, out in zip(found, beside, strict=True) if out])
    some = f"{number} outline{' lies' if number == 1 else 's lie'}"
    return [f"{some} outside the image and {_is(number)} left out ({places})."]


def paint(nuclei: Sequence[tuple[int, Drawn]], shape: Sequence[int]) -> tuple[np.ndarray, list[str]]:
    """Fill outlines into a label image, the largest first.

    Parameters
    ----------
    nuclei : sequence of (int, Drawn)
    shape : sequence of int
        Of the image: as many axes before rows and columns as the planes have.

    Returns
    -------
    ndarray of `shape`, uint32
    list of str
        What holds no pixel.
    """
    lengths = tuple(int(n) for n in shape)
    labels = np.zeros(lengths, np.uint32)
    order = sorted(nuclei, key=lambda one: (-round(one[1].area, 6), *one[1].shape.bounds))
    for plane in sorted({one.plane for _, one in nuclei}):
        shapes = [Outline(number, one.polygons) for number, one in order if one.plane == plane]
        labels[plane] = rasterise(shapes, (lengths[-2], lengths[-1]))
    there = set(np.unique(labels).tolist())
    lost = [one for number, one in nuclei if number not in there and _meets(one, lengths[-2:])]
    if not lost:
        return labels, []
    text = "1 of the outlines holds" if len(lost) == 1 else f"{len(lost):,} of the outlines hold"
    places = named([one.number for one in lost])
    return labels, [
        f"{text} no pixel of the image, being too small or under others, and {_is(len(lost))} left out ({places})."
    ]


def reach_of(found: Sequence[Drawn]) -> tuple[int, int] | None:
    """Rows and columns of the smallest image that begins at (0, 0) and holds all; None where there are none."""
    import shapely

    if not found:
        return None
    bounds = shapely.bounds(np.array([one.shape for one in found], object))
    rows, columns = np.ceil(bounds[:, 2:].max(axis=0))
    return max(0, int(rows)), max(0, int(columns))


def _meets(one: Drawn, shape: tuple[int, ...]) -> bool:
    top, left, bottom, right = one.shape.bounds
    return bool(bottom > 0 and right > 0 and top < shape[0] and left < shape[1])


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
