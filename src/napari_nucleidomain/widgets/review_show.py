"""How a result is shown: outlines, filled, by uncertainty, by error; and the legend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from . import layers
from .contours import filled_in_3d
from .preferences import dot_size
from .results import in_dimensions

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .review_compute import Assessment
    from .review_subject import Subject
    from .session import Session

Mode = Literal["outlines", "filled", "uncertain", "errors"]
ERRORS, MISSED, SELECTED = "errors", "missed", "selected"
# Seen on pink tissue, on black and on every colour of the error map.
RING = "#00FFFF"
# A ring round a missed nucleus, in diameters of a click: smaller ones lie under the click.
_ROUND_CLICK = 2.2
_PAD = 6
# Key of a layer's metadata: thickness of edges that were drawn here.
_DRAWN = "nuclei_drawn"


def show_as(session: Session, entry: ImageEntry, subject: Subject, mode: Mode, found: Assessment | None) -> None:
    """Show a result in one of the four ways. Selection, tool and camera stay."""
    layer = subject.layer
    with layers.guest(session.viewer):
        if mode == "errors" and found is not None and found.errors is not None:
            if layer.visible:
                layer.metadata["nuclei_hidden"] = True
                layer.visible = False
            _show_errors(session, entry, subject, found)
            return
        hide_errors(session, entry)
        if layer.metadata.pop("nuclei_hidden", False):
            # What the person hid stays hidden.
            layer.visible = True
        layer.metadata.pop(_DRAWN, None)
        layer.contour = 0
        if mode == "outlines":
            _draw_edges(session, layer)
        layer.opacity = 1.0 if mode == "outlines" else 0.6
        if mode == "uncertain":
            from .uncertainty_colours import uncertainty_colours

            layer.colormap = uncertainty_colours(subject)
        elif layer.metadata.get("nuclei_colours"):
            layer.colormap = layer.metadata.pop("nuclei_colours")


def _contour(session: Session, layer: Any) -> int:
    """Thickness in image pixels that gives one to two on screen."""
    zoom = float(session.viewer.scene.camera.zoom) * float(np.abs(layer.scale[-1]))
    return int(np.clip(round(2 / max(zoom, 1e-6)), 1, 4))


def _draw_edges(session: Session, layer: Any) -> None:
    """Draw edges as thick as the zoom asks for now; `follow_zoom` goes on from there."""
    filled_in_3d()
    layer.contour = layer.metadata[_DRAWN] = _contour(session, layer)


def follow_zoom(session: Session) -> None:
    """Keep edges that were drawn here as thick on screen as they were; those a person set otherwise stay."""
    for layer in session.viewer.layers:
        drawn = layer.metadata.get(_DRAWN)
        if drawn is None or layer.contour != drawn:
            continue
        if layer.metadata.get("nuclei_ring"):
            frame(session, layer)
        elif _contour(session, layer) != drawn:
            _draw_edges(session, layer)


def _show_errors(session: Session, entry: ImageEntry, subject: Subject, found: Assessment) -> None:
    from napari.utils.colormaps.colormap import DirectLabelColormap

    from napari_nucleidomain.instances.errormap import COLOURS

    assert found.errors is not None
    colours: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
    colours.update({int(kind): colour for kind, colour in COLOURS.items()})
    data, origin = place_of(subject, found.errors, entry)
    name = f"{entry.name} · errors"
    layer: Any = layers.put_labels(session, entry, ERRORS, name, data, origin=origin, opacity=0.7)
    layer.colormap = DirectLabelColormap(color_dict=colours)
    layer.editable = False
    # Compared with outlines missed nuclei are seen whole.
    _ring_missed(session, entry, subject, found.missed if "point_f1" in found.scores else ())


def _ring_missed(session: Session, entry: ImageEntry, subject: Subject, missed: Any) -> None:
    """Rings round clicks without a nucleus, wider on screen than the clicks whatever the zoom."""
    from napari.layers import Points

    from napari_nucleidomain.instances.errormap import COLOURS, ErrorClass

    if MISSED in entry.layers:
        layers.remove(session, entry, MISSED)
    if not len(missed):
        return
    missed = np.asarray(missed, float)
    ndim = subject.layer.ndim
    lead = offset_of(subject, entry, ndim)[: ndim - missed.shape[1]]
    places = np.hstack([np.tile(lead, (len(missed), 1)), missed])
    shape = layers.geometry(entry)
    shape = {key: value if key in ("rotate", "affine") else tuple(value)[-ndim:] for key, value in shape.items()}
    rings: Any = Points(
        places,
        name=f"{entry.name} · missed",
        face_color="transparent",
        border_color=COLOURS[ErrorClass.MISSED],
        border_width=0.16,
        **shape,
    )
    session.annotations.dots.keep(rings, _ROUND_CLICK * dot_size())
    layers.put(session, entry, MISSED, rings)
    rings.editable = False


def place_of(subject: Subject, pixels: np.ndarray, entry: ImageEntry) -> tuple[np.ndarray, tuple[int, ...]]:
    """Pixels in the place of a result, with the axes of the image as it is shown."""
    from .results import lead_of

    if subject.shown is None:
        extra = subject.layer.ndim - pixels.ndim
        return in_dimensions(pixels, (0,) * pixels.ndim, (0,) * extra)
    stored = subject.shown.stored
    return in_dimensions(pixels, stored.origin, lead_of(stored.plane, len(stored.shape), entry.image))


def figure_colours(
    session: Session, entry: ImageEntry | None, subject: Subject | None, mode: str, found: Assessment | None
) -> dict[str, Any]:
    """What `FigureStyle` needs to show a result as it is on screen; nothing for outlines."""
    if entry is None or subject is None or mode == "outlines" or subject.layer.multiscale:
        return {}
    errors = layers.in_viewer(session, entry, ERRORS)
    if mode == "errors" and errors is not None and found is not None and found.errors is not None:
        return {"classes": found.errors, "table": _table(errors, int(found.errors.max(initial=0)))}
    return {"table": _table(subject.layer, int(np.max(subject.layer.data, initial=0)))}


def _table(layer: Any, top: int) -> np.ndarray:
    """Colours of 0 to `top` in a layer, (top + 1, 4) float; background is clear."""
    from .uncertainty_colours import StepColours

    if isinstance(layer.colormap, StepColours):
        return np.asarray(layer.colormap.map(np.arange(top + 1, dtype=layer.dtype)), np.float32)
    table = np.array([layer.colormap.map(number) for number in range(top + 1)], dtype=np.float32).reshape(-1, 4)
    table[0] = 0
    return table


def hide_errors(session: Session, entry: ImageEntry) -> None:
    """Take the error map away."""
    for role in (ERRORS, MISSED):
        if role in entry.layers:
            layers.remove(session, entry, role)


def mark(session: Session, entry: ImageEntry, subject: Subject, number: int) -> tuple[np.ndarray, float] | None:
    """Ring one nucleus. The ring is a small layer of its own, so that nothing of the result changes.

    Returns
    -------
    centre : ndarray (ndim,)
        In data coordinates of the result's layer.
    size : float
        Its longest side in pixels.
        None where there is no such nucleus.
    """
    data = np.asarray(subject.layer.data)
    where = np.nonzero(data == number)
    if not len(where[0]):
        unmark(session, entry)
        return None
    low = np.maximum([int(axis.min()) - _PAD for axis in where], 0)
    high = np.minimum([int(axis.max()) + _PAD + 1 for axis in where], data.shape)
    crop = (data[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] == number).astype(np.uint8)
    start = offset_of(subject, entry, data.ndim)
    origin = tuple(int(part) for part in low + start)
    ring: Any = layers.put_labels(session, entry, SELECTED, "selected nucleus", crop, origin=origin, opacity=1.0)
    frame(session, ring)
    return np.array([axis.mean() for axis in where]), float((high - low).max() - 2 * _PAD)


def frame(session: Session, layer: Any) -> None:
    """Show a layer of 0 and 1 as a ring that is seen over outlines; what is so already is not set again: it redraws."""
    from napari.utils.colormaps.colormap import CyclicLabelColormap

    if not layer.metadata.get("nuclei_ring"):
        layer.metadata["nuclei_ring"] = True
        # Not a colour for each label by name: napari would compile for that for seconds, at the first choice.
        layer.colormap = CyclicLabelColormap(colors=["transparent", RING])
        layer.editable = False
    width = max(2, _contour(session, layer) + 1)
    filled_in_3d()
    if layer.contour != width:
        layer.contour = width
    layer.metadata[_DRAWN] = width


def offset_of(subject: Subject, entry: ImageEntry, ndim: int) -> np.ndarray:
    """Pixel of the image where a result's layer begins."""
    if subject.shown is None:
        return np.zeros(ndim, int)
    _, origin = place_of(subject, np.zeros((1,) * len(subject.shown.stored.shape)), entry)
    return np.asarray(origin)


def unmark(session: Session, entry: ImageEntry) -> None:
    """Take the ring away."""
    if SELECTED in entry.layers:
        layers.remove(session, entry, SELECTED)


def give_features(subject: Subject, table: dict[str, np.ndarray]) -> None:
    """Fill napari's own features table, so that *Layers > Measure* and other plugins find the measurements."""
    if not len(table["id"]) or subject.layer.multiscale:
        return
    import pandas as pd

    frame = pd.DataFrame({"index": table["id"], **{name: value for name, value in table.items() if name != "id"}})
    subject.layer.features = frame
