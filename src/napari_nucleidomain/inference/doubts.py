"""What makes a result doubtful by itself; said beside the count."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_nucleidomain.contracts import SegmenterSpec

# Larger label images are counted in blocks elsewhere; looking through them again would take too long.
_MOST_PIXELS = 1 << 26
_TIMES = 25
_HALF = 0.5


def doubts(labels: Any, constants: Any, spec: SegmenterSpec) -> list[tuple[str, str]]:
    """(message, hint) for each reason to doubt what was found.

    Parameters
    ----------
    labels : ndarray (*spatial)
    constants : Any
        Of the image; its `diameter`, where it has one, is that of a typical nucleus in pixels.
    spec : SegmenterSpec
    """
    size = getattr(constants, "diameter", None) or spec.diameter_px
    if not size or np.prod(labels.shape) > _MOST_PIXELS:
        return []
    areas = np.bincount(np.asarray(labels).ravel())[1:]
    if not len(areas):
        return []
    spacing = getattr(constants, "spacing", None) or (1.0,) * len(labels.shape)
    typical = (np.pi / 4 * size**2 if len(labels.shape) == 2 else np.pi / 6 * size**3) / float(np.prod(spacing))
    largest, share = int(areas.max()), float(areas.max() / areas.sum())
    if largest < _TIMES * typical or share < _HALF:
        return []
    return [
        (
            f"One object makes up {share:.0%} of all that was found, and is {largest / typical:.0f} times as large as "
            "a typical nucleus: it is hardly one.",
            "Something may lie over the picture that sets the threshold. Look at the result, or crop it away.",
        )
    ]
