"""Outlines a person corrected in a part of an image: what is known there for sure, put over what clicks let one guess.

Not in the paper. Inside the corrected part nothing is guessed: its nuclei and its background are labels for the first
network and instances for the second, as in the row "fully" of the paper's Table 2.
"""

from __future__ import annotations

import numpy as np

from napari_nucleidomain.data.example import Corrections
from napari_nucleidomain.instances.deepest import suggest_points

from .pseudo_labels import BACKGROUND, INSTANCE_IGNORED, NUCLEUS


def points_with(points: np.ndarray, corrections: Corrections) -> tuple[np.ndarray, np.ndarray]:
    """Clicks outside the corrected part, and one point in each nucleus inside it.

    Parameters
    ----------
    points : ndarray (N, 2)
        Clicks; those inside the corrected part are superseded, and those on a nucleus that its border cuts.
    corrections : Corrections

    Returns
    -------
    points : ndarray (M, 2) float64
    sure : ndarray (M,) bool
        Which are of corrected nuclei.
    """
    labels, inside = corrections.labels, corrections.inside
    at = tuple(np.clip(np.floor(points + 0.5).astype(int), 0, np.array(labels.shape) - 1).T)
    outlined = np.unique(labels[inside & (labels > 0)])
    own = points[~(inside[at] | np.isin(labels[at], outlined))]
    made = suggest_points(np.where(inside, labels, 0))
    return np.concatenate([own, made]), np.arange(len(own) + len(made)) >= len(own)


def teach_semantic(labels: np.ndarray, known: np.ndarray | None) -> np.ndarray:
    """Partial labels (H, W) uint8 of an image, with what is known for sure."""
    if known is None:
        return labels
    sure = known != INSTANCE_IGNORED
    return np.where(sure, np.where(known > 0, NUCLEUS, BACKGROUND), labels).astype(np.uint8)


def teach_instances(instances: np.ndarray, known: np.ndarray | None) -> np.ndarray:
    """Pseudo-instances (H, W) int32 of an image, with what is known for sure.

    A guessed nucleus that reaches into the corrected part is left out: what is outside may be the rest of one that was
    outlined, or another.
    """
    if known is None:
        return instances
    sure = known != INSTANCE_IGNORED
    reaching = np.unique(instances[sure & (instances > 0)])
    guessed = np.where(np.isin(instances, reaching), INSTANCE_IGNORED, instances)
    top = int(guessed.max(initial=0))
    return np.where(sure, np.where(known > 0, known + top, 0), guessed).astype(np.int32)
