"""What encloses others is a region, left out with a word, whatever the order of the file; no nucleus is swallowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roifile

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.labels_io import read_labels

SHAPE = (150, 200)
PLACES = [(25 + 50 * i, 25 + 50 * j) for i in range(4) for j in range(3)]  # x, y


def disc(x: float, y: float, radius: float, corners: int = 24) -> list[list[float]]:
    """A ring, not closed."""
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], axis=1).tolist()


def box(left: float, top: float, right: float, bottom: float) -> list[list[float]]:
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def outline(ring: list[list[float]], *holes: list[list[float]], **more: Any) -> dict[str, Any]:
    rings = [[*one, one[0]] for one in (ring, *holes)]
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": rings}, "properties": more}


def merged(items: list[dict[str, Any]]) -> dict[str, Any]:
    """One outline of all."""
    parts = [one["geometry"]["coordinates"] for one in items]
    return {"type": "Feature", "geometry": {"type": "MultiPolygon", "coordinates": parts}, "properties": {}}


FIELD = outline(box(1, 1, 199, 149))
NUCLEI = [outline(disc(x, y, 10)) for x, y in PLACES]
FIRST = PLACES[0]
CASES: dict[str, tuple[list[dict[str, Any]], int, str]] = {
    "a field": ([FIELD, *NUCLEI], 12, "1 outline holds several others and is left out"),
    "a region that is no rectangle": ([outline(disc(100, 75, 160, 60)), *NUCLEI], 12, "a region, no nucleus (entry 1)"),
    "regions of a few nuclei": (
        [outline(disc(50, 50, 48, 40)), outline(disc(150, 50, 48, 40)), *NUCLEI],
        12,
        "2 outlines hold several others each and are left out",
    ),
    "one that cuts nuclei": ([outline(box(22, 22, 120, 149)), *NUCLEI], 12, "left out: a region"),
    "all that is no nucleus": (
        [outline(box(1, 1, 199, 149), *[disc(x, y, 10) for x, y in PLACES]), *NUCLEI],
        12,
        "region",
    ),
    "cells and nuclei": (
        [*[outline(disc(x, y, 18)) for x, y in PLACES], *NUCLEI],
        12,
        "12 outlines hold exactly one other each, as cells hold their nuclei: those inside are taken",
    ),
    "cells and nuclei in a field": ([FIELD, *[outline(disc(x, y, 18)) for x, y in PLACES], *NUCLEI], 12, "as cells"),
    "boxes and nuclei": (
        [*[outline(box(x - 11, y - 11, x + 11, y + 11)) for x, y in PLACES], *NUCLEI],
        12,
        "12 outlines are rectangles round another one and are left out",
    ),
    "something small in a nucleus": (
        [*NUCLEI, outline(disc(*FIRST, 3))],
        13,
        "1 outline holds smaller ones (1 in all)",
    ),
    "debris in a nucleus": (
        [*NUCLEI, *[outline(disc(FIRST[0] + d, FIRST[1], 1.6, 8)) for d in (-5, 0, 5)]],
        15,
        "1 outline holds smaller ones (3 in all): all count",
    ),
    "all drawn twice": ([*NUCLEI, *NUCLEI], 12, "12 of the outlines cover the same place as another"),
    "drawn twice, not quite": ([*NUCLEI, outline(disc(FIRST[0] + 1, FIRST[1], 10))], 12, "drawn twice"),
    "one in another of like size": ([*NUCLEI, outline(disc(*FIRST, 9))], 12, "1 of the outlines covers the same place"),
    "neighbours that overlap": ([*NUCLEI, outline(disc(FIRST[0] + 14, FIRST[1], 9))], 13, "2 outlines overlap"),
    "round a pair that touches": (
        [*NUCLEI[:-1], outline(disc(170, 125, 8)), outline(disc(186, 125, 8)), outline(disc(178, 125, 18))],
        13,
        "a region, no nucleus",
    ),
    "one outline for all": ([merged(NUCLEI)], 12, "1 outline has 12 separate parts"),
    "one outline for a class": (
        [merged(NUCLEI[:6]), merged(NUCLEI[6:])],
        12,
        "2 outlines have 12 separate parts in all",
    ),
    "fragments of a nucleus": (
        [*NUCLEI[:-1], merged([outline(disc(170, 125, 6)), outline(disc(183, 125, 5))])],
        12,
        "1 outline has parts close to each other, which count as one nucleus",
    ),
    "a large empty one": ([*NUCLEI[3:], outline(box(1, 1, 45, 149))], 10, "hold"),
}


def written(folder: Path, items: list[Any]) -> Path:
    (folder / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return folder / "a.geojson"


@pytest.mark.parametrize("name", list(CASES))
def test_what_holds_others(tmp_path: Path, name: str) -> None:
    items, number, words = CASES[name]
    if name == "a large empty one":
        number, words = 10, "more than 25 times as large"
        items = [*[outline(disc(x, y, 4)) for x, y in PLACES[3:]], items[-1]]
    seen = []
    for order in (items, items[::-1], [items[k] for k in np.random.default_rng(0).permutation(len(items))]):
        found = read_labels(written(tmp_path, order), SHAPE)
        assert len(np.setdiff1d(found.labels, 0)) == number
        assert any(words.replace("(entry 1)", "") in note for note in found.notes), found.notes
        seen.append(found.labels > 0)
    assert (seen[0] == seen[1]).all() and (seen[0] == seen[2]).all()


def test_nuclei_alone_are_as_before(tmp_path: Path) -> None:
    found = read_labels(written(tmp_path, NUCLEI), SHAPE)
    assert not found.notes and not found.binary
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    for number, (cx, cy) in enumerate(PLACES, start=1):
        assert ((x - cx) ** 2 + (y - cy) ** 2 <= 81)[found.labels == number].mean() > 0.75
    donut = outline(disc(100, 75, 20), disc(100, 75, 12))
    both = read_labels(written(tmp_path, [donut, outline(disc(100, 75, 6))]), SHAPE).labels
    assert both[75, 100] == 2 and both[75, 84] == 1 and both[75, 91] == 0


@pytest.mark.parametrize(
    ("key", "nucleus", "others"),
    [
        ("id", "PathDetectionObject", ["PathAnnotationObject", "PathTileObject", "TMACoreObject", "PathRootObject"]),
        ("id", "PathCellObject", ["PathAnnotationObject"]),
        ("id", "PathAnnotationObject", ["PathTileObject", "TMACoreObject"]),
        ("object_type", "detection", ["annotation", "tma_core", "tile", "root"]),
        ("objectType", "cell", ["annotation", "tmaCore"]),
        ("objectType", "annotation", ["tma_core", "tile"]),
    ],
)
def test_words_of_all_versions_of_qupath(tmp_path: Path, key: str, nucleus: str, others: list[str]) -> None:
    """A core, tile or annotation of the size of a nucleus is none either, where there are nuclei by name."""

    def typed(item: dict[str, Any], word: str) -> dict[str, Any]:
        return {**item, "id": word} if key == "id" else {**item, "properties": {key: word, "isLocked": True}}

    mixed = [typed(outline(disc(100 + 20 * k, 140, 8)), word) for k, word in enumerate(others)]
    found = read_labels(written(tmp_path, [*mixed, *[typed(one, nucleus) for one in NUCLEI[::3]]]), SHAPE)
    assert len(np.setdiff1d(found.labels, 0)) == 4
    assert sum("left out: no nuclei" in note for note in found.notes) == len(others)


def test_objects_within_objects(tmp_path: Path) -> None:
    """`childObjects` of QuPath, of a root and an annotation; cells give their nucleus, and those without are told."""
    cell = {**outline(disc(*FIRST, 18), objectType="cell"), "nucleusGeometry": NUCLEI[0]["geometry"]}
    bare = outline(disc(*PLACES[4], 10), objectType="cell")
    region = {**FIELD, "properties": {"objectType": "annotation"}, "childObjects": [cell, bare]}
    root = {"type": "Feature", "geometry": None, "properties": {"objectType": "root"}, "childObjects": [region]}
    found = read_labels(written(tmp_path, [root]), SHAPE)
    assert len(np.setdiff1d(found.labels, 0)) == 2 and 280 < np.count_nonzero(found.labels == 1) < 320
    assert "1 annotation is left out: no nuclei." in found.notes
    assert any("1 of them is without nuclei" in note for note in found.notes)
    tiles = [outline(box(x - 9, y - 9, x + 9, y + 9), objectType="tile") for x, y in PLACES]
    assert "There are only tiles" in read_labels(written(tmp_path, tiles), SHAPE).notes[-1]
    with pytest.raises(NucleiError, match=r"no outlines\. 1 core of a tissue microarray is left out"):
        read_labels(written(tmp_path, [outline(disc(*FIRST, 9), objectType="tma_core")]), SHAPE)


@pytest.mark.parametrize("kind", ["rectangle", "oval", "rounded", "polygon", "composite"])
def test_a_field_among_regions_of_fiji(tmp_path: Path, kind: str) -> None:
    field = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, top=1, left=1, bottom=149, right=199)
    if kind == "oval":
        field = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.OVAL, top=-60, left=-60, bottom=210, right=260)
    elif kind == "rounded":
        field.rounded_rect_arc_size = 20
    elif kind == "polygon":
        field = roifile.ImagejRoi.frompoints(np.array(disc(100, 75, 160, 60), np.float32))
    elif kind == "composite":
        steps = [(0, 1, 1), (1, 199, 1), (1, 199, 149), (1, 1, 149)]
        path = np.array([*np.ravel(steps), 4, *np.ravel([(0, 1, 1), (1, 3, 1), (1, 3, 3)]), 4], np.float32)
        field.multi_coordinates, field.shape_roi_size = path, len(path)
    rois = [roifile.ImagejRoi.frompoints(np.array(disc(x, y, 10), np.float32)) for x, y in PLACES]
    for order, name in (([field, *rois], "a.zip"), ([*rois, field], "b.zip")):
        roifile.roiwrite(tmp_path / name, order, name=[f"r{k}" for k in range(len(order))])
        found = read_labels(tmp_path / name, SHAPE)
        assert len(np.setdiff1d(found.labels, 0)) == 12
        assert "1 outline holds several others and is left out" in found.notes[0]


def test_a_combined_region_of_fiji_is_taken_apart(tmp_path: Path) -> None:
    path: list[float] = []
    for x, y in PLACES:
        ring = disc(x, y, 10)
        path += [v for k, pair in enumerate(ring) for v in (min(k, 1), *pair)] + [4]
    roi = roifile.ImagejRoi(
        roitype=roifile.ROI_TYPE.RECT, multi_coordinates=np.array(path, np.float32), shape_roi_size=len(path)
    )
    roi.tofile(tmp_path / "a.roi")
    found = read_labels(tmp_path / "a.roi", SHAPE)
    assert len(np.setdiff1d(found.labels, 0)) == 12 and "12 separate parts" in found.notes[0]


def test_outlines_outside_or_hidden_are_told(tmp_path: Path) -> None:
    items = [*NUCLEI, outline(disc(900, 900, 10)), outline(box(150.1, 60.1, 150.3, 60.3))]
    notes = read_labels(written(tmp_path, items), SHAPE).notes
    assert any("1 outline lies outside the image and is left out (entry 13)" in note for note in notes)
    assert any("1 of the outlines holds no pixel" in note and "entry 14" in note for note in notes)
