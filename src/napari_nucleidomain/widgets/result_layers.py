"""Results as layers: shown, filtered without running the model again, and watched for changes by hand."""

from __future__ import annotations

import functools
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from . import layers
from .export import Snapshot
from .result_save import ResultAutosave
from .results import Loaded, Stored, in_dimensions, known_of, lead_of

if TYPE_CHECKING:
    from napari.layers import Labels

    from .entry import ImageEntry
    from .session import Session


@dataclass(frozen=True)
class Filter:
    """Which nuclei of a result are shown. Areas in pixels; None: no limit."""

    least_score: float = 0.0
    least_area: float | None = None
    most_area: float | None = None
    no_border: bool = False


@dataclass(eq=False)
class Shown:
    """A result in the viewer.

    Attributes
    ----------
    areas : ndarray (N,) int64
        Pixels of id k at k - 1; empty for large results.
    border : ndarray (N,) bool
        Whether id k touches the edge of what was segmented.
    edited : bool
        The person painted in it: filters would undo that, so they are off.
    """

    entry: ImageEntry
    loaded: Loaded
    layer: Labels
    areas: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    border: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    filter: Filter = field(default_factory=Filter)
    edited: bool = False

    @functools.cached_property
    def area_px(self) -> float:
        """Pixels that were looked at."""
        return self.stored.area_px

    @property
    def stored(self) -> Stored:
        """Where it came from."""
        return self.loaded.stored

    def kept(self) -> np.ndarray:
        """Which ids the filter lets through, (N,) bool."""
        return keep(self.filter, self.loaded.scores, self.areas, self.border)

    def hidden(self) -> np.ndarray:
        """Ids that the filter hides, or hid when the person began to paint, (N,) int64."""
        return np.flatnonzero(~self.kept()) + 1

    def count(self) -> int:
        """Nuclei shown now."""
        if self.edited:
            return len(np.unique(self.labels())) - int((self.labels() == 0).any())
        return int(self.kept().sum())

    def pixel_sizes(self) -> tuple[float, ...] | None:
        """Micrometres per pixel for each axis; what the person said for this run goes before the file."""
        from napari_nucleidomain.runs.job import pixel_sizes

        job: Any = self.stored.run.job
        return pixel_sizes(job.pixel_size_um, self.entry.pixel_size_um, len(self.stored.shape))

    def snapshot(self) -> Snapshot:
        """Everything a thread needs to measure or write it as it is shown now."""
        stored, entry = self.stored, self.entry
        scores, uncertainty = self.known()
        return Snapshot(
            name=entry.name,
            labels=self.labels() if self.loaded.large else self.labels().copy(),
            origin=stored.origin,
            pixel_size_um=self.pixel_sizes(),
            image=entry.image,
            plane=stored.plane,
            scores=scores,
            uncertainty=uncertainty,
            model=stored.model,
            model_folder=stored.model_folder,
            when=stored.when,
            area_px=self.area_px,
            threshold_shift=stored.threshold_shift,
        )

    def known(self) -> tuple[np.ndarray, np.ndarray]:
        """Scores and uncertainty of id k at k - 1, (N,) float32; NaN for nuclei changed or added by hand."""
        loaded = self.loaded
        if not self.edited or loaded.large:
            return loaded.scores, loaded.uncertainty
        now = self.labels()
        return known_of(loaded.labels, now, loaded.scores), known_of(loaded.labels, now, loaded.uncertainty)

    def labels(self) -> np.ndarray:
        """The label image as shown, without the axes of a stack; changed by hand where the person did."""
        if self.loaded.large:
            return self.loaded.labels[0]  # type: ignore[no-any-return]
        data = np.asarray(self.layer.data)
        return data.reshape(data.shape[data.ndim - len(self.stored.shape) :])


def keep(wanted: Filter, scores: np.ndarray, areas: np.ndarray, border: np.ndarray) -> np.ndarray:
    """Which nuclei a filter lets through.

    Parameters
    ----------
    scores, areas, border : ndarray (N,)
        Of id k at k - 1; `areas` and `border` may be empty where they are not known.
    """
    kept = scores >= wanted.least_score
    if len(areas) == len(kept):
        kept &= areas >= (wanted.least_area or 1)
        if wanted.most_area is not None:
            kept &= areas <= wanted.most_area
    if wanted.no_border and len(border) == len(kept):
        kept &= ~border
    return kept


def edge_ids(labels: np.ndarray) -> np.ndarray:
    """Ids that touch the edge of the last two axes (in a volume: of every plane)."""
    sides = [labels[..., 0, :], labels[..., -1, :], labels[..., :, 0], labels[..., :, -1]]
    found = np.unique(np.concatenate([np.asarray(side).ravel() for side in sides]))
    return found[found > 0]


