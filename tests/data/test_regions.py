"""Regions: filling, hulls, files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon, contains_xy

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.coverage import clicks_every_outline, covers_image
from napari_nucleidomain.data.polygons import area, contains, fill
from napari_nucleidomain.data.regions import (
    Region,
    hull_region,
    nucleus_distance,
    read_regions,
    regions_mask,
    write_regions,
)

RNG = np.random.default_rng(4)


def _star(rng: np.random.Generator, n: int) -> np.ndarray:
    angle = np.sort(rng.random(n)) * 2 * np.pi
    radius = 5 + 20 * rng.random(n)
    return np.stack([20 + radius * np.sin(angle), 25 + radius * np.cos(angle)], axis=1)


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 30), st.integers(0, 10**6))
def test_fill_agrees_with_shapely(n: int, seed: int) -> None:
    """Pixel centres inside, on a window that does not start at 0."""
    ring = _star(np.random.default_rng(seed), n)
    rows, columns = np.mgrid[-3:50, -5:60]
    polygon = Polygon(ring)
    if not polygon.is_valid:
        return
    expected = contains_xy(polygon, rows, columns)
    np.testing.assert_array_equal(fill(ring, (53, 65), (-3, -5)), expected)
    centres = np.stack([rows, columns], axis=-1).reshape(-1, 2)
    np.testing.assert_array_equal(contains(ring, centres), expected.ravel())
    assert area(ring) == pytest.approx(polygon.area)


def test_neighbours_share_no_pixel_and_leave_none_out() -> None:
    """Edges through pixel centres: a square cut along its diagonal and its middle."""
    whole = np.array([[0, 0], [0, 10], [10, 10], [10, 0]], float)
    parts = [whole[[0, 1, 2]], whole[[0, 2, 3]]]
    total = sum(fill(p, (12, 12)).astype(int) for p in parts)
    np.testing.assert_array_equal(total, fill(whole, (12, 12)).astype(int))
    assert total.max() == 1
    assert total.sum() == 100


def test_fill_and_contains_agree_on_outlines() -> None:
    ring = np.array([[1, 1], [1, 6], [4, 3], [6, 6], [6, 1]], float)
    rows, columns = np.mgrid[:8, :8]
    centres = np.stack([rows, columns], axis=-1).reshape(-1, 2)
    np.testing.assert_array_equal(contains(ring, centres), fill(ring, (8, 8)).ravel())
    np.testing.assert_array_equal(fill(ring[::-1], (8, 8)), fill(ring, (8, 8)))


def test_a_lasso_that_crosses_itself_keeps_its_middle() -> None:
    angle = np.linspace(0, 4 * np.pi, 80, endpoint=False)
    twice = np.stack([20 + 10 * np.sin(angle), 20 + 10 * np.cos(angle)], axis=1)
    once = twice[:40]
    np.testing.assert_array_equal(fill(twice, (40, 40)), fill(once, (40, 40)))


def test_windows_show_parts_of_the_whole() -> None:
    region = Region(_star(RNG, 12), (np.array([[18, 22], [18, 28], [23, 25]], float),))
    whole = region.mask((50, 60))
    np.testing.assert_array_equal(region.mask((20, 17), (11, 23)), whole[11:31, 23:40])
    (top, bottom), (left, right) = region.bounds
    rows, columns = np.nonzero(whole)
    assert top <= rows.min() and rows.max() < bottom and left <= columns.min() and columns.max() < right
    centres = np.argwhere(np.ones((50, 60)))
    np.testing.assert_array_equal(region.contains(centres), whole.ravel())


def test_box_is_a_slice() -> None:
    expected = np.zeros((20, 30), bool)
    expected[3:7, 10:25] = True
    region = Region.box(3, 10, 7, 25)
    np.testing.assert_array_equal(region.mask((20, 30)), expected)
    assert region.bounds == ((3, 7), (10, 25))
    assert region.area == 60
    deep = Region.box(3, 10, 7, 25, z_range=(2, 4)).mask((5, 20, 30))
    np.testing.assert_array_equal(deep.any(axis=(1, 2)), [False, False, True, True, False])
    np.testing.assert_array_equal(
        Region.box(0, 0, 9, 9, (2, 4)).contains(np.array([[1, 5, 5], [2, 5, 5], [4, 5, 5]])), [False, True, False]
    )
    assert region.contains(np.zeros((0, 2))).shape == (0,)
    assert not regions_mask([], (4, 4)).any()
    assert regions_mask([region, Region.box(0, 0, 1, 1)], (20, 30)).sum() == 61


def test_geojson_round_trip(tmp_path: Path) -> None:
    hole = np.array([[18, 22], [18, 28], [23, 25]], float)
    regions = [Region(_star(RNG, 9), (hole,)), Region.box(0, 0, 5, 6, z_range=(1, 3))]
    path = write_regions(regions, tmp_path / "r.geojson")
    back = read_regions(path)
    assert len(back) == 2
    for old, new in zip(regions, back, strict=True):
        np.testing.assert_array_equal(old.mask((40, 60)), new.mask((40, 60)))
        assert old.z_range == new.z_range
    box = json.loads(path.read_text())["features"][1]["geometry"]["coordinates"][0]
    assert sorted(map(tuple, box[:4])) == [(0, 0), (0, 5), (6, 0), (6, 5)]
    moved = read_regions(write_regions(regions, path, offset=(100, 50)))
    np.testing.assert_array_equal(moved[0].mask((40, 60), (100, 50)), regions[0].mask((40, 60)))


def test_multipolygons_and_mixed_files(tmp_path: Path) -> None:
    square = [[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]]
    far = [[[10, 10], [12, 10], [12, 13], [10, 10]]]
    content = [
        {"type": "Feature", "geometry": {"type": "MultiPolygon", "coordinates": [square, far]}, "properties": {}},
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 1]}, "properties": {}},
        {"type": "Feature", "geometry": {"type": "LineString", "coordinates": [[1, 1], [2, 2]]}, "properties": {}},
        {"type": "Feature", "geometry": None, "properties": {}},
    ]
    (tmp_path / "m.json").write_text(json.dumps(content))
    regions = read_regions(tmp_path / "m.json")
    assert regions[0].mask((20, 20)).sum() == 16
    assert len(regions) == 2


@pytest.mark.parametrize("ring", [[], [[0, 0], [1, 1]], [[0, 0], [1, "a"], [2, 2]], [[0, 0], [1], [2, 2]], 7])
def test_bad_outlines(tmp_path: Path, ring: object) -> None:
    (tmp_path / "b.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    with pytest.raises(NucleiError, match="outline"):
        read_regions(tmp_path / "b.geojson")
    with pytest.raises(NucleiError, match="at least three corners"):
        Region(np.zeros((2, 2)))


@pytest.mark.parametrize(
    "points",
    [[[50, 50]], [[50, 50], [50, 80]], [[10, 10], [20, 20], [40, 40]], [[5, 5]] * 4, [[50.5, 3], [50.5, 3], [20, 3]]],
)
def test_hulls_of_few_clicks(points: list) -> None:
    """One click, two, several in a line, several on one place."""
    clicks = np.array(points, float)
    region = hull_region(clicks, distance=12)
    assert region.contains(clicks).all()
    angle = np.linspace(0, 2 * np.pi, 50)
    for click in clicks:
        ring = click + 11.99 * np.stack([np.sin(angle), np.cos(angle)], axis=1)
        assert region.contains(ring).all()
    cut = hull_region(clicks, distance=12, shape=(60, 60))
    np.testing.assert_array_equal(cut.mask((60, 60)), region.mask((60, 60)))
    assert (cut.vertices >= -0.5).all() and (cut.vertices <= 59.5).all()


def test_hull_of_many_clicks() -> None:
    clicks = RNG.random((60, 2)) * 100
    region = hull_region(clicks)
    assert region.contains(clicks).all()
    distance = np.linalg.norm(clicks[:, None] - clicks[None], axis=-1) + 1e9 * np.eye(60)
    assert nucleus_distance(clicks) == pytest.approx(np.median(distance.min(axis=1)))
    deep = hull_region(np.c_[[4.0, 6, 9], clicks[:3]], distance=2, shape=(10, 100, 100))
    assert deep.z_range == (2, 10)
    with pytest.raises(NucleiError, match="no clicks"):
        hull_region(np.zeros((0, 2)))


def _grid(top: int, bottom: int, left: int, right: int, step: int = 20) -> np.ndarray:
    rows, columns = np.mgrid[top:bottom:step, left:right:step]
    jitter = np.random.default_rng(0).normal(0, 3, (rows.size, 2))
    return np.stack([rows.ravel(), columns.ravel()], axis=1) + jitter


def test_whether_clicks_cover_the_image() -> None:
    shape = (500, 400)
    assert covers_image(_grid(10, 495, 10, 395), shape)
    assert covers_image(np.array([[100, 100], [100, 300], [400, 100], [400, 300]]), shape)
    assert not covers_image(_grid(10, 250, 10, 200), shape), "a corner"
    assert not covers_image(_grid(10, 495, 10, 200), shape), "the left half"
    assert not covers_image(_grid(10, 250, 10, 395), shape), "the upper half"
    assert not covers_image(_grid(100, 400, 100, 300), shape), "the middle"
    assert not covers_image(np.vstack([_grid(10, 495, 10, 200), _grid(10, 250, 200, 395)]), shape), "three quarters"
    assert not covers_image(np.zeros((0, 2)), shape)
    assert not covers_image(np.array([[250, 200]]), shape)
    assert not covers_image(np.array([[5, 5], [495, 395], [250, 200]]), shape), "three in a line"
    assert not covers_image(_grid(10, 2000, 10, 2000) + 1000, shape), "clicks of another image"
    assert covers_image(np.c_[np.ones(500), _grid(10, 495, 10, 395)[:500]], (30, *shape))


def test_clicks_of_all_outlines_are_told_from_some() -> None:
    labels = np.zeros((200, 200), np.int32)
    centres = np.array([(20.0 + 12 * k, 30.0) for k in range(12)])
    for number, (row, column) in enumerate(centres.astype(int), start=1):
        labels[row - 3 : row + 4, column - 3 : column + 4] = number
    assert not covers_image(centres, labels.shape)
    assert clicks_every_outline(centres, labels)
    assert clicks_every_outline(np.vstack([centres[1:], [[0.0, 0.0]]]), labels), "a middle beside a bent nucleus"
    assert not clicks_every_outline(centres[:10], labels)
    assert not clicks_every_outline(np.repeat(centres[:6], 2, axis=0), labels), "half of them twice"
    assert not clicks_every_outline(centres, np.zeros_like(labels))
    assert not clicks_every_outline(np.zeros((0, 2)), labels)
