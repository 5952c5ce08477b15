"""What makes a result doubtful by itself; said beside the count."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_nucleidomain.contracts import SegmenterSpec
from napari_nucleidomain.instances.classical import ClassicalParameters

# Larger label images are counted in blocks elsewhere; looking through them again would take too long.
_MOST_PIXELS = 1 << 26
_TIMES = 25
_HALF = 0.5
# By how much objects may be larger or smaller, in the mean, than the blobs in the picture; 0.6 to 2.0 on 88 images.
_JOINED, _BROKEN = 3.0, 0.3
_LEAST_COUNT = 5


def doubts(labels: Any, constants: Any, spec: SegmenterSpec, factor: float = 1.0) -> list[tuple[str, str]]:
    """(message, hint) for each reason to doubt what was found.

    Parameters
    ----------
    labels : ndarray (*spatial)
        Those of a slide, which lie in a file, are not looked at.
    constants : Any
        Of the image; its `diameter`, where it has one, is that of a typical nucleus in pixels.
    spec : SegmenterSpec
    factor : float
        By which the image was scaled for the model, in whose pixels `spec` counts.
    """
    size = getattr(constants, "diameter", None) or (spec.diameter_px or 0) / factor
    if not size or not isinstance(labels, np.ndarray) or labels.size > _MOST_PIXELS:
        return []
    areas = np.bincount(labels.ravel())[1:]
    areas = areas[areas > 0]
    if not len(areas):
        return []
    spacing = getattr(constants, "spacing", None) or (1.0,) * labels.ndim
    typical = (np.pi / 4 * size**2 if labels.ndim == 2 else np.pi / 6 * size**3) / float(np.prod(spacing))
    found = [_dominated(areas, typical), _count(areas, typical) if isinstance(constants, ClassicalParameters) else None]
    return [one for one in found if one is not None][:1]


def _dominated(areas: np.ndarray, typical: float) -> tuple[str, str] | None:
    largest, share = int(areas.max()), float(areas.max() / areas.sum())
    if largest < _TIMES * typical or share < _HALF:
        return None
    return (
        f"One object makes up {share:.0%} of all that was found, and is {largest / typical:.0f} times as large as "
        "a typical nucleus: it is hardly one.",
        "Something may lie over the picture that sets the threshold. Look at the result, or crop it away.",
    )


def _count(areas: np.ndarray, typical: float) -> tuple[str, str] | None:
    """Whether there are far fewer or more objects than their area holds nuclei of the size of the picture's blobs."""
    number, expected = len(areas), float(areas.sum() / typical)
    if max(number, expected) < _LEAST_COUNT or _BROKEN < expected / number < _JOINED:
        return None
    looks = "run together" if expected > number else "are broken into pieces, or hold much that is none"
    return (
        f"{number:,} {'object' if number == 1 else 'objects'} where about {expected:,.0f} nuclei of the size seen in "
        f"the picture would have the same area: nuclei {looks}.",
        "Look at the result. *Fainter ↔ brighter* (--set threshold_shift) or the size of a nucleus (--set diameter_px) "
        "may mend it.",
    )
