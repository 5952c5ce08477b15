"""Outlines and back: every pixel, and polygons others accept."""

from __future__ import annotations

import numpy as np
import pytest
from shapely.geometry import MultiPolygon, Point
from shapely.geometry import Polygon as ShapelyPolygon

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.outlines import Outline, Polygon, outlines, rasterise


def as_shapely(outline: Outline) -> MultiPolygon:
    return MultiPolygon(
        [ShapelyPolygon(p.exterior[:, ::-1], [hole[:, ::-1] for hole in p.holes]) for p in outline.polygons]
    )


@pytest.mark.parametrize("seed", range(60))
def test_there_and_back_without_losing_a_pixel(seed):
    rng = np.random.default_rng(seed)
    # Random pixels hold every corner contact, hole in a hole and split nucleus there is.
    labels = rng.integers(0, int(rng.integers(2, 5)), rng.integers(1, 16, 2)).astype(np.uint32) * 70_001
    drawn = outlines(labels)
    assert (rasterise(drawn, labels.shape) == labels).all()
    assert [outline.id for outline in drawn] == np.unique(labels[labels > 0]).tolist()
    for outline in drawn:
        shape = as_shapely(outline)
        assert shape.is_valid
        assert shape.area == (labels == outline.id).sum()
        assert all(ShapelyPolygon(p.exterior).exterior.is_simple for p in outline.polygons)


def test_nuclei_with_everything(random_labels):
    for seed in range(20):
        labels = random_labels(np.random.default_rng(seed))
        assert (rasterise(outlines(labels), labels.shape) == labels).all()


def test_a_square_has_four_corners_at_pixel_edges():
    labels = np.zeros((10, 10), int)
    labels[2:5, 3:7] = 1
    (outline,) = outlines(labels)
    (polygon,) = outline.polygons
    assert sorted(map(tuple, polygon.exterior.tolist())) == [(2, 3), (2, 7), (5, 3), (5, 7)]
    assert polygon.holes == ()
    (moved,) = outlines(labels, offset=(100, 0.5))
    assert moved.polygons[0].exterior == pytest.approx(np.add(polygon.exterior, (100, 0.5)))


def test_holes_parts_and_corner_contacts():
    labels = np.zeros((9, 9), int)
    labels[0:5, 0:5] = 1
    labels[1:4, 1:4] = 0
    labels[2, 2] = 1  # an island in the hole
    labels[5, 5] = 1  # touches at a corner only
    (outline,) = outlines(labels)
    assert len(outline.polygons) == 3
    assert sum(len(polygon.holes) for polygon in outline.polygons) == 1
    assert as_shapely(outline).is_valid


def test_a_block_of_a_slide_comes_back_at_its_place():
    labels = np.zeros((20, 30), int)
    labels[3:9, 4:20] = 5
    drawn = outlines(labels, offset=(1000, 2000))
    assert (rasterise(drawn, (20, 30), offset=(1000, 2000)) == labels).all()
    window = rasterise(drawn, (5, 50), offset=(1002, 1990))  # cut by the window on every side
    assert (window[1:, 14:30] == 5).all()
    assert (window > 0).sum() == 4 * 16


def test_any_polygon_is_filled_where_pixel_centres_lie_inside():
    rng = np.random.default_rng(0)
    for _ in range(20):
        angles = np.sort(rng.random(12)) * 2 * np.pi
        ring = np.stack([np.sin(angles), np.cos(angles)], axis=1) * rng.uniform(3, 14, (12, 1)) + 12.3
        filled = rasterise([Outline(1, (Polygon(ring),))], (24, 26))
        shape = ShapelyPolygon(ring[:, ::-1])
        expected = [[shape.contains(Point(c + 0.5, r + 0.5)) for c in range(26)] for r in range(24)]
        assert (filled == np.array(expected)).all()


def test_later_outlines_lie_on_top_and_odd_rings_do_no_harm():
    square = np.array([[0, 0], [0, 6], [6, 6], [6, 0]], float)
    closed = np.vstack([square, square[:1]]) + 2
    drawn = rasterise([Outline(1, (Polygon(square),)), Outline(2, (Polygon(closed),))], (10, 10))
    assert drawn[1, 1] == 1
    assert drawn[3, 3] == drawn[7, 7] == 2
    assert not rasterise([Outline(3, (Polygon(square[:2]),))], (10, 10)).any()
    assert not rasterise([Outline(3, (Polygon(square - 50),))], (10, 10)).any()
    assert not rasterise([], (3, 3)).any()


def test_nothing_and_volumes():
    assert outlines(np.zeros((4, 4), int)) == outlines(np.zeros((0, 4), int)) == []
    with pytest.raises(NucleiError, match="flat"):
        outlines(np.zeros((3, 4, 5), int))


def test_outlines_with_very_many_sides_are_filled_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    shapes = [Outline(k, (Polygon(rng.uniform(0, 60, (40, 2))),)) for k in range(1, 6)]
    whole = rasterise(shapes, (60, 60))
    monkeypatch.setattr("napari_nucleidomain.instances.scanlines._MOST_CROSSINGS", 500)
    np.testing.assert_array_equal(rasterise(shapes, (60, 60)), whole)
