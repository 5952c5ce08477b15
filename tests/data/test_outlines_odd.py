"""One odd entry never spoils a file: it is passed over and told with its number; a file of nothing else is refused."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roifile
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.labels_geojson import outlines_reach
from napari_nucleidomain.data.labels_io import read_labels, write_labels
from napari_nucleidomain.data.points import read_points
from napari_nucleidomain.data.rois import read_rois

SHAPE = (60, 80)
RING = [[10, 10], [20, 10], [20, 22], [10, 22], [10, 10]]


def square(x: float, y: float, side: float = 10) -> dict[str, Any]:
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": {}}


TWO = [square(5, 5), square(40, 30)]


def polygon(coordinates: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": coordinates}, "properties": {}}


ODD = {
    "no area": (polygon([[[5, 5]] * 4]), "has no area"),
    "two corners": (polygon([[[5, 5], [9, 9]]]), "has no area"),
    "NaN": (polygon([[[5, 5], [float("nan"), 9], [9, 5]]]), "is no number"),
    "infinite": (polygon([[[5, 5], [float("inf"), 9], [9, 5]]]), "is no number"),
    "huge": (polygon([[[5, 5], [1e300, 9], [9, 5]]]), "farther out than any image"),
    "text": (polygon([[["a", 5], [9, 9], [9, 5]]]), "no list of x, y pairs"),
    "short": (polygon([[5, 5], [9, 9], [9, 5]]), "no list of x, y pairs"),
    "deep": (polygon([[[[5, 5], [9, 9], [9, 5]]]]), "no list of x, y pairs"),
    "empty": (polygon([]), "no list of x, y pairs"),
    "no coordinates": ({**TWO[0], "geometry": {"type": "Polygon"}}, "no list of x, y pairs"),
    "no geometry": ({**TWO[0], "geometry": None}, "has no place"),
    "another shape": ({**TWO[0], "geometry": {"type": "Circle"}}, r"none of GeoJSON \(Circle\)"),
    "properties": ({**TWO[0], "properties": [1]}, "no list of names and values"),
    "nucleus": ({**TWO[0], "nucleusGeometry": "x"}, "outline of its nucleus"),
    "number": (7, "no GeoJSON feature"),
    "plane": ({**TWO[0], "geometry": {**TWO[0]["geometry"], "plane": {"z": "x"}}}, ""),
    "line": ({**TWO[0], "geometry": {"type": "LineString", "coordinates": [[1, 1], [9, 9]]}}, "1 entry is a line"),
    "point": ({**TWO[0], "geometry": {"type": "Point", "coordinates": [1, 1]}}, "1 entry is a point"),
}


def saved(folder: Path, content: Any, name: str = "a.geojson") -> Path:
    (folder / name).write_text(json.dumps(content))
    return folder / name


@pytest.mark.parametrize("name", [name for name in ODD if name != "plane"])
def test_an_odd_entry_is_passed_over_and_told(tmp_path: Path, name: str) -> None:
    entry, words = ODD[name]
    found = read_labels(saved(tmp_path, {"type": "FeatureCollection", "features": [TWO[0], entry, TWO[1]]}), SHAPE)
    assert np.unique(found.labels).tolist() == [0, 1, 2]
    assert any(name in ("line", "point") or "entry 2" in note for note in found.notes), found.notes
    with pytest.raises(NucleiError, match=r"no outlines|not GeoJSON") as caught:
        read_labels(saved(tmp_path, [entry]), SHAPE)
    assert caught.value.hint


def test_a_hole_without_area_is_told_and_its_outline_stays(tmp_path: Path) -> None:
    entry = square(5, 5)
    entry["geometry"]["coordinates"].append([[7, 7], [7, 7], [7, 7]])
    found = read_labels(saved(tmp_path, [polygon([RING, [[12, 12], [13, float("nan")], [14, 12]]]), TWO[1]]), SHAPE)
    assert np.count_nonzero(found.labels == 1) == 120 and "only the hole is left out (entry 1)" in found.notes[0]
    assert np.count_nonzero(read_labels(saved(tmp_path, [entry]), SHAPE).labels) == 100


@pytest.mark.parametrize("label", [float("nan"), float("inf"), 2**40, 10**400, -3, 0, 1.5, "x", None, True, [1], 2**32])
@pytest.mark.parametrize("listed", [True, False])
def test_a_label_that_is_no_number_counts_as_none(tmp_path: Path, label: Any, listed: bool) -> None:
    for item in (entries := [square(5, 5), square(40, 30)]):
        value = 7 if item is entries[0] else label
        item["properties"]["measurements"] = [{"name": "Label", "value": value}] if listed else {"Label": value}
    found = read_labels(saved(tmp_path, entries), SHAPE)
    assert np.unique(found.labels).tolist() == [0, 1, 2] and not found.notes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("pack", ["", "gz", "zip"])
def test_encodings_and_packing(tmp_path: Path, encoding: str, lines: bool, pack: str) -> None:
    items = [
        {**TWO[0], "properties": {"name": "Zellkern ü", "classification": "Tumor"}},
        {**TWO[1], "properties": None},
    ]
    dumped = [json.dumps(one, ensure_ascii=False) for one in items]
    text = "\r\n".join(dumped) if lines else f'{{"type": "FeatureCollection",\r\n "features": [{",".join(dumped)}]}}'
    content = text.encode(encoding)
    path = tmp_path / ("a.zip" if pack == "zip" else "a.geojson.gz" if pack else "a.geojson")
    if pack == "zip":
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr("cells.geojson", content)
            packed.writestr("__MACOSX/._cells.geojson", b"clutter")
    else:
        path.write_bytes(gzip.compress(content) if pack else content)
    found = read_labels(path, SHAPE)
    assert np.unique(found.labels).tolist() == [0, 1, 2] and not found.notes


def test_files_that_are_refused_by_name(tmp_path: Path) -> None:
    whole = json.dumps({"type": "FeatureCollection", "features": TWO})
    cases: dict[str, tuple[Any, str]] = {
        "nested": ("[" * 100_000, "nested too deep"),
        "collections": ('{"type":"GeometryCollection","geometries":[' * 3000, "nested too deep|cannot be read"),
        "cut": (whole[:-60], "damaged"),
        "comma": (whole[:-2] + ",]}", "damaged"),
        "empty": ("", "is empty"),
        "text": ("not json", "damaged"),
        "number": ("7", "not GeoJSON"),
        "features": ('{"type": "FeatureCollection", "features": 3}', "not GeoJSON"),
        "another": ('{"a": 1}', "not GeoJSON"),
    }
    for name, (text, words) in cases.items():
        (tmp_path / f"{name}.geojson").write_text(text)
        with pytest.raises(NucleiError, match=words) as caught:
            read_labels(tmp_path / f"{name}.geojson", SHAPE)
        assert name in str(caught.value) and caught.value.hint
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as packed:
        packed.writestr("a.geojson", whole)
        packed.writestr("b.geojson", whole)
    with pytest.raises(NucleiError, match=r"2 files of outlines: a\.geojson, b\.geojson"):
        read_labels(tmp_path / "two.zip", SHAPE)
    (tmp_path / "cut.geojson.gz").write_bytes(gzip.compress(whole.encode())[:-20])
    with pytest.raises(NucleiError, match="its end is missing"):
        read_labels(tmp_path / "cut.geojson.gz", SHAPE)


def test_a_damaged_line_among_features_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_text("\n".join([json.dumps(TWO[0]), json.dumps(TWO[0])[:40], json.dumps(TWO[1])]))
    found = read_labels(tmp_path / "a.geojson", SHAPE)
    assert np.unique(found.labels).tolist() == [0, 1, 2] and "entry 2" in found.notes[0]


@pytest.mark.parametrize("name", ["a.geojson", "a.zip"])
def test_nothing_in_it_is_an_image_without_nuclei(tmp_path: Path, name: str) -> None:
    for shape in (SHAPE, (3, *SHAPE)):
        found = read_labels(write_labels(np.zeros(SHAPE, np.uint32), tmp_path / name), shape)
        assert found.labels.shape == shape and not found.labels.any()
        assert found.notes == ["It holds no outlines: an image without nuclei."]


def test_points_with_odd_ones_among_them(tmp_path: Path) -> None:
    good = {"type": "Point", "coordinates": [4.5, 3.5]}
    many = {"type": "MultiPoint", "coordinates": [[1.5, 1.5], ["x", 2]]}
    path = saved(tmp_path, [good, {"type": "Point", "coordinates": [float("nan"), 1]}, many, TWO[0]])
    notes: list[str] = []
    np.testing.assert_array_equal(read_points(path, told=notes.append), [[3, 4], [1, 1]])
    assert "2 entries passed over: its point is no x, y pair (entries 2, 3)." in notes
    with pytest.raises(NucleiError, match="entry 2 cannot be used"):
        read_points(path)


def test_outlines_that_cross_themselves_and_holes_outside(tmp_path: Path) -> None:
    bow = [[5, 5], [25, 25], [25, 5], [5, 25], [5, 5]]
    astray = [RING, [[50, 40], [55, 40], [55, 45], [50, 40]]]
    found = read_labels(saved(tmp_path, [polygon([bow])]), SHAPE).labels
    assert 180 <= np.count_nonzero(found) <= 220
    assert np.count_nonzero(read_labels(saved(tmp_path, [polygon(astray)]), SHAPE).labels) == 120
    assert outlines_reach(saved(tmp_path, [polygon(astray)])) == (22, 20)


def _roi(**fields: Any) -> bytes:
    raw = roifile.ImagejRoi(**{key: value for key, value in fields.items() if not key.endswith("d")})
    for key, value in fields.items():
        setattr(raw, key, value)
    return bytes(raw.tobytes())


def test_odd_regions_of_fiji(tmp_path: Path) -> None:
    good = bytes(roifile.ImagejRoi.frompoints(np.array(RING[:-1], np.float32)).tobytes())
    oval = {"roitype": roifile.ROI_TYPE.OVAL, "options": roifile.ROI_OPTIONS.SUB_PIXEL_RESOLUTION, "xd": 4.0, "yd": 4.0}
    path = np.array([7, 1, 1, 4], np.float32)
    odd = {
        "cut": good[:40],
        "magic": b"Jout" + good[4:],
        "infinite": _roi(**oval, widthd=float("inf"), heightd=9.0),
        "nan": _roi(**oval, widthd=float("nan"), heightd=9.0),
        "huge": _roi(**oval, widthd=1e30, heightd=1e30),
        "flat": _roi(roitype=roifile.ROI_TYPE.RECT, top=5, left=5, bottom=5, right=9),
        "path": _roi(roitype=roifile.ROI_TYPE.RECT, multi_coordinates=path, shape_roi_size=4),
    }
    for name, content in odd.items():
        for inside in ({name: content, "good": good}, {name: content}):
            with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
                for key, one in inside.items():
                    packed.writestr(f"{key}.roi", one)
            if len(inside) == 2:
                found = read_labels(tmp_path / "a.zip", SHAPE)
                assert np.count_nonzero(found.labels) == 120 and f"({name}.roi)" in found.notes[0], name
            else:
                with pytest.raises(NucleiError, match=f"damaged: {name}.roi|holds no outlines"):
                    read_labels(tmp_path / "a.zip", SHAPE)


def test_round_corners_and_curves(tmp_path: Path) -> None:
    """A rectangle whose corners are as round as can be is a circle; a composite keeps the curves Fiji gives it."""
    _write = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, top=5, left=10, bottom=45, right=50)
    _write.rounded_rect_arc_size = 40
    _write.tofile(tmp_path / "a.roi")
    circle = read_labels(tmp_path / "a.roi", SHAPE).labels > 0
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    np.testing.assert_array_equal(circle, (x - 30) ** 2 + (y - 25) ** 2 <= 400)
    k = 20 * 0.5522847498
    arcs = [
        (0, 50, 25), (3, 50, 25 + k, 30 + k, 45, 30, 45), (3, 30 - k, 45, 10, 25 + k, 10, 25),
        (3, 10, 25 - k, 30 - k, 5, 30, 5), (3, 30 + k, 5, 50, 25 - k, 50, 25), (4,),
    ]  # fmt: skip
    path = np.array([v for step in arcs for v in step], np.float32)
    roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, multi_coordinates=path, shape_roi_size=len(path)).tofile(
        tmp_path / "b.roi"
    )
    assert np.count_nonzero((read_labels(tmp_path / "b.roi", SHAPE).labels > 0) ^ circle) < 20
    assert len(read_rois(tmp_path / "b.roi")[0][0].rings) == 1


def test_outlines_as_text_of_cellpose(tmp_path: Path) -> None:
    """Corners are the centres of the outermost pixels, all of which belong to the nucleus."""
    ring = [(5, 5), (14, 5), (14, 16), (5, 16)]
    line = ",".join(f"{x},{y}" for x, y in ring)
    (tmp_path / "a_cp_outlines.txt").write_text(f"{line}\n40,30\n1,2,x\n\n30,30,33,33\n")
    found = read_labels(tmp_path / "a_cp_outlines.txt", SHAPE)
    assert np.count_nonzero(found.labels == 1) == 120 and found.labels[30, 40] == 2 and found.labels[32, 32] == 3
    assert "entry 3" in found.notes[0]


_NUMBER = st.one_of(st.floats(), st.integers(-(10**30), 10**30), st.text(max_size=3), st.none(), st.booleans())
_PAIR = st.lists(_NUMBER, max_size=4)
_ANY = st.recursive(_NUMBER | _PAIR, lambda inner: st.lists(inner, max_size=4), max_leaves=12)
_WORD = st.sampled_from(
    ["Polygon", "MultiPolygon", "Point", "LineString", "GeometryCollection", "Feature", "x", 3, None]
)
_SHAPE = st.fixed_dictionaries({"type": _WORD}, optional={"coordinates": _ANY, "geometries": _ANY, "plane": _ANY})
_ENTRY = st.one_of(
    _ANY,
    st.fixed_dictionaries(
        {"type": st.just("Feature"), "geometry": _SHAPE | _ANY},
        optional={
            "properties": _ANY | st.dictionaries(st.sampled_from(["measurements", "objectType", "childObjects"]), _ANY),
            "nucleusGeometry": _SHAPE,
            "id": _ANY,
        },
    ),
)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(st.lists(_ENTRY, max_size=3))
def test_whatever_else_a_file_holds_the_nuclei_come_back(
    tmp_path_factory: pytest.TempPathFactory, odd: list[Any]
) -> None:
    folder = tmp_path_factory.mktemp("drawn")
    path = saved(folder, [*odd, square(1000, 1000), square(1100, 1000), square(1200, 1000)])
    try:
        found = read_labels(path, (1300, 1300))
    except NucleiError as error:
        assert error.message and "Error" not in error.message
        return
    assert all(found.labels[1005, 1005 + step] for step in (0, 100, 200))


@settings(max_examples=25, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 40)), min_size=3, max_size=9), st.booleans())
def test_any_ring_is_filled_as_shapely_fills_it(
    tmp_path_factory: pytest.TempPathFactory, corners: list[tuple[int, int]], packed: bool
) -> None:
    ring = [[x + 0.25, y + 0.125] for x, y in corners]
    shape = shapely.make_valid(shapely.Polygon(ring))
    folder = tmp_path_factory.mktemp("ring")
    if packed:
        roifile.ImagejRoi.frompoints(np.array(ring, np.float32)).tofile(folder / "a.roi")
        path = folder / "a.roi"
    else:
        path = saved(folder, [polygon([ring])])
    y, x = np.mgrid[:50, :70] + 0.5
    sure, may = (shapely.contains_xy(shape.buffer(step), x, y) for step in (-1e-3, 1e-3))
    try:
        found = read_labels(path, (50, 70)).labels > 0
    except NucleiError:
        assert shape.area == 0
        return
    assert not (sure & ~found).any() and not (found & ~may).any()
