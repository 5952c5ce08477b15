"""The camera goes where it is asked to go, and no further."""

from __future__ import annotations

import numpy as np
import pytest

from napari_nucleidomain.widgets.view import look_at


@pytest.fixture
def image(session, qtbot):
    layer = session.viewer.add_image(np.zeros((400, 600), np.uint8), scale=(0.5, 0.5))
    session.viewer.fit_to_view()
    return layer


def seen(viewer):
    middle, half = (
        np.array(viewer.scene.camera.center)[-2:],
        np.array(viewer.canvas.size) / viewer.scene.camera.zoom / 2,
    )
    return middle - half, middle + half


@pytest.mark.parametrize("corner", [(1.0, 1.0), (199.0, 299.0), (1.0, 299.0)])
def test_what_lies_at_the_edge_is_shown_without_emptiness_beside_it(session, image, corner):
    viewer = session.viewer
    viewer.scene.camera.zoom *= 6
    look_at(viewer, corner, inside=image)
    low, high = seen(viewer)
    assert (low >= -0.26).all() and (high <= (199.8, 299.8)).all(), "world of pixels' edges: -0.25 to 199.75, 299.75"
    assert (low <= corner).all() and (corner <= high).all()


def test_what_lies_inside_comes_into_the_middle_and_an_image_seen_whole_stays(session, image):
    viewer = session.viewer
    before = viewer.scene.camera.center
    look_at(viewer, (20.0, 20.0), inside=image)
    assert viewer.scene.camera.center[-2:] == pytest.approx(before[-2:], abs=0.3)
    viewer.scene.camera.zoom *= 8
    look_at(viewer, (100.0, 140.0), inside=image)
    assert viewer.scene.camera.center[-2:] == pytest.approx((100.0, 140.0))


def test_what_is_larger_than_the_view_is_brought_into_it_whole(session, image):
    viewer = session.viewer
    viewer.scene.camera.zoom *= 10
    look_at(viewer, (100.0, 150.0), 150.0, share=0.9, inside=image)
    low, high = seen(viewer)
    assert (low <= (25.0, 75.0)).all() and (high >= (175.0, 225.0)).all()
