"""Applying a correction to an image: opened anew in the background, its layers moved or made again together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .background import in_background
from .image_layers import thumbnail
from .layers import image_geometry, in_viewer

if TYPE_CHECKING:
    from qtpy.QtCore import QObject

    from napari_nucleidomain.data.images import Image

    from .entry import ImageEntry
    from .session import Session


def correct(
    owner: QObject,
    session: Session,
    entry: ImageEntry,
    changes: dict[str, Any],
    failed: Callable[[BaseException], object],
) -> None:
    """Open an image with other corrections; on a fault the image stays as it was and `failed` is told.

    Parameters
    ----------
    owner : QObject
        The dock that asks; nothing happens any more once it is closed.
    changes : dict
        Fields of `data.understanding.Understanding`.
    """
    if entry.image is None:
        return
    if session.read_only is not None:
        failed(session.read_only)
        return
    image, said = entry.image, entry.understanding

    def work() -> tuple[Image, Any, dict[str, Any]]:
        from napari_nucleidomain.data.understanding import Understanding

        understanding = Understanding.from_json(said).changed(**changes)
        fresh = image.reopened(understanding)
        _ = (fresh.kind, fresh.nuclei_channel, fresh.questions, fresh.warnings)
        return fresh, thumbnail(fresh), understanding.to_json()

    def done(result: tuple[Image, Any, dict[str, Any]]) -> None:
        if session.read_only is not None:
            failed(session.read_only)
            return
        fresh, picture, understanding = result
        before = entry.image
        entry.image, entry.thumbnail, entry.understanding = fresh, picture, understanding
        if "image" in entry.layers and before is not None:
            _update_layers(session, entry, before, fresh)
        session.touch(entry, "understanding")

    in_background(owner, work, done, failed)


def _update_layers(session: Session, entry: ImageEntry, before: Image, fresh: Image) -> None:
    same = (before.axes, before.shape, before.rgb, before.channels, before.spatial_axes) == (
        fresh.axes, fresh.shape, fresh.rgb, fresh.channels, fresh.spatial_axes,
    )  # fmt: skip
    if same or entry.borrowed:
        if fresh.pixel_size_um != before.pixel_size_um:
            rescale(session, entry, fresh)
        return
    # The axes mean something else now, so that every layer of this image is made anew from what the entry keeps.
    for role in list(entry.layers):
        layer = in_viewer(session, entry, role)
        del entry.layers[role]
        if layer is not None:
            session.viewer.layers.remove(layer)
    entry.hidden.clear()
    if entry is session.current:
        session.stage.show(entry)


def rescale(session: Session, entry: ImageEntry, image: Image) -> None:
    """Give all layers of an image its pixel size together, and keep the view on the same pixels."""
    place = image_geometry(image)
    viewer = session.viewer
    layer = entry.layers["image"]
    camera = viewer.scene.camera
    at = layer.world_to_data((0,) * (layer.ndim - 2) + tuple(camera.center[-2:]))
    # Of a stack the plane, too: its slider counts in the unit of the pixel size.
    plane = layer.world_to_data(viewer.dims.point)
    old = float(layer.scale[-1])
    for one in entry.layers.values():
        ndim = one.ndim
        old_translate = one.translate / one.scale
        one.scale = place["scale"][-ndim:]
        one.units = place["units"][-ndim:]
        one.axis_labels = place["axis_labels"][-ndim:]
        one.translate = old_translate * one.scale
    if in_viewer(session, entry, "image") is not None:
        centre = list(camera.center)
        centre[-2:] = [float(one) for one in layer.data_to_world(at)[-2:]]
        camera.center, camera.zoom = tuple(centre), camera.zoom * old / float(layer.scale[-1])
        hidden = viewer.dims.ndim - layer.ndim
        viewer.dims.point = (*viewer.dims.point[:hidden], *(float(one) for one in layer.data_to_world(plane)))
