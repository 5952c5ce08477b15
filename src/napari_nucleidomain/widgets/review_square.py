"""A square of the image to look through, drawn as a frame over the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import layers
from .review_show import frame, offset_of, unmark
from .view import look_at

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .review_subject import Subject
    from .session import Session

ROLE = "square"
# Around the square the tissue stays in sight: nuclei at its edge are judged by their middle.
_IN_VIEW = 0.4
_PAD = 8


def show_square(session: Session, entry: ImageEntry, subject: Subject, square: Sequence[int]) -> None:
    """Frame a square [y0, y1, x0, x1] (pixels of the labels) and bring it into the middle of the canvas."""
    unmark(session, entry)
    layer: Any = subject.layer
    y0, y1, x0, x1 = square
    size = max(y1 - y0, x1 - x0) * float(np.abs(layer.scale[-1]))
    # Whatever the zoom was before: it has to be looked through whole.
    session.viewer.scene.camera.zoom = _IN_VIEW * min(session.viewer.canvas.size) / size
    lead = (0,) * (layer.ndim - 2)
    look_at(session.viewer, layer.data_to_world((*lead, (y0 + y1 - 1) / 2, (x0 + x1 - 1) / 2)))
    pixels = np.zeros((1,) * len(lead) + (y1 - y0 + 2 * _PAD, x1 - x0 + 2 * _PAD), np.uint8)
    pixels[..., _PAD:-_PAD, _PAD:-_PAD] = 1
    origin = np.array([*lead, y0 - _PAD, x0 - _PAD]) + offset_of(subject, entry, layer.ndim)
    place = tuple(int(part) for part in origin)
    frame(
        session,
        layers.put_labels(session, entry, ROLE, "square to look through", pixels, origin=place, opacity=1.0),
    )


def hide_square(session: Session, entry: ImageEntry) -> None:
    """Take the frame away."""
    if ROLE in entry.layers:
        layers.remove(session, entry, ROLE)
