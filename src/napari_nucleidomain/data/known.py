"""Outlines of a part of an image as one array: nuclei, background, and where nothing is known."""

from __future__ import annotations

import numpy as np

from napari_nucleidomain.instances.labelimage import compact

from .example import Corrections

# Neither nucleus nor background: nobody said.
UNKNOWN = -1


def known_map(corrections: Corrections) -> np.ndarray:
    """Corrections as one array.

    Returns
    -------
    ndarray (H, W) int32
        1..N nuclei, 0 background, -1 where nothing was corrected.
    """
    small, _ = compact(np.where(corrections.inside, corrections.labels, 0))
    return np.where(corrections.inside, small, UNKNOWN).astype(np.int32)


def with_corrections(labels: np.ndarray, corrections: Corrections) -> np.ndarray:
    """Outlines of the whole image with the corrected part laid over them, numbered 1..N."""
    part, _ = compact(corrections.labels)
    laid = np.where(corrections.inside, np.where(part > 0, part + int(labels.max(initial=0)), 0), labels)
    return compact(laid)[0]
