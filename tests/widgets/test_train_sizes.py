"""How large nuclei are: estimated, drawn and clicked on a real canvas, shown as circles, and told to the training."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.understanding import Understanding
from napari_nucleidomain.widgets import layers
from napari_nucleidomain.widgets.sizes_circles import ROLE
from napari_nucleidomain.widgets.sizes_of_images import centres_of_nuclei, circle_diameter, estimate_from
from napari_nucleidomain.widgets.train_sizes import TrainSizes

from .canvas import click, drag, key, settle


@pytest.fixture
def entry(session, bare_entry):
    """Nuclei of 19 px, on screen as napari fits them."""
    session.viewer.fit_to_view()
    settle()
    return bare_entry


@pytest.fixture
def panel(session, entry):
    made = TrainSizes(session)
    session.viewer.window.add_dock_widget(made, name="sizes")
    return made


def disc_edge(nuclei, number, angle, radius=9.5):
    y, x = nuclei[1][number]
    return y + radius * np.sin(angle), x + radius * np.cos(angle)


def circles(session, entry):
    """Centres and diameters on screen."""
    layer = layers.in_viewer(session, entry, ROLE)
    return [] if layer is None else list(zip(layer.data, layer.size, strict=True))


# ---- what pixels tell


def test_circle_through_three_points():
    on = [[5 + 7 * np.sin(a), 3 + 7 * np.cos(a)] for a in (0.1, 2.0, 4.4)]
    assert circle_diameter(np.array(on)) == pytest.approx(14.0)
    assert circle_diameter(np.array([[0, 0], [1, 1], [2, 2.01]])) is None
    assert circle_diameter(np.zeros((3, 2))) is None
    lifted = np.insert(np.array(on), 0, 4.0, axis=1)
    assert circle_diameter(lifted) == pytest.approx(14.0), "in a plane of a volume"


def test_estimate_reads_the_nuclei_channel_and_the_spacing(nuclei):
    picture, _, labels = nuclei
    found = estimate_from([open_image(picture)] * 3)
    assert found.images == 3 and found.diameter == pytest.approx(19, rel=0.2)
    noise = np.random.default_rng(0).integers(0, 255, picture.shape, dtype=np.uint8)
    two = np.stack([noise, picture], axis=-1)
    image = open_image(two, Understanding(axes="YXC", nuclei_channel=1))
    assert estimate_from([image]).diameter == found.diameter
    assert estimate_from([open_image(np.full((64, 64), 7, np.uint8))]) is None
    # Planes twice as far apart as pixels are wide: balls of 16 px are 8 planes high.
    zz, yy, xx = np.mgrid[0:32, 0:96, 0:96]
    volume = np.random.default_rng(1).normal(20, 2, zz.shape)
    for z, y, x in [(8, 24, 24), (22, 24, 70), (9, 70, 30), (23, 68, 72), (16, 46, 48)]:
        volume[(2 * (zz - z)) ** 2 + (yy - y) ** 2 + (xx - x) ** 2 <= 8**2] += 100
    deep = open_image(volume.astype(np.float32), Understanding(axes="ZYX", pixel_size_um=(0.4, 0.2, 0.2)))
    found = estimate_from([deep])
    assert found.diameter == pytest.approx(16, rel=0.25) and 0.7 < found.stretch < 1.4


def test_of_a_large_image_the_rich_part_is_read():
    large = np.random.default_rng(2).normal(20, 2, (300, 5000)).astype(np.float32)
    yy, xx = np.mgrid[0:300, 0:5000]
    for x in range(4200, 4900, 60):
        large[(yy - 150) ** 2 + (xx - x) ** 2 <= 10**2] += 90
    assert estimate_from([open_image(large)]).diameter == pytest.approx(21, rel=0.2)


def test_centres_lie_on_nuclei_apart_from_one_another(nuclei):
    picture, _, labels = nuclei
    found = centres_of_nuclei(open_image(picture), [(10, 200), (20, 240)], None, 19.0)
    assert len(found) == 9
    assert (labels[tuple(np.rint(found).astype(int).T)] > 0).all()
    assert len(set(labels[tuple(np.rint(found).astype(int).T)])) == 9
    assert not len(centres_of_nuclei(open_image(np.zeros((80, 80), np.uint8)), [(0, 80), (0, 80)], None, 19.0))


# ---- gestures on the canvas


def test_a_line_across_a_nucleus_gives_its_size_and_the_tool_back(session, panel, entry, nuclei):
    viewer = session.viewer
    session.annotations.use("click")
    clicks = entry.layers[layers.CLICKS]
    before = set(viewer.layers)
    panel.line.click()
    assert viewer.layers.selection.active.name == "line across a nucleus"
    drag(viewer, entry.layers["image"], disc_edge(nuclei, 7, 0.3), disc_edge(nuclei, 7, 0.3 + np.pi))
    settle()
    assert panel.diameter_px == pytest.approx(19, abs=1.0)
    assert "Measured" in panel.told.text()
    assert viewer.layers.selection.active is clicks and session.annotations.mode == "click"
    assert set(viewer.layers) - before <= {entry.layers.get(ROLE)}
    assert not len(entry.points), "the line is no click"


def test_a_slip_tells_how_and_the_tool_stays(session, panel, entry, nuclei):
    panel.line.click()
    click(session.viewer, entry.layers["image"], disc_edge(nuclei, 7, 0.3))
    settle()
    assert "drag to the other edge" in panel.told.text() and panel.diameter_px is None
    assert panel.tool.gesture == "line"
    key(session.viewer, Qt.Key.Key_Escape)
    assert panel.tool.gesture is None and panel.told.text() == ""


def test_three_clicks_give_the_circle_through_them(session, panel, entry, nuclei):
    viewer, image = session.viewer, entry.layers["image"]
    viewer.layers.selection.active = image
    panel.three.click()
    for x in (60, 90, 120):
        click(viewer, image, (40 + 0.01 * x, x))
    assert "lie in a line" in panel.told.text() and panel.diameter_px is None
    for angle in (0.2, 2.2, 4.3):
        click(viewer, image, disc_edge(nuclei, 8, angle))
    settle()
    assert panel.diameter_px == pytest.approx(19, abs=1.5)
    assert viewer.layers.selection.active is image
    assert "edge of a nucleus" not in [layer.name for layer in viewer.layers]


def test_whatever_else_is_taken_up_ends_the_tool(session, panel, entry):
    viewer = session.viewer
    panel.line.click()
    viewer.layers.selection.active = entry.layers["image"]
    settle()
    assert panel.tool.gesture is None and len(viewer.layers) == 1
    assert viewer.layers.selection.active is entry.layers["image"]
    panel.three.click()
    viewer.layers.remove(viewer.layers["edge of a nucleus"])
    settle()
    assert panel.tool.gesture is None
    panel.three.click()
    session.set_current(None)
    assert panel.tool.gesture is None and "edge of a nucleus" not in [layer.name for layer in viewer.layers]
    viewer.dims.ndisplay = 3
    session.set_current(entry)
    panel.line.click()
    assert "2D/3D button" in panel.told.text() and panel.tool.gesture is None


def test_an_anisotropic_plane_is_measured_in_pixels_of_the_last_axis(session, panel, entry, nuclei):
    entry.layers["image"].scale = (1.0, 0.5)
    session.viewer.fit_to_view()
    settle()
    panel.line.click()
    drag(session.viewer, entry.layers["image"], (40, 100), (60, 100))
    settle()
    assert panel.diameter_px == pytest.approx(40, abs=1.0), "20 rows are as far as 40 columns"


# ---- circles


def test_circles_follow_the_number_in_one_layer_and_go_when_accepted(session, panel, entry, nuclei, qtbot):
    viewer = session.viewer
    active, centre = viewer.layers.selection.active, viewer.scene.camera.center
    panel.px.setValue(19)
    qtbot.waitUntil(lambda: len(circles(session, entry)) == 9)
    layer = entry.layers[ROLE]
    labels = nuclei[2]
    for centre_of_one, size in circles(session, entry):
        assert size == 19 and labels[tuple(np.rint(centre_of_one).astype(int))]
    assert (viewer.layers.selection.active, viewer.scene.camera.center) == (active, centre)
    panel.px.setValue(30)
    assert {size for _, size in circles(session, entry)} == {30}
    qtbot.waitUntil(lambda: not panel.circles._background.busy)
    assert entry.layers[ROLE] is layer and layer in viewer.layers
    panel.fits.click()
    assert layer not in viewer.layers and panel.diameter_px == 30
    assert "about 30 px" in panel.told.text() and panel.look.isVisible()
    panel.look.click()
    qtbot.waitUntil(lambda: len(circles(session, entry)) > 0)
    panel.leave()
    assert not circles(session, entry)


def test_circles_that_the_person_removed_stay_away(session, panel, entry, qtbot):
    panel.px.setValue(19)
    qtbot.waitUntil(lambda: len(circles(session, entry)) == 9)
    session.viewer.layers.remove(entry.layers[ROLE])
    panel.circles._look()
    qtbot.waitUntil(lambda: not panel.circles._background.busy)
    assert not circles(session, entry) and not panel.circles.on


def test_where_nothing_stands_out_one_circle_lies_in_the_middle(session, panel, entry, qtbot, monkeypatch):
    monkeypatch.setattr("napari_nucleidomain.widgets.sizes_circles.centres_of_nuclei", lambda *_: np.zeros((0, 2)))
    panel.px.setValue(50)
    qtbot.waitUntil(lambda: len(circles(session, entry)) == 1)
    assert "No nucleus stands out" in panel.seen.text()


# ---- the panel


def test_estimate_is_told_and_becomes_the_size(panel, qtbot):
    panel.estimate.click()
    qtbot.waitUntil(lambda: panel.diameter_px is not None)
    assert panel.diameter_px == pytest.approx(19, rel=0.2)
    assert "nuclei in 1 image." in panel.told.text()
    assert panel.estimate.isEnabled()


def test_a_stretch_of_volumes_is_warned_of(panel):
    from napari_nucleidomain.instances.sizes import NucleusSizes

    panel._estimated(NucleusSizes(21.4, 16.2, 27.3, 2.1, 214, 12))
    # How wide they are; as a ball of equal volume they would be 21 px.
    assert "About 17 px (13–21), from 214 nuclei in 12 images." in panel.told.text()
    assert "2.1 times as long as wide" in panel.told.text() and "Check the voxel size" in panel.told.text()
    panel._estimated(None)
    assert "No nuclei stand out" in panel.told.text() and panel.diameter_px == 17


def test_micrometres_where_the_pixel_size_is_known(panel, entry, session, nuclei):
    assert not panel.um.isVisible()
    entry.image = open_image(nuclei[0], Understanding(pixel_size_um=0.325))
    session.entry_changed.emit(entry, "understanding")
    assert panel.um.isVisible()
    panel.px.setValue(20)
    assert panel.um.value() == pytest.approx(6.5)
    panel.um.setValue(3.25)
    assert panel.diameter_px == pytest.approx(10)
    panel.px.setValue(0)
    assert panel.diameter_px is None and panel.um.value() == 0
    assert "estimated from the images" in panel.seen.text()
    panel.show_usual({"diameter_px": 20})
    assert "20 px (6.5 µm), as the preset has it" in panel.seen.text()
    panel.px.setValue(500)
    assert "do not fit into cells 1, which is 200 px wide" in panel.problem()
