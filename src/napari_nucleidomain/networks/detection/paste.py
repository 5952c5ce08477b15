"""From boxes and masks of 28 x 28 to a label image, without one map per nucleus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

MOST_LOST = 0.7
"""A nucleus goes when better ones cover more than this part of it."""


@dataclass(frozen=True)
class Pasted:
    """A label image and what is known of each nucleus.

    Attributes
    ----------
    labels : ndarray
        (H, W) int32, 1..N in the order of the scores, best first.
    order : ndarray
        (N,) int64: row of the detections that became label ``k + 1``.
    scores : ndarray
        (N,) float32.
    uncertainty : ndarray
        (N,) float32 in 0..1: mean of 4 p (1 - p) over the nucleus' pixels.
    """

    labels: np.ndarray
    order: np.ndarray
    scores: np.ndarray
    uncertainty: np.ndarray


def paste(
    boxes: np.ndarray, scores: np.ndarray, masks: np.ndarray, shape: tuple[int, int], threshold: float = 0.5
) -> Pasted:
    """Write masks into a label image, the best score first; a pixel belongs to the first that takes it.

    What better nuclei leave of a mask is reduced to its largest piece; where they leave less than 30 %, it is dropped.

    Parameters
    ----------
    boxes : ndarray
        (N, 4) in px, edges of pixels.
    scores : ndarray
        (N,).
    masks : ndarray
        (N, S, S) float probabilities, each stretched over its box (bilinear, pixel centres).
    shape : tuple of int
        Of the label image.
    threshold : float
        Pixels from this probability on are nucleus.
    """
    labels = np.zeros(shape, np.int32)
    order: list[int] = []
    uncertainty: list[float] = []
    first = np.maximum(np.ceil(boxes[:, :2] - 0.5), 0).astype(int)
    last = np.minimum(np.ceil(boxes[:, 2:] - 0.5), shape[::-1]).astype(int)
    for row in np.argsort(-scores, kind="stable").tolist():
        (x0, y0), (x1, y1) = first[row].tolist(), last[row].tolist()
        if x1 <= x0 or y1 <= y0:
            continue
        p = _stretch(masks[row], boxes[row].tolist(), (x0, x1), (y0, y1))
        mask = p >= threshold
        crop = labels[y0:y1, x0:x1]
        free = mask & (crop == 0)
        area, left = np.count_nonzero(mask), np.count_nonzero(free)
        if not left or area - left > MOST_LOST * area:
            continue
        free = _largest(free)
        order.append(row)
        crop[free] = len(order)
        inside = p[free]
        uncertainty.append(float((4 * inside * (1 - inside)).mean()))
    kept = np.array(order, np.int64)
    return Pasted(labels, kept, scores[kept].astype(np.float32), np.array(uncertainty, np.float32))


def _stretch(mask: np.ndarray, box: list[float], columns: tuple[int, int], rows: tuple[int, int]) -> np.ndarray:
    """Probabilities at the centres of the pixels in the box."""
    side = len(mask)
    across = _weights(columns, box[0], box[2], side)
    down = _weights(rows, box[1], box[3], side)
    return down @ mask @ across.T


def _weights(pixels: tuple[int, int], low: float, high: float, side: int) -> np.ndarray:
    """(pixels, side) bilinear weights."""
    at = (np.arange(*pixels, dtype=np.float32) + np.float32(0.5 - low)) * np.float32(side / (high - low)) - 0.5
    distance = np.abs(np.clip(at, 0, side - 1)[:, None] - np.arange(side, dtype=np.float32))
    return np.maximum(1 - distance, 0)


def _largest(mask: np.ndarray) -> np.ndarray:
    pieces, count = ndimage.label(mask)
    if count < 2:
        return mask
    return pieces == 1 + np.bincount(pieces.ravel())[1:].argmax()
