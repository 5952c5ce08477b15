"""Suggested clicks: found without those that are clicked, accepted and rejected by keys, undone in one step."""

from __future__ import annotations

import canvas
import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.widgets.points_suggest import suggest
from napari_nucleidomain.widgets.points_suggest_box import SuggestBox


def _nearest(points, centres):
    return np.array([np.min(np.linalg.norm(points - one, axis=1)) for one in centres])


def test_every_nucleus_without_a_click_is_suggested_once(nuclei):
    picture, centres, _ = nuclei
    found = suggest(open_image(picture), centres[:4], [], [(0, 200), (0, 240)])
    assert len(found.points) == len(centres) - 4
    assert _nearest(found.points, centres[4:]).max() < 4
    assert _nearest(centres[:4], found.points).min() > 8


def test_only_inside_the_region(nuclei):
    picture, centres, labels = nuclei
    box = np.array([[0, 0], [0, 120], [100, 120], [100, 0]], float)
    found = suggest(open_image(picture), np.zeros((0, 2)), [box], [(0, 200), (0, 240)])
    assert len(found.points)
    assert (found.points <= (101, 121)).all()
    assert found.where == "the region"


def test_on_one_plane_of_a_stack(nuclei):
    picture, centres, _ = nuclei
    stack = np.stack([picture * 0 + 20, picture, picture[::-1]] * 4)
    image = open_image(stack)
    found = suggest(image, np.zeros((0, 3)), [], [(0, 200), (0, 240)], plane=(1,))
    assert found.points.shape[1] == 3
    assert (found.points[:, 0] == 1).all()
    assert _nearest(found.points[:, 1:], centres).max() < 4


def test_an_empty_picture_suggests_nothing():
    found = suggest(open_image(np.full((100, 120), 7, np.uint8)), np.zeros((0, 2)), [], [(0, 100), (0, 120)])
    assert not len(found.points)


@pytest.fixture
def box(qtbot, session, image_file):
    entry = session.add_entry("cells", path=image_file)
    box = SuggestBox(session)
    qtbot.addWidget(box)
    session.set_current(entry)
    qtbot.waitUntil(lambda: "image" in entry.layers and entry.layers["image"] in session.viewer.layers, timeout=8000)
    session.annotations.use("click")
    box.ask()
    qtbot.waitUntil(lambda: len(box.points) > 0, timeout=10000)
    return box


def test_accept_reject_next_by_keys(session, box, nuclei):
    entry, total = session.current, len(box.points)
    first = box.points[0]
    canvas.key(session.viewer, Qt.Key.Key_Q)
    np.testing.assert_allclose(entry.points, [first])
    canvas.key(session.viewer, Qt.Key.Key_W)
    canvas.key(session.viewer, Qt.Key.Key_N)
    assert len(box.points) == total - 2
    assert len(entry.points) == 1
    assert session.viewer.layers.selection.active is entry.layers["clicks"], "the tool stays in hand"
    assert entry.layers["clicks"].mode == "add"
    box.accept_every()
    assert len(entry.points) == total - 1
    assert "suggestions" not in entry.layers
    session.annotations.undo()
    assert len(entry.points) == 1


def test_removing_the_suggestions_layer_ends_them(session, box):
    session.viewer.layers.remove(session.current.layers["suggestions"])
    assert not len(box.points)
    assert not session.current.hidden


def test_the_size_slider_leaves_small_ones_out(box):
    before = len(box.points)
    box.size.setValue(150)
    assert len(box.points) < before


def test_the_keys_work_whatever_layer_is_chosen_and_are_given_back(session, box, qtbot):
    viewer, entry = session.viewer, session.current
    box.finish()
    mine = []
    viewer.bind_key("Q", lambda _: mine.append("Q"), overwrite=True)
    viewer.layers.selection.active = entry.layers["image"]
    box.ask()
    qtbot.waitUntil(lambda: len(box.points) > 0, timeout=10000)
    first = box.points[0]
    canvas.key(viewer, Qt.Key.Key_Q)
    np.testing.assert_allclose(entry.points, [first])
    total = len(box.points)
    canvas.key(viewer, Qt.Key.Key_W)
    assert len(box.points) == total - 1
    assert viewer.layers.selection.active is entry.layers["image"]
    box.finish()
    canvas.key(viewer, Qt.Key.Key_Q)
    canvas.key(viewer, Qt.Key.Key_W)
    assert mine == ["Q"]
    assert len(entry.points) == 1
