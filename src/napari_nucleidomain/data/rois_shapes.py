"""The outlines of ImageJ's regions as rings: rectangles with round corners, ovals, composites with curves."""

from __future__ import annotations

from typing import Any

import numpy as np

_OVAL_CORNERS = 16  # per pixel of its diameter, so that no pixel centre is missed
_MOST_CORNERS = 1 << 20
_CURVE_CORNERS = 32
# No image is larger.
_FARTHEST = 1e7
# A composite's path: a step's number, and how many x, y pairs follow (java.awt.geom.PathIterator).
_MOVE, _LINE, _QUADRATIC, _CUBIC, _CLOSE = 0, 1, 2, 3, 4
_PAIRS = {_MOVE: 1, _LINE: 1, _QUADRATIC: 2, _CUBIC: 3, _CLOSE: 0}


class BadOutline(ValueError):
    """An outline that is none; the text says why, for a person."""


def rings_of(raw: Any) -> list[np.ndarray]:
    """Rings of an area, as rows (y, x) in pixel edges; those without an area are left out.

    Parameters
    ----------
    raw : roifile.ImagejRoi

    Raises
    ------
    BadOutline
        It reaches to infinity, or its path is damaged.
    """
    from roifile import ROI_TYPE

    if raw.multi_coordinates is not None:
        parts = _path_rings(np.asarray(raw.multi_coordinates, np.float64))
    elif raw.roitype in (ROI_TYPE.RECT, ROI_TYPE.OVAL):
        x, y, width, height = (
            (raw.xd, raw.yd, raw.widthd, raw.heightd)
            if raw.subpixelrect
            else (raw.left, raw.top, raw.right - raw.left, raw.bottom - raw.top)
        )
        check_finite(np.array([x, y, width, height], np.float64))
        if width <= 0 or height <= 0:
            return []
        oval = raw.roitype == ROI_TYPE.OVAL
        arc = max(width, height) if oval else float(raw.rounded_rect_arc_size)
        parts = [_rounded(width, height, min(width, arc), min(height, arc)) + np.array([x, y])]
    else:
        parts = [np.asarray(raw.coordinates(), np.float64).reshape(-1, 2)]
    rings = [part[:, ::-1].copy() for part in parts if len(part) >= 3]
    for ring in rings:
        check_finite(ring)
    return rings


def check_finite(numbers: np.ndarray) -> None:
    """Refuse places that are no numbers, or beyond every image."""
    if not np.isfinite(numbers).all():
        raise BadOutline("it has a place that is no number (NaN or infinite)")
    if numbers.size and np.abs(numbers).max() > _FARTHEST:
        raise BadOutline("it lies farther out than any image reaches")


def _rounded(width: float, height: float, arc_width: float, arc_height: float) -> np.ndarray:
    """A rectangle at (0, 0) whose corners are quarters of an ellipse of these diameters; whole ones make an oval."""
    if arc_width <= 0 or arc_height <= 0:
        return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    number = min(_MOST_CORNERS, max(64, int(_OVAL_CORNERS * max(arc_width, arc_height))))
    turn = np.linspace(0, 2 * np.pi, number, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1) / 2 + 0.5
    right_and_low = circle > 0.5
    return circle * [arc_width, arc_height] + right_and_low * [width - arc_width, height - arc_height]


def _path_rings(path: np.ndarray) -> list[np.ndarray]:
    """Rings (N, 2) of x, y pairs of a composite's path; curves become short lines."""
    rings: list[np.ndarray] = []
    pairs: list[np.ndarray] = []
    at = 0
    while at < len(path):
        step = path[at]
        length = _PAIRS.get(int(step)) if np.isfinite(step) else None
        if length is None or at + 1 + 2 * length > len(path) or (not pairs and step != _MOVE):
            raise BadOutline("its path is damaged")
        to = path[at + 1 : at + 1 + 2 * length].reshape(-1, 2)
        check_finite(to)
        at += 1 + 2 * length
        if step == _MOVE:
            if pairs:
                rings.append(np.concatenate(pairs))
            pairs = [to]
        elif step == _LINE:
            pairs.append(to)
        elif step != _CLOSE:
            pairs.append(_curve(np.concatenate([pairs[-1][-1:], to])))
    return [*rings, np.concatenate(pairs)] if pairs else rings


def _curve(control: np.ndarray) -> np.ndarray:
    """Points of a Bézier curve (de Casteljau), without its first."""
    along = np.linspace(0, 1, _CURVE_CORNERS + 1)[1:, None, None]
    points = np.broadcast_to(control, (_CURVE_CORNERS, *control.shape))
    while points.shape[1] > 1:
        points = points[:, :-1] * (1 - along) + points[:, 1:] * along
    return points[:, 0]
