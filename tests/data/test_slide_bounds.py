"""Outlines that land on the same pixels in QuPath: slides with an empty margin, planes of stacks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.cli import main
from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.labels_geojson import read_labels_geojson, write_labels_geojson
from napari_nucleidomain.data.labels_io import read_labels, read_labels_of, write_labels
from napari_nucleidomain.data.slide_bounds import bounds_in, parse_origin, qupath_origin
from napari_nucleidomain.widgets.export import Snapshot, save_for_slide, save_labels

LABELS = np.zeros((300, 400), np.uint32)
LABELS[130:140, 210:222] = 3
LABELS[133:136, 214:217] = 0  # a hole
LABELS[134, 215] = 5  # and a nucleus of one pixel in it
LABELS[140:146, 210:215] = 7  # touches 3
LABELS[150, 230] = LABELS[151, 231] = 8  # parts that meet in a corner
# As `vips tiffsave --properties` writes it.
PROPERTY = '<property><name>openslide.bounds-{}</name><value type="VipsRefString">{}</value></property>'
WHERE = {"x": 205, "y": 125, "width": 100, "height": 90}


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    """The whole canvas of a slide of which QuPath shows a part."""
    properties = "".join(PROPERTY.format(key, value) for key, value in WHERE.items())
    xml = f'<?xml version="1.0"?><image><properties>{properties}</properties></image>'
    path = tmp_path / "canvas.tif"
    tifffile.imwrite(path, np.full((300, 400, 3), 240, np.uint8), photometric="rgb", description=xml, metadata=None)
    return path


def test_bounds_are_found(slide: Path) -> None:
    image = open_image(slide)
    assert image.metadata["slide_bounds"] == WHERE
    assert qupath_origin(image) == (125, 205) == parse_origin("slide", image)
    assert parse_origin("7,-3", None) == (-3, 7)
    assert bounds_in("openslide.bounds-x = 5") is None, "all four or none"
    for wrong, asked in (("slide", None), ("5", image), ("a,b", image)):
        with pytest.raises(NucleiError):
            parse_origin(wrong, asked)


def test_a_picture_of_the_box_alone_is_not_moved(tmp_path: Path, slide: Path) -> None:
    with tifffile.TiffFile(slide) as file:
        xml = file.pages[0].description
    path = tmp_path / "box.tif"
    tifffile.imwrite(path, np.zeros((90, 100, 3), np.uint8), photometric="rgb", description=xml, metadata=None)
    assert qupath_origin(open_image(path)) is None


def test_outlines_for_the_slide_and_back(tmp_path: Path, slide: Path) -> None:
    """On what QuPath shows (the box) they are the same pixels; moved back they are the same on the canvas."""
    write_labels(LABELS, tmp_path / "l.tif")
    out, back = tmp_path / "q.geojson", tmp_path / "back.tif"
    move = ["--image", str(slide), "--qupath-origin", "slide"]
    assert main(["export", str(tmp_path / "l.tif"), "--out", str(out), *move]) == 0
    shown = LABELS[125:215, 205:305]
    np.testing.assert_array_equal(read_labels_geojson(out, shown.shape), shown)
    assert main(["export", str(out), "--out", str(back), *move]) == 0
    np.testing.assert_array_equal(read_labels(back).labels, LABELS)
    first = json.loads(out.read_text(encoding="utf-8"))["features"][0]
    assert first["properties"]["objectType"] == "detection" and len(first["geometry"]["coordinates"]) == 2
    measured = {one["name"]: one["value"] for one in first["properties"]["measurements"]}
    assert measured["area_px"] == (LABELS == 3).sum() and measured["Label"] == 3
    image = open_image(slide)
    box = Snapshot("a", LABELS[100:, 200:], (100, 200), None, image, None, None, None)
    np.testing.assert_array_equal(read_labels_geojson(save_for_slide(box, tmp_path / "s.geojson"), (90, 100)), shown)


def test_the_option_is_for_geojson(tmp_path: Path, slide: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_labels(LABELS, tmp_path / "l.tif")
    for out, origin, words in (("o.tif", "1,2", "QuPath only"), ("o.geojson", "x", "no place")):
        assert main(["export", str(tmp_path / "l.tif"), "--out", str(tmp_path / out), "--qupath-origin", origin]) == 2
        assert words in capsys.readouterr().err


def test_the_plane_of_a_stack_is_told(tmp_path: Path) -> None:
    """As QuPath writes it: z and t from 0, and nothing on the first plane."""
    image = open_image(np.zeros((4, 300, 400), np.uint8))
    image = open_image(np.zeros((4, 300, 400), np.uint8), image.understanding.changed(axes="ZYX", third_axis="planes"))
    result = Snapshot("a", LABELS, (0, 0), None, image, 2, None, None)
    for feature in json.loads(save_labels(result, tmp_path / "a.geojson").read_text(encoding="utf-8"))["features"]:
        assert feature["geometry"]["plane"] == {"c": -1, "z": 2, "t": 0}
    # And read back onto that plane; where no plane is told the outlines are those of a flat picture.
    found = read_labels_of(tmp_path / "a.geojson", image).labels
    np.testing.assert_array_equal(found[2], LABELS)
    assert found.shape == (4, 300, 400) and not found[[0, 1, 3]].any()
    fewer = open_image(np.zeros((2, 300, 400), np.uint8), image.understanding)
    with pytest.raises(NucleiError, match="planes that the image does not have"):
        read_labels_of(tmp_path / "a.geojson", fewer)
    first = write_labels_geojson(LABELS, tmp_path / "b.geojson", planes={"Z": 0})
    assert read_labels_of(first, image).labels.shape == (300, 400)
    assert "plane" not in json.loads(first.read_text(encoding="utf-8"))["features"][0]["geometry"]
