"""What a file of outlines or clicks lost on the way stands on the screen, once and with a count; empty files count."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.data.labels_io import write_labels

from . import tiny

TRUTH = tiny.labels_of(tiny.centres())


def scores(run: Callable, *arguments: object) -> tuple[dict[str, Any], str]:
    said = run("evaluate", *arguments, "--json", "s.json")
    assert said.code == 0, said.err
    return dict(json.loads(Path("s.json").read_text(encoding="utf-8"))["mean"]), said.err


def with_region(path: Path) -> Path:
    """Outlines without numbers, and a field round them."""
    content = json.loads(write_labels(TRUTH, path).read_text())
    for item in content["features"]:
        item["properties"] = {"objectType": "annotation"}
    ring = [[1, 1], [95, 1], [95, 95], [1, 95], [1, 1]]
    content["features"].append({**item, "geometry": {"type": "Polygon", "coordinates": [ring]}})
    content["features"].append({**item, "geometry": {"type": "Polygon", "coordinates": [ring[:2]]}})
    path.write_text(json.dumps(content))
    return path


def test_a_region_is_said_once_with_a_count(run: Callable, tmp_path: Path) -> None:
    write_labels(TRUTH, tmp_path / "truth.tif")
    with_region(tmp_path / "a.geojson")
    for pair in (("truth.tif", "a.geojson"), ("a.geojson", "truth.tif"), ("a.geojson", "a.geojson")):
        found, said = scores(run, *pair)
        assert found["f1@0.5"] == 1 and found["n_true"] == 36
        assert said.count("1 outline holds several others and is left out") == said.count("entry 37") == 1
        assert said.count("1 entry passed over: its outline has no area (entry 38)") == 1
    (tmp_path / "image.tif").write_bytes((tmp_path / "truth.tif").read_bytes())
    said = run("export", "a.geojson", "--image", "image.tif", "--out", "a.csv")
    assert said.code == 0 and said.err.count("1 outline holds several others") == 1
    assert len((tmp_path / "a.csv").read_text(encoding="utf-8-sig").splitlines()) == 37


def test_many_files_of_one_kind_are_one_line(run: Callable, tmp_path: Path) -> None:
    for number in range(4):
        write_labels(TRUTH, tmp_path / "mine" / f"{number}.tif")
        (tmp_path / "truth").mkdir(exist_ok=True)
        with_region(tmp_path / "truth" / f"{number}.geojson")
    _, said = scores(run, "mine", "truth")
    lines = [line for line in said.splitlines() if "several others" in line]
    assert len(lines) == 1 and lines[0].startswith("0.geojson: ") and lines[0].endswith("Likewise 3 more files.")


@pytest.mark.parametrize("kind", ["tif", "geojson", "zip"])
def test_images_without_nuclei_count(run: Callable, tmp_path: Path, kind: str) -> None:
    """Of two images one prediction is empty: the mean is the same in every format. So it is with a reference."""
    empty = np.zeros_like(TRUTH)
    for name, labels in (("a", TRUTH), ("b", empty), ("c", empty)):
        write_labels(labels, tmp_path / "mine" / f"{name}.{kind}")
    for name, labels in (("a", TRUTH), ("b", TRUTH), ("c", empty)):
        write_labels(labels, tmp_path / "truth" / f"{name}.tif")
    assert scores(run, "mine", "truth")[0]["f1@0.5"] == pytest.approx(2 / 3)
    found, said = scores(run, "truth", "mine")
    assert found["f1@0.5"] == pytest.approx(2 / 3)
    assert f"b.{kind} holds no outlines and no points: a reference without nuclei, to which 36 are extra." in said
    found, _ = scores(run, "mine", "mine")
    assert found["f1@0.5"] == 1


def test_an_empty_table_and_an_empty_drawing_say_the_same(run: Callable, tmp_path: Path) -> None:
    write_labels(TRUTH, tmp_path / "mine.tif")
    (tmp_path / "a.csv").write_text("index,axis-0,axis-1\n")
    (tmp_path / "a.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    said = {scores(run, "mine.tif", name)[1].replace(name, "FILE") for name in ("a.csv", "a.geojson")}
    assert said == {"FILE holds no outlines and no points: a reference without nuclei, to which 36 are extra.\n"}


def test_clicks_beside_the_image_or_in_its_corner(run: Callable, tmp_path: Path) -> None:
    write_labels(TRUTH, tmp_path / "mine.tif")
    points = tiny.centres()
    tiny.write_clicks(tmp_path / "a.csv", np.vstack([points, [[500, 3]]]))
    found, said = scores(run, "mine.tif", "a.csv")
    assert found["found"] == found["n_clicks"] == 36
    assert "a.csv: 1 click lies outside the image (96×96). Not counted." in said
    rows = [f"{k},0,{x / 4:.3f},{y / 4:.3f}" for k, (y, x) in enumerate(points.tolist(), start=1)]
    (tmp_path / "um.csv").write_text("\n".join([" ,Area,X,Y", *rows]))
    assert "All 36 clicks lie in the upper left corner" in scores(run, "mine.tif", "um.csv")[1]
    (tmp_path / "named.csv").write_text("\n".join([" ,Area,x_um,y_um", *rows]))
    assert "the size of a pixel is not known here" in run("evaluate", "mine.tif", "named.csv").err
    write_labels(TRUTH, tmp_path / "sized.ome.tif", pixel_size_um=(0.25, 0.25))
    found, said = scores(run, "sized.ome.tif", "named.csv")
    assert found["found"] == 36 and "divided by the pixel size, 0.25, 0.25 µm" in said


def test_a_mask_of_any_value_is_split_and_said(run: Callable, tmp_path: Path) -> None:
    write_labels(TRUTH, tmp_path / "mine.tif")
    tifffile.imwrite(tmp_path / "mask.tif", np.where(TRUTH > 0, 65535, 0).astype(np.uint16))
    found, said = scores(run, "mine.tif", "mask.tif")
    assert found["n_true"] == 36 and "mask.tif: It is a black-and-white mask" in said
