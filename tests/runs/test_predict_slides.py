"""A prediction whose labels are never held as a whole: same nuclei, every format, stopped and continued."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.data.regions import Region, write_regions
from napari_nucleidomain.runs import predict as predicting
from napari_nucleidomain.runs.execute import ExitCode, execute
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import ImageRef, PredictJob
from napari_nucleidomain.runs.store import Project

SIDE = 300


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Bright discs on dark, with a pixel size."""
    grid = np.indices((SIDE, SIDE))
    image = np.random.default_rng(0).integers(10, 30, (SIDE, SIDE))
    for y in range(20, SIDE, 30):
        for x in range(20, SIDE, 30):
            image[np.hypot(grid[0] - y, grid[1] - x) <= 7] = 200
    path = tmp_path / "slide ü.tif"
    tifffile.imwrite(
        path, image.astype(np.uint8), tile=(64, 64), resolution=(4e4, 4e4), resolutionunit="CENTIMETER"
    )  # 0.25 µm
    return path


def predict(tmp_path: Path, picture: Path, **settings: Any) -> RunFolder:
    job = PredictJob(model="otsu", images=[ImageRef(path=str(picture))], **settings)
    run = Project.open(tmp_path / "project").new_run(job)
    assert execute(run.path) == ExitCode.DONE, run.log.read_text() if run.log.exists() else ""
    return run


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otsu in tiles of 96 px, so that a small image has many."""
    from napari_nucleidomain.contracts import SegmenterSpec
    from napari_nucleidomain.methods.otsu import segment as otsu

    before = otsu.OtsuSegmenter.__init__

    def smaller(self: Any, config: Any, ndim: int) -> None:
        before(self, config, ndim)
        self.spec = SegmenterSpec(ndim=2, channels=0, tile=(96, 96), halo=(16, 16), fixed=False)

    monkeypatch.setattr(otsu.OtsuSegmenter, "__init__", smaller)


@pytest.mark.parametrize(
    ("name", "ending"), [("tif", ".tif"), ("ome-tif", ".ome.tif"), ("zarr", ".ome.zarr"), ("geojson", ".geojson")]
)
def test_every_format_is_written_from_disk(
    tmp_path: Path, picture: Path, small_tiles: None, name: str, ending: str
) -> None:
    small = predict(tmp_path, picture, out=str(tmp_path / "small"), format=name)
    large = predict(tmp_path, picture, out=str(tmp_path / "large"), format=name, large_px=0)
    paths = [tmp_path / folder / f"slide ü{ending}" for folder in ("small", "large")]
    one, other = (read_labels(path, shape=(SIDE, SIDE)).labels for path in paths)
    np.testing.assert_array_equal(one, other)
    assert one.max() == 100
    assert small.summary()["images"][0]["nuclei"] == large.summary()["images"][0]["nuclei"] == 100
    assert [path.name for path in sorted(large.result_folder.iterdir())] == [
        "slide ü.json",
        "slide ü.labels.ome.zarr",
        "slide ü.npz",
    ]
    # What was only needed on the way is gone.
    assert not (large.path / "tiles" / "slide ü").exists()


def test_pixel_size_and_pyramid_are_kept(tmp_path: Path, picture: Path) -> None:
    run = predict(tmp_path, picture, large_px=0)
    kept = run.result_folder / "slide ü.labels.ome.zarr"
    scales = json.loads((kept / ".zattrs").read_text())["multiscales"][0]
    assert scales["datasets"][0]["coordinateTransformations"][0]["scale"] == pytest.approx([0.25, 0.25])


def test_regions_and_boxes_are_the_same_from_disk(tmp_path: Path, picture: Path, small_tiles: None) -> None:
    region = write_regions([Region.box(30, 30, 200, 140)], tmp_path / "r.geojson")
    wanted = {"box": [[10, 250], [20, 290]], "region": str(region)}
    found = []
    for number, large_px in enumerate((1 << 26, 0)):
        out = tmp_path / str(number)
        run = predict(tmp_path, picture, out=str(out), large_px=large_px, **wanted)
        found.append(read_labels(out / "slide ü.tif").labels)
        assert run.summary()["images"][0]["origin"] == [10, 20]
    np.testing.assert_array_equal(found[0], found[1])
    # 240 x 270 px; only discs mostly inside the region.
    assert found[0].shape == (240, 270)
    assert 0 < found[0].max() < 40


@pytest.mark.parametrize("moment", ["tiles", "joining", "writing"])
def test_stopped_anywhere_it_goes_on_where_it_was(
    tmp_path: Path, picture: Path, small_tiles: None, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    job = PredictJob(
        model="otsu", images=[ImageRef(path=str(picture))], out=str(tmp_path / "out"), format="tif", large_px=0
    )
    run = Project.open(tmp_path / "project").new_run(job)
    calls = {"tiles": 0, "joining": 0}
    report = predicting.Report

    class Stopping(report):  # type: ignore[valid-type, misc]
        def _progress(self, done: int, total: int) -> None:
            calls["tiles"] += 1
            if moment == "tiles" and done == 6:
                run.request("stop")
                time.sleep(1.0)  # the watcher reads requests a few times a second
            super()._progress(done, total)

        def joining(self, done: int, total: int) -> None:
            calls["joining"] += 1
            if moment == ("joining" if done == 5 else "writing" if done == total else ""):
                run.request("stop")
                time.sleep(1.0)
            super().joining(done, total)

    monkeypatch.setattr(predicting, "Report", Stopping)
    assert execute(run.path) == ExitCode.STOPPED
    assert not (tmp_path / "out" / "slide ü.tif").exists()
    before = dict(calls)
    monkeypatch.setattr(predicting, "Report", report)
    segmented = []
    forward = predicting.segment
    monkeypatch.setattr(
        predicting,
        "segment",
        lambda image, segmenter, *a, **k: forward(image, _Counted(segmenter, segmented), *a, **k),
    )
    assert execute(run.path) == ExitCode.DONE
    assert len(segmented) == (0 if moment != "tiles" else 25 - 6)
    assert before["tiles"] > 0
    whole = predict(tmp_path / "other", picture, out=str(tmp_path / "whole"))
    assert whole.summary()["images"][0]["nuclei"] == 100
    np.testing.assert_array_equal(
        read_labels(tmp_path / "out" / "slide ü.tif").labels, read_labels(tmp_path / "whole" / "slide ü.tif").labels
    )


class _Counted:
    """A segmenter that notes the tiles it is given."""

    def __init__(self, segmenter: Any, seen: list[int]) -> None:
        self._segmenter, self._seen, self.spec = segmenter, seen, segmenter.spec

    def prepare(self, *arguments: Any) -> Any:
        return self._segmenter.prepare(*arguments)

    def forward(self, tiles: Any, constants: Any) -> Any:
        self._seen += [1] * len(tiles)
        return self._segmenter.forward(tiles, constants)


def test_a_png_of_a_slide_is_refused_before_any_work(tmp_path: Path, picture: Path) -> None:
    job = PredictJob(
        model="otsu", images=[ImageRef(path=str(picture))], out=str(tmp_path / "out"), format="png", large_px=0
    )
    run = Project.open(tmp_path / "project").new_run(job)
    assert execute(run.path) == ExitCode.USER
    assert "too large for a PNG" in run.log.read_text()
    assert not (run.path / "tiles").exists()
