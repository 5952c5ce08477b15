"""Pictures where outlines were expected: brightness is never scored as if it were numbers of nuclei."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .readers import labels_in

# Rows and columns looked at, about the middle.
_LOOKED_AT = 1024
_LEAST_PIECES = 200
_CRUMB = 8
_HINT = "Give the label image (one number for each nucleus). `nucleidomain predict` finds nuclei in pictures."


def refuse_picture(name: str, labels: np.ndarray) -> None:
    """Refuse numbers that are brightness.

    In a picture neighbouring pixels differ, but not by much, and each number stands in many small pieces. Of a label
    image each number stands in one piece or few, and what lies side by side is mostly nucleus and background.

    Parameters
    ----------
    name : str
        Of the file.
    labels : ndarray (..., Y, X) of whole numbers from 0

    Raises
    ------
    NucleiError
        It is a picture.
    """
    flat = labels[tuple(n // 2 for n in labels.shape[:-2])] if labels.ndim > 2 else labels
    part = flat[tuple(slice(max(0, n - _LOOKED_AT) // 2, (n + _LOOKED_AT) // 2) for n in flat.shape)]
    if looks_like_picture(np.asarray(part)):
        raise NucleiError(f"{name} is a picture, no outlines: its numbers change from pixel to pixel.", _HINT)


def looks_like_picture(part: np.ndarray) -> bool:
    """Whether whole numbers (Y, X) are brightness; see `refuse_picture`."""
    from skimage.measure import label

    part = part.astype(np.int64)
    same = beside = apart = 0
    steps = []
    for one, other in ((part[1:], part[:-1]), (part[:, 1:], part[:, :-1])):
        both, differ = (one > 0) & (other > 0), one != other
        same += int(np.count_nonzero(both & ~differ))
        beside += int(np.count_nonzero(both & differ))
        apart += int(np.count_nonzero(differ & ~both))
        steps.append(np.abs(one - other)[both & differ])
    if beside < _LEAST_PIECES or beside < 0.15 * (beside + apart):
        # Nuclei that hardly touch: what is counted lies on a ground of 0.
        return False
    if same < 0.3 * (same + beside) and beside > 0.6 * (beside + apart):
        return True
    pieces, count = label(part, background=0, connectivity=2, return_num=True)
    numbers = len(np.unique(part))
    crumbs = float(np.mean(np.bincount(pieces.ravel())[1:] < _CRUMB)) if count else 0.0
    span = max(1, int(part.max() - part.min()))
    smooth = float(np.median(np.concatenate(steps))) <= 0.1 * span
    return bool(count > _LEAST_PIECES and count >= 5 * numbers and crumbs >= 0.5 and smooth)


def outlines_inside(path: Path) -> tuple[Path, str]:
    """Where the outlines of an OME-Zarr lie that is a picture with outlines in it; the path itself elsewhere.

    Returns
    -------
    path : Path
    note : str
        What was taken; "" where that is the path itself.

    Raises
    ------
    NucleiError
        There are several outlines, and none is named for nuclei.
    """
    found = labels_in(path)
    if not found:
        return path, ""
    named = [one for one in found if re.search(r"nucle", one.name, re.IGNORECASE)]
    if len(found) > 1 and len(named) != 1:
        names = ", ".join(one.name for one in found[:6])
        raise NucleiError(
            f"{path.name} is a picture with {len(found)} sets of outlines: {names}.",
            f"Name one of them, as in {path.name}/labels/{found[0].name}.",
        )
    inner = named[0] if named else found[0]
    return inner, f"It is a picture; the outlines in labels/{inner.name} were taken."
