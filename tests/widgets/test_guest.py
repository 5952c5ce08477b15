"""As a guest in the viewer: selection, tool, camera and sliders stay; no click is lost while layers arrive."""

from __future__ import annotations

import canvas
import numpy as np
import pytest

from napari_nucleidomain.widgets.layers import geometry, guest, put_labels, remove
from napari_nucleidomain.widgets.theme import text_colour, theme_colour


@pytest.fixture
def entry(qtbot, session, image_file):
    entry = session.add_entry("cells", path=image_file)
    session.set_current(entry)
    qtbot.waitUntil(lambda: "image" in entry.layers and entry.layers["image"] in session.viewer.layers, timeout=8000)
    return entry


def test_twenty_previews_arrive_and_no_click_is_lost(session, entry, nuclei):
    session.annotations.use("click")
    viewer, layer = session.viewer, entry.layers["clicks"]
    view = (viewer.scene.camera.center, viewer.scene.camera.zoom)
    for number in range(20):
        preview = np.where(nuclei[2] > 0, nuclei[2] + number, 0)
        put_labels(session, entry, "preview", "preview", preview)
        canvas.click(viewer, layer, nuclei[1][number % len(nuclei[1])] + number / 20)
    assert len(entry.points) == 20
    assert viewer.layers.selection.active is layer
    assert layer.mode == "add"
    assert (viewer.scene.camera.center, viewer.scene.camera.zoom) == view
    assert sum("preview" in one.name for one in viewer.layers) == 1, "one layer, updated in place"
    assert viewer.layers.index(entry.layers["preview"]) < viewer.layers.index(layer), "clicks stay on top"


def test_a_preview_of_a_box_lies_where_the_box_is(session, entry, nuclei):
    entry.layers["image"].scale = (0.5, 0.5)
    layer = put_labels(session, entry, "preview", "preview", nuclei[2][40:90, 60:110], origin=(40, 60))
    np.testing.assert_allclose(layer.data_to_world((0, 0)), entry.layers["image"].data_to_world((40, 60)))
    put_labels(session, entry, "preview", "preview", nuclei[2][10:60, 20:70], origin=(10, 20))
    np.testing.assert_allclose(layer.data_to_world((0, 0)), entry.layers["image"].data_to_world((10, 20)))


def test_a_layer_of_ours_follows_an_image_that_was_moved(session, entry):
    image = entry.layers["image"]
    image.scale, image.translate, image.rotate = (0.3, 0.3), (5, -7), 20
    layer = session.annotations.clicks(entry)
    for point in ((0, 0), (100, 30)):
        np.testing.assert_allclose(layer.data_to_world(point), image.data_to_world(point), atol=1e-6)
    assert layer.units == image.units
    assert set(geometry(entry)) >= {"scale", "translate", "units", "axis_labels"}


def test_guest_puts_back_sliders_and_several_selected_layers(make_napari_viewer):
    viewer = make_napari_viewer()
    a = viewer.add_image(np.zeros((8, 20, 20)))
    b = viewer.add_labels(np.zeros((8, 20, 20), int))
    viewer.layers.selection = {a, b}
    viewer.dims.set_point(0, 5)
    with guest(viewer):
        viewer.add_points(np.zeros((1, 3)))
        viewer.dims.set_point(0, 1)
        viewer.dims.ndisplay = 3
    assert set(viewer.layers.selection) == {a, b}
    assert viewer.dims.point[0] == 5
    assert viewer.dims.ndisplay == 2


def test_guest_in_an_empty_viewer_lets_the_first_layer_show(make_napari_viewer):
    viewer = make_napari_viewer()
    with guest(viewer):
        layer = viewer.add_image(np.zeros((300, 300)))
    assert viewer.layers.selection.active is layer


def test_removing_ours_leaves_the_users_choice(session, entry, nuclei):
    mine = session.viewer.add_labels(np.zeros((200, 240), int))
    put_labels(session, entry, "preview", "preview", nuclei[2])
    remove(session, entry, "preview")
    assert session.viewer.layers.selection.active is mine
    assert "preview" not in entry.layers


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_text_of_ours_can_be_read_in_both_themes(session, theme):
    """Also where only this window's theme was changed, as napari's shortcut does."""
    session.viewer.theme = theme
    ground = theme_colour("background")
    assert (ground.lightness() < 128) == (theme == "dark")
    for name in ("link", "warning"):
        for behind in (ground, theme_colour("foreground")):
            assert contrast(text_colour(name), behind) >= 4.5


def contrast(one, other):
    """WCAG 2.1's ratio of two colours."""
    parts = np.array([one.getRgbF()[:3], other.getRgbF()[:3]])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    low, high = np.sort(linear @ (0.2126, 0.7152, 0.0722))
    return (high + 0.05) / (low + 0.05)
