"""`export` and `evaluate` of label images that are not read as a whole say the same."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.data import labels_large
from napari_nucleidomain.data.labels_io import read_labels, write_labels
from napari_nucleidomain.data.points import write_points

TRUTH = np.zeros((200, 260), np.uint32)
for number, (y, x) in enumerate(np.ndindex(9, 12), start=1):
    TRUTH[y * 22 + 2 : y * 22 + 15, x * 21 + 3 : x * 21 + 18] = number
FOUND = np.where(np.roll(TRUTH, 2, axis=0) % 7 == 0, 0, np.roll(TRUTH, 2, axis=0))


@pytest.fixture
def as_large(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    def change(large: bool) -> None:
        monkeypatch.setattr(labels_large, "LARGE", 0 if large else 1 << 26)

    return change


def test_export_is_the_same(run: Callable, tmp_path: Path, as_large: Callable) -> None:
    image = np.random.default_rng(0).integers(0, 255, (*TRUTH.shape, 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "image.tif", image, photometric="rgb")
    write_labels(FOUND, tmp_path / "found.tif")
    for ending in ("csv", "geojson", "ome.zarr"):
        made = []
        for large in (False, True):
            as_large(large)
            out = tmp_path / f"{large}.{ending}"
            said = run("export", tmp_path / "found.tif", "--image", tmp_path / "image.tif", "--out", out)
            assert said.code == 0, said.err
            if ending == "csv":
                with open(out, encoding="utf-8-sig", newline="") as file:
                    made.append(list(csv.DictReader(file)))
            else:
                as_large(False)
                made.append(read_labels(out, shape=TRUTH.shape).labels.tolist())
        assert made[0] == made[1], ending
    assert len(np.unique(FOUND)) - 1 == sum(1 for k in range(1, 109) if k % 7)


@pytest.mark.parametrize("against", ["labels", "points"])
def test_evaluate_is_the_same(run: Callable, tmp_path: Path, as_large: Callable, against: str) -> None:
    write_labels(FOUND, tmp_path / "a.tif")
    truth = write_labels(TRUTH, tmp_path / "truth" / "a.tif")
    if against == "points":
        truth = write_points(np.argwhere(TRUTH == 0)[::500], tmp_path / "truth" / "a.csv")
    rows = []
    for large in (False, True):
        as_large(large)
        said = run("evaluate", tmp_path / "a.tif", truth, "--json", tmp_path / f"{large}.json")
        assert said.code == 0, said.err
        rows.append(json.loads((tmp_path / f"{large}.json").read_text())["images"]["a"])
    # Whole nuclei would have to be looked at for this one.
    rows[0].pop("object_hausdorff", None)
    assert rows[0] == pytest.approx(rows[1])


def test_sizes_that_differ_are_said(run: Callable, tmp_path: Path, as_large: Callable) -> None:
    write_labels(FOUND, tmp_path / "a.tif")
    write_labels(TRUTH[:100], tmp_path / "truth" / "a.tif")
    as_large(True)
    said = run("evaluate", tmp_path / "a.tif", tmp_path / "truth" / "a.tif")
    assert said.code == 2
    assert "200 × 260" in said.err
    assert "100 × 260" in said.err
