"""Pixel sizes as they count in distances: relative to the last axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_nucleidomain.contracts import NucleiError


def relative_spacing(spacing: Sequence[float] | None, ndim: int) -> tuple[float, ...]:
    """Pixel size per axis in units of the last.

    Parameters
    ----------
    spacing : sequence of float, optional
        In any unit; pixels have equal sides where it is not known.
    ndim : int

    Raises
    ------
    NucleiError
        It has not one number above 0 per axis.
    """
    given = np.ones(ndim) if spacing is None else np.asarray(spacing, float)
    if given.shape != (ndim,) or not (np.isfinite(given) & (given > 0)).all():
        raise NucleiError(f"The pixel size {spacing} does not fit {ndim} axes.", "Give one above 0 per axis.")
    return tuple(float(side) for side in given / given[-1])
