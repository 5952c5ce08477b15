"""Tiles of a prediction, shown as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer

from . import layers
from .results import in_dimensions, lead_of, model_name, plane_of

if TYPE_CHECKING:
    from napari_nucleidomain.runs.folder import RunFolder

    from .entry import ImageEntry
    from .session import Session

_MOST_PIXELS = 16_000_000
# Showing is costly: napari colours and uploads all of the layer, and the whole window is drawn.
_SHOW_EVERY_MS = 150


class GrowingLabels:
    """A labels layer that fills tile by tile; of a very large area a reduced picture.

    Parameters
    ----------
    session : Session
    entry : ImageEntry
    run : RunFolder
        The prediction.
    name : str
        The result's name in it: the layer takes the place the result will have.
    """

    def __init__(self, session: Session, entry: ImageEntry, run: RunFolder, name: str) -> None:
        self._session, self._entry = session, entry
        job: Any = run.job
        self._role = f"nuclei:{run.name}:{name}"
        image = entry.image
        shape = tuple(image.spatial_shape) if image is not None else ()
        flat = shape[-2:] if job.plane is not None else shape
        self._box = job.box or [[0, side] for side in flat]
        size = [stop - start for start, stop in self._box]
        self._step = max(1, int(np.ceil((np.prod(size) / _MOST_PIXELS) ** (1 / len(size)))))
        self._origin = tuple(start for start, _ in self._box)
        understood = (job.images[0].understanding or {}) if job.images else {}
        self._lead = lead_of(plane_of(job, understood), len(size), image)
        self._labels = np.zeros([-(-side // self._step) for side in size], np.uint32)
        data, origin = in_dimensions(self._labels, self._origin, self._lead)
        title = f"{entry.name} · nuclei · {model_name(job.model)}"
        self._layer = layers.put_labels(session, entry, self._role, title, data, origin=origin, opacity=0.6)
        self._timer = QTimer(session)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SHOW_EVERY_MS)
        self._timer.timeout.connect(self._show)
        self._waiting = False
        if self._step > 1:
            factor = np.ones(self._layer.ndim)
            factor[-len(size) :] = self._step
            self._layer.scale = np.asarray(self._layer.scale) * factor

    def add(self, origin: tuple[int, ...], labels: np.ndarray) -> None:
        """Show one tile: the first at once, those that follow quickly all together."""
        if self._layer not in self._session.viewer.layers:
            return
        step = self._step
        # The first row of the tile that falls on the reduced grid, for each axis.
        skip = [(-(o - b)) % step for o, b in zip(origin, self._origin, strict=True)]
        piece = labels[tuple(slice(s, None, step) for s in skip)]
        start = [(o - b + s) // step for o, b, s in zip(origin, self._origin, skip, strict=True)]
        place = tuple(slice(a, a + n) for a, n in zip(start, piece.shape, strict=True))
        self._labels[place] = piece[tuple(slice(0, n) for n in self._labels[place].shape)]
        self._waiting = True
        if not self._timer.isActive():
            self._show()

    def _show(self) -> None:
        if self._waiting and not self._session.closed and self._layer in self._session.viewer.layers:
            self._waiting = False
            self._layer.refresh()
            self._timer.start()

    @property
    def reduced(self) -> bool:
        """Whether only a reduced picture is shown."""
        return self._step > 1

    def finish(self, *, keep: bool) -> None:
        """Take the provisional layer away unless the result now stands in its place."""
        self._timer.stop()
        self._timer.deleteLater()
        present = layers.in_viewer(self._session, self._entry, self._role)
        if present is self._layer and not keep:
            layers.remove(self._session, self._entry, self._role)
