"""What can be reviewed, and what it can be compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .export import Snapshot
from .predict_scale import learned_from
from .result_layers import Shown, result_layers
from .review_compute import Reference, summary_words
from .wording import count, day_and_clock, density_words

if TYPE_CHECKING:
    from napari.layers import Labels

    from .entry import ImageEntry
    from .session import Session

# Roles of labels layers of ours that are no results.
_NOT_RESULTS = ("preview", "errors", "selected", "square", "outlines")


@dataclass(frozen=True)
class Subject:
    """A labels layer that is looked at."""

    key: str
    name: str
    layer: Labels
    shown: Shown | None = None


def subjects(session: Session, entry: ImageEntry | None) -> list[Subject]:
    """Results of an image in the viewer, the latest first, then labels of other programs that fit it."""
    if entry is None:
        return []
    found = [_of_shown(one) for one in reversed(result_layers(session).of(entry))]
    taken = {subject.layer for subject in found} | _own_layers(session)
    found += [_foreign(layer) for layer in _labels(session) if layer not in taken and fits(layer, entry)]
    return found


def _of_shown(one: Shown) -> Subject:
    stored = one.stored
    part = "" if stored.origin == (0,) * len(stored.origin) and _is_whole(one) else " (part)"
    edited = " · edited" if one.edited else ""
    return Subject(stored.role, f"{stored.model}{part} · {day_and_clock(stored.when)}{edited}", one.layer, one)


def _is_whole(one: Shown) -> bool:
    image = one.entry.image
    return image is None or tuple(image.spatial_shape)[-len(one.stored.shape) :] == one.stored.shape


def _foreign(layer: Labels) -> Subject:
    return Subject(f"layer:{layer.unique_id}", layer.name, layer)


def _labels(session: Session) -> list[Any]:
    from napari.layers import Labels

    return [layer for layer in session.viewer.layers if isinstance(layer, Labels) and not layer.multiscale]


def _own_layers(session: Session) -> set[Any]:
    """Labels of ours that are no results: previews, error maps, outlines."""
    return {
        layer
        for entry in session.images
        for role, layer in entry.layers.items()
        if role.split(":")[0] in _NOT_RESULTS or role.startswith("nuclei:")
    }


def fits(layer: Any, entry: ImageEntry) -> bool:
    """Whether a labels layer has the size of the image."""
    image = entry.image
    return image is not None and tuple(layer.data.shape)[-2:] == tuple(image.spatial_shape)[-2:]


def snapshot_of(subject: Subject, entry: ImageEntry) -> Snapshot:
    """A subject's labels for a thread."""
    if subject.shown is not None:
        return subject.shown.snapshot()
    labels = np.array(subject.layer.data)
    while labels.ndim > 2 and labels.shape[0] == 1:
        labels = labels[0]
    sizes = entry.pixel_size_um
    fitting = entry.image is not None and labels.shape == tuple(entry.image.spatial_shape)[-labels.ndim :]
    return Snapshot(
        name=entry.name,
        labels=labels,
        origin=(0,) * labels.ndim,
        pixel_size_um=tuple(sizes[-labels.ndim :]) if sizes and len(sizes) >= labels.ndim else None,
        image=entry.image if fitting else None,
        plane=None,
        scores=None,
        uncertainty=None,
        model=subject.layer.name,
    )


@dataclass(frozen=True)
class Choice:
    """An entry of *compare with*: reading it is left to a thread."""

    key: str
    name: str
    make: Callable[[], Reference] | None


def choices(session: Session, entry: ImageEntry | None, subject: Subject | None) -> list[Choice]:
    """What a result can be compared with; the first is nothing."""
    found = [Choice("", "nothing", None)]
    if entry is None or subject is None:
        return found
    if entry.labels is not None:
        path, shape = entry.labels, tuple(entry.image.spatial_shape) if entry.image is not None else None
        found.append(Choice("outlines", "outlines", lambda: _read(path, shape)))
    if len(entry.points):
        found.append(Choice("clicks", f"clicks ({len(entry.points)})", _clicks(entry)))
    for other in subjects(session, entry):
        if other.layer is not subject.layer:
            taken = snapshot_later(other, entry)
            found.append(Choice(other.key, f"result {other.name}" if other.shown else other.name, taken))
    return found


def snapshot_later(other: Subject, entry: ImageEntry) -> Callable[[], Reference]:
    """The labels of another result, taken on the event loop when asked, put into the place of the whole image."""
    from .export import whole

    def make() -> Reference:
        snapshot = snapshot_of(other, entry)
        return Reference("labels", other.name, whole(snapshot))

    return make


def _read(path: Any, shape: tuple[int, ...] | None) -> Reference:
    """Outlines of a file, with what was left out of it as the note."""
    from napari_nucleidomain.data.labels_io import read_labels, separated

    found = separated(read_labels(path, shape))
    return Reference("labels", "outlines", found.labels, note=" ".join(found.notes))


def _clicks(entry: ImageEntry) -> Callable[[], Reference]:
    """Clicks with the area where they are complete: the regions; else the image, if they cover it; else their hull."""
    from .storage import as_regions

    points, image = entry.points.copy(), entry.image
    regions = as_regions(entry.regions, image.plane_axes if image is not None else "")

    def make() -> Reference:
        from napari_nucleidomain.data.coverage import covers_image
        from napari_nucleidomain.data.regions import hull_region

        if regions:
            return Reference("clicks", "clicks", points=points, regions=regions, note="inside the regions")
        if image is None or covers_image(points[:, -2:], tuple(image.spatial_shape)[-2:]):
            return Reference("clicks", "clicks", points=points)
        hull = hull_region(points[:, -2:], shape=tuple(image.spatial_shape)[-2:])
        return Reference("clicks", "clicks", points=points, regions=[hull], note="in the area round the clicks")

    return make


def measured_on(subject: Subject, entry: ImageEntry) -> str:
    """What scores are measured on, and whether the model had seen it."""
    told = f"Measured on {entry.name}"
    if subject.shown is None or subject.shown.stored.model == "otsu":
        return f"{told}."
    return f"{told}; {_learned(str(subject.shown.stored.run.job.model), entry)}."


def _learned(model: str, entry: ImageEntry) -> str:
    """Whether a model learned from an image, as its card tells."""
    from napari_nucleidomain.contracts import NucleiError, load_card

    may_have = "the model may have learned from it"
    try:
        card = load_card(model)
    except NucleiError:
        # The model was removed since.
        return may_have
    if learned_from(card, entry) and card.trained_on.get("labels") == 0:
        return "the model learned from the image alone, never from clicks or outlines; on other images it may do worse"
    if learned_from(card, entry):
        return "the model learned from it: on images it has not seen it may do worse"
    # What an earlier model learned from is not in the card of the later one.
    return may_have if card.parent else "the model has not learned from it"


def summary_of(subject: Subject, entry: ImageEntry, table: dict[str, np.ndarray]) -> str:
    """ "1,204 nuclei, 312 / mm²", then sizes: rich text for the dock."""
    number = len(table["id"])
    shown = subject.shown
    area = shown.area_px if shown is not None else float(np.prod(np.shape(subject.layer.data)))
    sizes = shown.pixel_sizes() if shown is not None else entry.pixel_size_um
    ndim = 3 if "volume_px" in table else 2
    density = density_words(number, area, sizes, ndim) if number else ""
    rest = summary_words(table)
    head = count(number, "nucleus", "nuclei") + (f", {density}" if density else "")
    return f"<b>{head}</b>" + (f"<br>{rest}" if rest else "")
