"""Drawn nuclei on another grid of pixels than the one they were drawn on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .ellipsoids import Ellipsoids, pixels_inside
from .masks import cut


def labels_on(nuclei: Ellipsoids, step: Sequence[float], shape: Sequence[int]) -> np.ndarray:
    """Labels of an image that is finer or coarser than the mask: ellipses are drawn anew, so that edges stay smooth.

    Parameters
    ----------
    nuclei : Ellipsoids
        As drawn, in pixels of the mask, all sides of a pixel being 1.
    step : sequence of float
        Size of the new pixels per axis, in those of the mask. The first pixels of both begin at the same corner.
    shape : sequence of int
        Of the labels.

    Returns
    -------
    ndarray (*shape) uint16 or uint32
        Ids 1..N, none left out: nuclei that cover no pixel have none. Where two touch within a pixel it is the first's.
    """
    sides = np.asarray(step, float)
    labels = np.zeros(tuple(shape), np.uint16 if len(nuclei) < 2**16 else np.uint32)
    # Pixel 0 of the new grid is centred at step / 2 from the corner, that of the mask at 1 / 2.
    centres = nuclei.centre + 0.5 - sides / 2
    value = 0
    for centre, form, reach in zip(centres, nuclei.forms(), nuclei.reach(), strict=True):
        first, inside = pixels_inside(centre, form, reach, sides)
        box, part = cut(first, inside.shape, labels.shape)
        view = labels[box]
        free = inside[part] & (view == 0)
        if free.any():
            value += 1
            view[free] = value
    return labels
