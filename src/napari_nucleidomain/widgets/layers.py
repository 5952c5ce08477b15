"""Putting our layers into the viewer as a guest: selection, tool, camera and sliders stay as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from .entry import shown_axes

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

    from napari_nucleidomain.data.images import Image

    from .entry import ImageEntry
    from .session import Session

CLICKS = "clicks"
REGIONS = "regions"
OUTLINES = "outlines"
# Seen on pink tissue, on black and on white: light fill, dark rim (Okabe and Ito's yellow and sky blue).
CLICK_FACE, CLICK_RIM, REGION_EDGE, SUGGESTION = "#F0E442", "#000000", "#56B4E9", "#56B4E9"


@contextmanager
def guest(viewer: napari.Viewer) -> Iterator[None]:
    """Whatever layers are added, changed or removed inside, the viewer's state is put back afterwards.

    Selection, active layer, its tool, camera and sliders stay as they were; only an empty viewer is free to show
    its first layer as napari does.
    """
    layers = viewer.layers
    if not len(layers):
        yield
        return
    selected, active = list(layers.selection), layers.selection.active
    modes = {layer: layer.mode for layer in layers}
    camera = viewer.scene.camera
    view = (camera.center, camera.zoom, camera.angles)
    ndisplay, order, ndim, point = viewer.dims.ndisplay, viewer.dims.order, viewer.dims.ndim, viewer.dims.point
    try:
        yield
    finally:
        # Removing the active layer makes napari choose another; ours are put back only if still there.
        layers.selection.active = active if active in layers else None
        layers.selection.update(one for one in selected if one in layers)
        for extra in set(layers.selection) - set(selected):
            layers.selection.discard(extra)
        for layer, mode in modes.items():
            if layer in layers and layer.mode != mode:
                layer.mode = mode
        if viewer.dims.ndisplay != ndisplay:
            viewer.dims.ndisplay = ndisplay
        if viewer.dims.ndim == ndim and len(layers):
            if viewer.dims.order != order:
                viewer.dims.order = order
            if viewer.dims.point != point:
                viewer.dims.point = point
        if (camera.center, camera.zoom, camera.angles) != view:
            camera.center, camera.zoom, camera.angles = view


def geometry(entry: ImageEntry) -> dict[str, Any]:
    """`scale`, `translate`, `units` and `axis_labels` for a layer that lies on an image, pixel on pixel.

    The layer in the viewer is asked first, because the user may have moved or rescaled it there.
    """
    layer = entry.layers.get("image")
    if layer is not None:
        placed = {
            "scale": layer.scale,
            "translate": layer.translate,
            "units": layer.units,
            "axis_labels": layer.axis_labels,
        }
        if not np.allclose(np.asarray(layer.rotate), np.eye(layer.ndim)):
            placed["rotate"] = layer.rotate
        if not np.allclose(layer.affine.affine_matrix, np.eye(layer.ndim + 1)):
            placed["affine"] = layer.affine
        return placed
    if entry.image is not None:
        return image_geometry(entry.image)
    return {}


def image_geometry(image: Image) -> dict[str, Any]:
    """The same for an image file that is not in the viewer yet: µm where the pixel size is known, else pixels."""
    axes = shown_axes(image)
    sizes = dict(zip(image.spatial_axes, image.pixel_size_um or (), strict=False))
    units = ["um" if axis in sizes else "pixel" for axis in axes]
    return {
        "scale": tuple(float(sizes.get(axis, 1.0)) for axis in axes),
        "translate": (0.0,) * len(axes),
        "units": units,
        "axis_labels": tuple(axis.lower() for axis in axes),
    }


def in_viewer(session: Session, entry: ImageEntry, role: str) -> Layer | None:
    """The layer of this role if it is in the viewer now."""
    layer = entry.layers.get(role)
    return layer if layer is not None and layer in session.viewer.layers else None


def put(session: Session, entry: ImageEntry, role: str, layer: Layer, *, below: str = "") -> Layer:
    """Add a layer of ours as a guest and note its role.

    Parameters
    ----------
    role : str
        As in `ImageEntry.layers`.
    layer : Layer
        Made with `geometry`.
    below : str
        Role of a layer to stay under (clicks stay above nuclei); on top when it is not there.
    """
    layers = session.viewer.layers
    with guest(session.viewer):
        if layer not in layers:
            above = in_viewer(session, entry, below) if below else None
            if above is None:
                layers.append(layer)
            else:
                layers.insert(layers.index(above), layer)
    entry.layers[role] = layer
    entry.hidden.discard(role)
    session.entry_changed.emit(entry, "layers")
    return layer


def put_labels(
    session: Session,
    entry: ImageEntry,
    role: str,
    name: str,
    labels: Any,
    *,
    origin: tuple[int, ...] | None = None,
    **settings: Any,
) -> Layer:
    """Show labels on an image; a layer of the same role is updated in place, so nothing blinks or moves.

    Parameters
    ----------
    role : str
        "preview", "nuclei:MODEL", "outlines", ...
    name : str
        Layer name, used when the layer is new.
    labels : array or list of arrays (pyramid)
        Instance labels.
    origin : tuple of int, optional
        Pixel of the image where the labels begin (a box was segmented).
    **settings
        Passed to `napari.layers.Labels`, e.g. `opacity`.
    """
    from napari.layers import Labels

    if isinstance(labels, np.ndarray):
        # Of one kind, for which napari's colour loops are loaded ahead (`labels_ahead`).
        labels = labels.astype(np.uint32, copy=False)
    place = geometry(entry)
    ndim = np.ndim(labels[0] if isinstance(labels, list | tuple) else labels)
    if place:
        place = {key: value if key in ("rotate", "affine") else tuple(value)[-ndim:] for key, value in place.items()}
        if origin is not None:
            shift = np.asarray(origin, dtype=float) * np.asarray(place["scale"])
            place["translate"] = tuple(np.asarray(place["translate"]) + shift)
    present = in_viewer(session, entry, role)
    if present is not None and present.ndim == ndim and not isinstance(labels, list | tuple) and not present.multiscale:
        with guest(session.viewer):
            present.data = labels
            if place and not np.allclose(present.translate, place["translate"]):
                present.translate = place["translate"]
        return present
    if present is not None:
        remove(session, entry, role)
    return put(session, entry, role, Labels(labels, name=name, **{**place, **settings}), below=CLICKS)


def remove(session: Session, entry: ImageEntry, role: str) -> None:
    """Take a layer of ours out of the viewer; what it showed stays with the entry or on disk."""
    layer = in_viewer(session, entry, role)
    entry.layers.pop(role, None)
    entry.hidden.discard(role)
    if layer is not None:
        with guest(session.viewer):
            session.viewer.layers.remove(layer)
    session.entry_changed.emit(entry, "layers")