def measure_ids(labels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Areas and whether at the edge, of id k at k - 1. For a thread."""
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1 : count + 1]
    border = np.zeros(count, dtype=bool)
    at_edge = edge_ids(labels)
    border[at_edge[at_edge <= count].astype(np.int64) - 1] = True
    return areas, border


class ResultLayers(QObject):
    """The results shown in a viewer.

    Signals
    -------
    shown(object), changed(object), gone(object)
        A `Shown` came into the viewer; was filtered or painted in; its layer was removed.
    """

    shown = Signal(object)
    changed = Signal(object)
    gone = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.all: list[Shown] = []
        events = session.viewer.layers.events
        events.removed.connect(self._removed)
        events.inserted.connect(self._inserted)
        self.autosave = ResultAutosave(session)
        session.current_changed.connect(self.autosave.start)
        session.about_to_close.connect(self.autosave.flush)
        session.closing.connect(self._close)

    def of(self, entry: ImageEntry | None) -> list[Shown]:
        """Results of an image that are in the viewer, the latest last."""
        present = self._session.viewer.layers
        return [one for one in self.all if one.entry is entry and one.layer in present]

    def by_role(self, entry: ImageEntry, role: str) -> Shown | None:
        """The result shown under a role."""
        return next((one for one in self.of(entry) if one.stored.role == role), None)

    def show(self, entry: ImageEntry, loaded: Loaded, areas: np.ndarray, border: np.ndarray) -> Shown:
        """Put a result into the viewer as a layer of its own; the tiles shown while it grew are replaced in place."""
        stored = loaded.stored
        name = f"{entry.name} · nuclei · {stored.model}"
        labels, origin = loaded.labels, stored.origin
        if not loaded.large:
            # Painting changes the layer's array in place; what the program found must stay as it is.
            labels, origin = in_dimensions(labels.copy(), origin, lead_of(stored.plane, len(stored.shape), entry.image))
            self._clear_away(entry, stored)
        layer = layers.put_labels(self._session, entry, stored.role, name, labels, origin=origin, opacity=0.6)
        layer.metadata["nuclei"] = {"run": str(stored.run.path), "result": stored.name, "image": entry.id}
        result = Shown(entry, loaded, layer, areas, border, edited=stored.edited and not loaded.large)
        self.all = [one for one in self.all if one.layer is not layer and one.stored.role != stored.role]
        self.all.append(result)
        self._watch(result)
        self.show_only(result)
        self.shown.emit(result)
        return result

    def show_only(self, result: Shown) -> None:
        """Make a result visible and our other results of its image invisible: on top of each other none can be read.

        Done once, when a result comes or is chosen; what the person hides or shows afterwards stays.
        """
        with layers.guest(self._session.viewer):
            for one in self.of(result.entry):
                one.layer.visible = one is result
                # Hidden for the sake of an error map, it must not come back with the map's end.
                one.layer.metadata.pop("nuclei_hidden", None)

    def filter(self, result: Shown, wanted: Filter) -> None:
        """Show only the nuclei that a filter lets through; the result on disk stays whole."""
        if result.edited or result.loaded.large or wanted == result.filter:
            return
        result.filter = wanted
        table = np.concatenate([[0], np.where(result.kept(), np.arange(1, len(result.areas) + 1), 0)]).astype(np.uint32)
        data = table[result.loaded.labels]
        with layers.guest(self._session.viewer):
            result.layer.data = data.reshape(np.shape(result.layer.data))
        self.changed.emit(result)

    def _clear_away(self, entry: ImageEntry, stored: Stored) -> None:
        """An older result of the same model, untouched by hand, makes room; it stays on disk and in Review's list."""
        for one in self.of(entry):
            if one.stored.model == stored.model and one.stored.role != stored.role and not one.edited:
                layers.remove(self._session, entry, one.stored.role)

    def _watch(self, result: Shown) -> None:
        known = weakref.ref(result)

        def painted(event: Any = None) -> None:
            found = known()
            if found is not None:
                found.edited = True
                self.autosave.changed(found)
                self.changed.emit(found)

        def drawn(event: Any = None) -> None:
            # Undo and redo tell nobody but the canvas; what did not change is not written.
            found = known()
            if found is not None and found.edited and found in self.all:
                self.autosave.changed(found)

        if not result.loaded.large:
            result.layer.events.paint.connect(painted)
            result.layer.events.set_data.connect(drawn)

    def _close(self) -> None:
        self.autosave.close()
        events = self._session.viewer.layers.events
        events.removed.disconnect(self._removed)
        events.inserted.disconnect(self._inserted)

    def _removed(self, event: Any) -> None:
        self.autosave.start()
        for one in [item for item in self.all if item.layer is event.value]:
            if one.entry.layers.get(one.stored.role) is not one.layer:
                self.all.remove(one)
            # Else it was put away with its image, or can be shown again from the list of images.
            self.gone.emit(one)

    def _inserted(self, event: Any) -> None:
        for one in self.all:
            if one.layer is event.value:
                self.shown.emit(one)


_registry: weakref.WeakKeyDictionary[Any, ResultLayers] = weakref.WeakKeyDictionary()


def result_layers(session: Session) -> ResultLayers:
    """The results shown in a session's viewer."""
    found = _registry.get(session)
    if found is None:
        found = _registry[session] = ResultLayers(session)
    return found
