"""Outlines as text: one nucleus a line, x and y in turn, as cellpose writes ``IMAGE_cp_outlines.txt`` for Fiji."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .drawn import Drawn, from_polygons
from .odd import Odd
from .painting import NOTHING_IN, check_place, nuclei_of, paint, reach_of
from .rois_shapes import BadOutline, check_finite
from .textfile import read_text

_ENDING = "outlines.txt"
_HINT = "Save the masks from cellpose as PNG or TIF (File > Save masks), and give that file."


def is_outlines_text(path: Path) -> bool:
    """Whether a file, by its name, holds outlines as text."""
    return path.name.lower().endswith(_ENDING)


def read_labels_text(path: Path, shape: Sequence[int] | None) -> tuple[np.ndarray, list[str]]:
    """Fill outlines of a text file into a label image.

    Parameters
    ----------
    path : Path
    shape : sequence of int or None
        Rows and columns of the image, which the file does not say.

    Returns
    -------
    ndarray (Y, X) uint32
    list of str
        What was left out or taken for granted.

    Raises
    ------
    NucleiError
        `shape` is none of a flat image, or the file holds no outlines or those of another image.
    """
    if shape is None or len(shape) != 2:
        raise NucleiError(
            f"{path.name} holds outlines without the size of their image.", "Open it with its flat image."
        )
    found, odd = _read(path)
    if not found:
        if odd.found:
            raise odd.refuse(path, "outlines", _HINT)
        return np.zeros(tuple(int(n) for n in shape), np.uint32), [NOTHING_IN]
    nuclei, notes = nuclei_of(found)
    outside = check_place(path, [one for _, one in nuclei], shape)
    labels, lost = paint(nuclei, shape)
    return labels, [*odd.notes(), *notes, *outside, *lost]


def text_reach(path: Path) -> tuple[int, int] | None:
    """Rows and columns of the smallest image that holds all outlines; None where there are none.

    Raises
    ------
    NucleiError
        The file is absent or cannot be read.
    """
    return reach_of([one for _, one in nuclei_of(_read(path)[0])[0]])


def _read(path: Path) -> tuple[list[Drawn], Odd]:
    odd = Odd()
    found = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            numbers = np.array([float(one) for one in re.split(r"[,;\s]+", line.strip(" ,;\t\r"))])
        except ValueError:
            odd("it is no row of numbers", number)
            continue
        if len(numbers) < 2 or len(numbers) % 2:
            odd("it is no row of x, y pairs", number)
            continue
        try:
            check_finite(numbers)
        except BadOutline as error:
            odd(str(error), number)
            continue
        found.append(_round(numbers.reshape(-1, 2)[:, ::-1] + 0.5, number))
    return found, odd


def _round(corners: np.ndarray, number: int) -> Drawn:
    """The outline whose corners (y, x) are the centres of a nucleus's outermost pixels, which belong to it."""
    import shapely

    whole: shapely.Geometry = shapely.MultiPoint(corners)
    if len(np.unique(corners, axis=0)) > 1:
        whole = shapely.union(whole, shapely.LineString([*corners, corners[0]]))
    if len(corners) > 2:
        whole = shapely.union(whole, shapely.make_valid(shapely.Polygon(corners)))
    # Half a pixel, and a little more: centres on the very line count.
    area = shapely.buffer(whole, 0.51, join_style="mitre", cap_style="square")
    rings = [[np.asarray(part.exterior.coords)[:-1]] for part in shapely.get_parts(area)]
    found = from_polygons(rings, number)
    assert found is not None, "what was widened has an area"
    return found
