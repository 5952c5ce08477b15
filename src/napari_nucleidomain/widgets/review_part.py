"""The part of an image in which everything is said to be right: worked out in a thread, drawn in the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .wording import count

if TYPE_CHECKING:
    from napari_nucleidomain.data.regions import Region

    from .entry import ImageEntry
    from .results import Loaded
    from .review_subject import Subject
    from .session import Session

# Role of its layer, see `ImageEntry.layers`.
PART = "part"
# Okabe and Ito's vermilion: neither that of regions nor that of clicks.
_EDGE = "#D55E00"


@dataclass(frozen=True)
class Asked:
    """What a part is worked out from, copied on the event loop.

    Attributes
    ----------
    kind : {"changed", "view", "regions"}
    labels : ndarray (Y, X)
        As they are now.
    origin, image_shape : tuple of int
        Where they begin in the image, and its size.
    found : Loaded or None
        The result as it was read; None for a layer of another program.
    hidden : ndarray of int
        Ids of `found` that a filter hid when the first change was made.
    seen : list of [start, stop] or None
        What is on screen.
    corners : list of ndarray (V, 2)
        The regions drawn in Points.
    """

    kind: str
    labels: np.ndarray
    origin: tuple[int, ...]
    image_shape: tuple[int, ...]
    found: Loaded | None
    hidden: np.ndarray
    seen: list[list[int]] | None
    corners: list[np.ndarray]


@dataclass(frozen=True)
class Part:
    """Regions, their share of the image, how many nuclei in them a filter hides, and how many lost all they had."""

    regions: list[Region]
    share: float
    hidden: int
    emptied: int = 0

    def words(self) -> str:
        """ "Drawn in the picture: 2 boxes, 4 % of the image." """
        percent = 100 * self.share
        share = f"{percent:.0f}" if percent >= 1 else f"{percent:.1g}" if percent >= 0.05 else "less than 0.1"
        said = f"Drawn in the picture: {count(len(self.regions), 'part')}, {share} % of the image."
        if self.hidden:
            lie = "nucleus in it is" if self.hidden == 1 else "nuclei in it are"
            said += f" {self.hidden} {lie} hidden by the filters of Predict, and will be learned as none."
        return said

    def warning(self) -> str:
        """What a slip would teach wrongly: "2 of these parts hold no nucleus now: …"; "" where none was emptied."""
        if not self.emptied:
            return ""
        hold = "part holds" if len(self.regions) == 1 else "parts holds" if self.emptied == 1 else "parts hold"
        which = "This" if len(self.regions) == 1 else f"{self.emptied} of these"
        it = "it" if self.emptied == 1 else "them"
        return f"{which} {hold} no nucleus now: everything in {it} will be learned as background. Right?"

    def in_view(self, seen: list[list[int]] | None) -> bool:
        """Whether all of it lies in what is on screen."""
        return seen is not None and all(
            start <= a and b <= stop
            for region in self.regions
            for (a, b), (start, stop) in zip(region.bounds, seen, strict=True)
        )


def show_part(session: Session, entry: ImageEntry, part: Part) -> None:
    """Bring all of it onto the canvas."""
    from .view import look_at

    bounds = np.array([region.bounds for region in part.regions], dtype=float)
    ends = [entry.layers["image"].data_to_world(corner) for corner in (bounds[..., 0].min(0), bounds[..., 1].max(0))]
    first, last = np.asarray(ends, dtype=float)
    wide = float(np.abs(last - first).max())
    look_at(session.viewer, (first + last) / 2, wide, share=0.9, inside=entry.layers["image"])


def asked_of(subject: Subject, entry: ImageEntry, kind: str, seen: list[list[int]] | None) -> Asked:
    """Copy what is needed, on the event loop."""
    from .review_subject import snapshot_of

    shown, image = subject.shown, entry.image
    assert image is not None
    if shown is None:
        labels, origin = snapshot_of(subject, entry).labels, (0, 0)
    else:
        labels, origin = shown.labels().copy(), shown.stored.origin
    hidden = shown.hidden() if shown is not None else np.zeros(0, np.int64)
    found = shown.loaded if shown is not None else None
    return Asked(kind, labels, origin, tuple(image.spatial_shape), found, hidden, seen, list(entry.regions))


def find_part(asked: Asked) -> Part:
    """Work out the part (in a thread).

    Raises
    ------
    NucleiError
        There is none: nothing was changed, or nothing is in view; the message says which.
    """
    from napari_nucleidomain.data.regions import regions_mask

    labels, origin = asked.labels, asked.origin
    extent = [(int(o), int(o) + int(n)) for o, n in zip(origin, labels.shape, strict=True)]
    found, before = _before(asked) if asked.found is not None else (labels, labels)
    if asked.kind == "changed":
        regions = _changed(labels, before, origin)
    elif asked.kind == "regions":
        regions = _drawn(asked.corners, extent)
    else:
        regions = [_in_view(asked.seen, extent)]
    inside = regions_mask(regions, labels.shape, origin)
    hidden = np.unique(found[inside & (found > 0) & (before == 0) & (labels == 0)])
    share = float(np.count_nonzero(inside)) / float(np.prod(asked.image_shape))
    emptied = sum(_emptied(one, before, labels, origin) for one in regions)
    return Part(regions, share, len(hidden), emptied)


def _emptied(region: Region, before: np.ndarray, now: np.ndarray, origin: tuple[int, ...]) -> bool:
    """Whether a region held nuclei before and holds none now."""
    from napari_nucleidomain.data.regions import regions_mask

    starts = [max(0, int(a) - o) for (a, _), o in zip(region.bounds, origin, strict=True)]
    sides = [slice(s, max(s, int(np.ceil(b)) - o)) for s, (_, b), o in zip(starts, region.bounds, origin, strict=True)]
    # As much again round it, so that nuclei which only reach into it are told from those that lie in it.
    wide = [slice(max(0, s.start - (s.stop - s.start)), s.stop + (s.stop - s.start)) for s in sides]
    corner = tuple(s.start + o for s, o in zip(wide, origin, strict=True))
    old, new = before[tuple(wide)], now[tuple(wide)]
    inside = regions_mask([region], old.shape, corner)
    return _lies_in(old, inside) and not _lies_in(new, inside)


def _lies_in(labels: np.ndarray, inside: np.ndarray) -> bool:
    """Whether at least half of some nucleus lies inside."""
    ids, counts = np.unique(labels[inside], return_counts=True)
    areas = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    return any(number and 2 * held >= areas[number] for number, held in zip(ids, counts, strict=True))


def _before(asked: Asked) -> tuple[np.ndarray, np.ndarray]:
    """The labels that the program found, and as they were shown when the first change was made."""
    from napari_nucleidomain.data.labels_io import read_labels

    assert asked.found is not None
    stored, hidden = asked.found.stored, asked.hidden
    if stored.edited:
        found, hidden = read_labels(stored.found_file).labels, stored.hidden
    else:
        found = asked.found.labels
    table = np.arange(int(found.max(initial=0)) + 1, dtype=np.uint32)
    table[hidden[hidden < len(table)]] = 0
    return found, table[found]


def _changed(labels: np.ndarray, before: np.ndarray, origin: tuple[int, ...]) -> list[Region]:
    from napari_nucleidomain.data.changed_parts import boxes_round_changes
    from napari_nucleidomain.data.regions import Region

    areas = np.bincount(np.unique(labels[labels > 0], return_inverse=True)[1]) if labels.any() else np.array([400])
    boxes = boxes_round_changes(before, labels, margin=round(float(np.sqrt(np.median(areas))) / 4))
    if not boxes:
        raise NucleiError("Nothing was changed by hand.", "Choose what you see now if all of it is right.")
    y, x = origin
    return [Region.box(r.start + y, c.start + x, r.stop + y, c.stop + x) for r, c in boxes]


def _drawn(corners: list[np.ndarray], extent: list[tuple[int, int]]) -> list[Region]:
    from .storage import as_regions

    whole = [
        one
        for one in as_regions(corners)
        if all(start <= a and b <= stop for (a, b), (start, stop) in zip(one.bounds, extent, strict=True))
    ]
    if not whole:
        raise NucleiError(
            "The regions lie outside what was segmented, or reach beyond it.",
            "Find the nuclei in the whole region first, or choose what you see now.",
        )
    return whole


def _in_view(seen: list[list[int]] | None, extent: list[tuple[int, int]]) -> Region:
    from napari_nucleidomain.data.regions import Region

    if seen is None:
        raise NucleiError("The image is not in view.", "Bring it onto the screen, then try again.")
    sides = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(seen, extent, strict=True)]
    if any(stop <= start for start, stop in sides):
        raise NucleiError("Nothing of the result is in view.", "Move the image so that you see what you corrected.")
    (top, bottom), (left, right) = sides
    return Region.box(top, left, bottom, right)


def draw(session: Session, entry: ImageEntry, part: Part) -> None:
    """Show a part in the picture, as a guest."""
    from .layers import guest, in_viewer, put
    from .points_shapes import restore_regions
    from .storage import as_corners

    layer = in_viewer(session, entry, PART)
    if layer is None:
        layer = put(session, entry, PART, _layer(entry))
    with guest(session.viewer):
        layer.editable = True
        restore_regions(layer, as_corners(part.regions))
        layer.editable = False


def _layer(entry: ImageEntry):  # type: ignore[no-untyped-def]
    from napari.layers import Shapes

    from .layers import geometry
    from .points_layers import edge_width

    layer = Shapes(ndim=entry.ndim, name=f"{entry.name} · said to be right", **geometry(entry))
    layer.current_edge_color, layer.current_face_color = _EDGE, [0, 0, 0, 0]
    layer.current_edge_width = edge_width(entry)
    return layer


def take_away(session: Session, entry: ImageEntry) -> None:
    """Show it no more."""
    from .layers import remove

    if PART in entry.layers:
        remove(session, entry, PART)
