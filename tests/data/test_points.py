"""Clicks in and out, and what is found wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.points import check_points, inside, pixels_of, read_points, write_points

RNG = np.random.default_rng(2)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("count", [0, 1, 50])
def test_csv_round_trip(tmp_path: Path, ndim: int, count: int) -> None:
    points = RNG.random((count, ndim)) * 1000
    path = write_points(points, tmp_path / "ü points.csv")
    np.testing.assert_array_equal(read_points(path), points)
    assert path.read_text().startswith("index,axis-0,axis-1")


def test_napari_reads_what_is_written(tmp_path: Path) -> None:
    from napari_builtins.io import read_csv

    points = RNG.random((7, 2)) * 100
    data, header, kind = read_csv(str(write_points(points, tmp_path / "a.csv")))
    assert kind == "points"
    assert header == ["index", "axis-0", "axis-1"]
    np.testing.assert_allclose(np.asarray(data)[:, 1:].astype(float), points)


def test_geojson_puts_x_first_and_pixels_at_half(tmp_path: Path) -> None:
    """A click on the centre of pixel (row 3, column 8) is (8.5, 3.5) in QuPath."""
    path = write_points(np.array([[3.0, 8.0]]), tmp_path / "a.geojson")
    assert json.loads(path.read_text())["features"][0]["geometry"]["coordinates"] == [8.5, 3.5]
    np.testing.assert_array_equal(read_points(path), [[3, 8]])
    moved = write_points(np.array([[3.0, 8.0]]), tmp_path / "b.geojson", offset=(100, 200))
    np.testing.assert_array_equal(read_points(moved), [[103, 208]])
    np.testing.assert_array_equal(read_points(moved, offset=(100, 200)), [[3, 8]])
    np.testing.assert_array_equal(pixels_of(np.array([[-0.5, 0.49], [0.5, 1.5]])), [[0, 0], [1, 2]])


def test_qupath_forms(tmp_path: Path) -> None:
    """Points as QuPath 0.3 to 0.6 write them: MultiPoint, a bare list, mixed with polygons."""
    ring = [[0, 0], [9, 0], [9, 9], [0, 0]]
    many = {"type": "MultiPoint", "coordinates": [[10.5, 20.5], [11.5, 21.5]]}
    content = [
        {"type": "Feature", "geometry": many, "properties": {"objectType": "annotation"}},
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": None},
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1.5, 2.5]}},
    ]
    path = tmp_path / "q.geojson"
    for wrapped in (content, {"type": "FeatureCollection", "features": content}):
        path.write_text(json.dumps(wrapped))
        np.testing.assert_array_equal(read_points(path), [[20, 10], [21, 11], [2, 1]])
    path.write_text(json.dumps({"type": "GeometryCollection", "geometries": [many]}))
    assert len(read_points(path)) == 2


@pytest.mark.parametrize(
    "text",
    [
        "index,axis-0,axis-1\n0,3.5,4\n1,5,6.25\n",
        "\ufeffindex;axis-0;axis-1\n0;3,5;4\n1;5;6,25\n\n",
        "X\tY\tname\n4\t3.5\ta\n6.25\t5\tb\n",
        '"","x","y"\n"1","4","3.5"\n"2","6.25","5"\n',
        "axis-1,axis-0,confidence\n4,3.5,.9\n6.25,5,.8\n",
    ],
)
def test_tables_of_other_programs(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(read_points(tmp_path / "a.csv"), [[3.5, 4], [5, 6.25]])


def test_a_third_coordinate_of_zeros_is_dropped(tmp_path: Path) -> None:
    flat = np.array([[0, 3, 4], [0, 5, 6]], float)
    path = write_points(flat, tmp_path / "a.csv")
    assert read_points(path, ndim=2).shape == (2, 2)
    deep = write_points(flat + np.array([[1, 0, 0]]), tmp_path / "b.csv")
    assert read_points(deep, ndim=2).shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "empty"),
        ("a.csv", "a,b\n1,2\n", "no columns axis-0"),
        ("a.csv", "index,axis-0\n0,1\n", "no columns axis-0"),
        ("a.csv", "index,axis-0,axis-1\n0,1,2\n1,one,2\n", "line 3"),
        ("a.csv", "index,axis-0,axis-1\n0,1\n", "line 2"),
        ("a.csv", "index,axis-0,axis-1\n0,nan,2\n", "without a place"),
        ("a.geojson", "{", "damaged"),
        ("a.geojson", '{"type": "Feature"', "damaged"),
        ("a.geojson", '{"a": 1}', "not GeoJSON"),
        ("a.geojson", '{"type": "Point", "coordinates": ["a", 1]}', "no x, y pair"),
        ("a.geojson", '{"type": "Point", "coordinates": [1]}', "no x, y pair"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(NucleiError, match=message) as caught:
        read_points(tmp_path / name)
    assert caught.value.hint


def test_absent_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(NucleiError, match="is not there"):
        read_points(tmp_path / "gone.csv")
    (tmp_path / "b.csv").write_bytes(bytes(range(256)))
    with pytest.raises(NucleiError, match="cannot be read as a table"):
        read_points(tmp_path / "b.csv")
    with pytest.raises(NucleiError, match="flat images only"):
        write_points(np.zeros((2, 3)), tmp_path / "a.geojson")
    with pytest.raises(NucleiError, match="cannot be saved as"):
        write_points(np.zeros((2, 3)), tmp_path / "a.xlsx")


def _kinds(points: object, shape: tuple[int, ...]) -> list[str]:
    return [f.kind for f in check_points(np.asarray(points, float), shape)]


def test_checks() -> None:
    spread = np.stack(np.meshgrid(np.arange(5, 100, 10), np.arange(5, 100, 10)), -1).reshape(-1, 2)
    assert _kinds(spread, (100, 100)) == []
    assert _kinds(np.zeros((0, 2)), (100, 100)) == ["none"]
    assert _kinds([[5, 5]], (100, 100)) == []
    assert _kinds([[1, 5], [1, 15], [1, 25]], (100, 100)) == []
    assert _kinds(np.c_[np.ones(100), spread], (100, 100)) == ["dimension"]
    one_out = np.vstack([spread, [[5, 120]]])
    outside = check_points(one_out, (100, 100))[0]
    assert (outside.kind, outside.severity, outside.indices) == ("outside", "warning", (100,))
    other = check_points(spread * 10, (100, 100))[0]
    assert (other.kind, other.severity) == ("other-image", "error")
    assert "reach to 950×950, the image is 100×100" in other.message
    close = check_points(np.vstack([spread, [[5, 6.5]]]), (100, 100))[0]
    assert (close.kind, close.indices) == ("close", (0, 100))
    assert "2 clicks are less than 3 px apart (the nearest 1.5 px)" in str(close)


def test_close_pairs_agree_with_brute_force() -> None:
    points = RNG.random((80, 3)) * 20
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1) + 1e9 * np.eye(80)
    expected = np.flatnonzero((distance < 2.5).any(axis=1))
    found = [f for f in check_points(points, (20, 20, 20), close_px=2.5) if f.kind == "close"]
    assert list(found[0].indices) == expected.tolist()


def test_the_edge_pixels_are_inside() -> None:
    at = np.array([[-0.5, 0], [-0.51, 0], [9.49, 0], [9.5, 0]])
    assert inside(at, (10, 10)).tolist() == [True, False, True, False]


@pytest.mark.parametrize("table", ["x,y\n" + "1" * 200_000 + ",2\n", "x,y\n1,\0\n", "\0\0\0", "x" * 200_000])
def test_a_table_of_strange_cells_is_refused_in_words(tmp_path: Path, table: str) -> None:
    (tmp_path / "a.csv").write_text(table)
    with pytest.raises(NucleiError, match=r"a\.csv"):
        read_points(tmp_path / "a.csv")
