"""The table of measurements of a slide: piece by piece, so that neither labels nor image lie in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .measure import Columns, measure
from .pieces import BLOCK, pieces

_AXES = ("y", "x")


def measure_large(
    labels: Any,
    read: Callable[[tuple[slice, ...]], np.ndarray] | None = None,
    *,
    block: int = BLOCK,
    check: Callable[[], None] = lambda: None,
    pixel_size_um: Sequence[float] | None = None,
    **options: Any,
) -> Columns:
    """Measure every nucleus of a flat label image of any size; the same numbers as `measure.measure` gives.

    Parameters
    ----------
    labels : array-like (Y, X), integers
        Read with slices.
    read : callable, optional
        Given a box (slices of rows and columns of `labels`), the image's pixels there, (Y, X, C).
    block : int
        Rows and columns looked at in one go, in pixels.
    check : callable
        Called between pieces; may raise to stop.
    pixel_size_um : sequence of float, optional
        As for `measure.measure`, in µm.
    **options
        The other arguments of `measure.measure`.

    Returns
    -------
    dict of str to ndarray (N,)
        See `measure.measure`.

    Raises
    ------
    NucleiError
        See `measure.measure`.
    """
    tables: list[Columns] = []
    for piece in pieces(labels, block):
        check()
        pixels = read(piece.box) if read is not None else None
        table = measure(piece.labels, pixels, pixel_size_um=pixel_size_um, **options)
        for k, (axis, side) in enumerate(zip(_AXES, piece.box, strict=True)):
            table[f"centroid_{axis}_px"] = table[f"centroid_{axis}_px"] + side.start
            if pixel_size_um is not None:
                table[f"centroid_{axis}_um"] = table[f"centroid_{axis}_um"] + side.start * pixel_size_um[k]
        table["touches_border"] = piece.at_border[np.argsort(piece.ids)]
        tables.append(table)
    if not tables:
        empty = np.zeros((1, 1), np.uint8)
        pixels = read((slice(0, 1), slice(0, 1))) if read is not None else None
        return measure(empty, pixels, pixel_size_um=pixel_size_um, **options)
    order = np.argsort(np.concatenate([table["id"] for table in tables]), kind="stable")
    return {name: np.concatenate([table[name] for table in tables])[order] for name in tables[0]}
