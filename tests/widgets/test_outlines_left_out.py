"""What a file of outlines or clicks lost on the way is told in the viewer, too; a reference without nuclei counts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.widgets.entry import ImageEntry
from napari_nucleidomain.widgets.export import Snapshot
from napari_nucleidomain.widgets.images_attach import check_labels
from napari_nucleidomain.widgets.points_files import import_file
from napari_nucleidomain.widgets.review_compute import assess
from napari_nucleidomain.widgets.review_subject import _read


def square(x: float, y: float, side: float) -> dict:
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": {}}


@pytest.fixture
def entry(tmp_path: Path) -> ImageEntry:
    tifffile.imwrite(tmp_path / "a.tif", np.random.default_rng(0).integers(0, 255, (80, 100)).astype(np.uint8))
    image = open_image(tmp_path / "a.tif")
    return ImageEntry(id="a", name="a", path=tmp_path / "a.tif", image=image)


def test_a_region_in_review_and_on_attaching(tmp_path: Path, entry: ImageEntry) -> None:
    nuclei = [square(10, 10, 8), square(40, 10, 8), square(60, 40, 8)]
    (tmp_path / "a.geojson").write_text(json.dumps([square(2, 2, 75), *nuclei]))
    words = "1 outline holds several others and is left out: a region, no nucleus (entry 1)."
    reference = _read(tmp_path / "a.geojson", (80, 100))
    assert len(np.unique(reference.labels)) == 4 and reference.note == words
    labels, said, mask = check_labels(tmp_path / "a.geojson", entry)
    assert len(np.unique(labels)) == 4 and said == words and not mask
    result = Snapshot("a", labels, (0, 0), None, None, None, None, None)
    assert assess(result, reference).note == words and assess(result, reference).scores["f1@0.5"] == 1


def test_a_reference_without_nuclei_counts(tmp_path: Path, entry: ImageEntry) -> None:
    (tmp_path / "a.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    labels = np.zeros((80, 100), np.uint32)
    for number, x in enumerate((10, 30, 50), start=1):
        labels[10:20, x : x + 10] = number
    reference = _read(tmp_path / "a.geojson", (80, 100))
    found = assess(Snapshot("a", labels, (0, 0), None, None, None, None, None), reference)
    assert found.sentence == "0 of 0 found, 3 extra" and found.scores["f1@0.5"] == 0
    assert found.note == "It holds no outlines: an image without nuclei."
    empty = assess(Snapshot("a", labels * 0, (0, 0), None, None, None, None, None), reference)
    assert empty.scores["f1@0.5"] == 1


def test_clicks_with_odd_ones_among_them_are_imported_and_told(tmp_path: Path, entry: ImageEntry) -> None:
    points = [{"type": "Point", "coordinates": [10.5 * k, 9.5 * k]} for k in range(1, 6)]
    (tmp_path / "a.geojson").write_text(json.dumps([*points, {"type": "Point", "coordinates": [float("nan"), 2]}, 7]))
    found = import_file(tmp_path / "a.geojson", entry)
    assert found.new_points == 5
    assert found.sentence("a.geojson").startswith("5 clicks added from a.geojson. ")
    assert found.sentence("a.geojson").count("no GeoJSON feature (entry 7)") == 1
    assert found.sentence("a.geojson").count("its point is no x, y pair (entry 6)") == 1
    rows = "".join(f"{k},{2 + 4 * k},{3 + 3 * k}\n" for k in range(8))
    (tmp_path / "um.csv").write_text(" ,X,Y\n" + rows)
    assert "All 8 clicks lie in the upper left corner" in import_file(tmp_path / "um.csv", entry).sentence("um.csv")
