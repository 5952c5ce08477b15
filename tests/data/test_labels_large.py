"""Label images that are not read as a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data import labels_large
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.data.labels_large import Placed, is_large, open_labels, refuse_mask
from napari_nucleidomain.data.labels_out import write_labels
from napari_nucleidomain.data.labels_zarr import LabelsZarrWriter

LABELS = np.kron(np.arange(1, 31, dtype=np.uint32).reshape(5, 6), np.ones((9, 11), np.uint32))


@pytest.mark.parametrize("ending", [".tif", ".ome.tif", ".ome.zarr"])
def test_opened_labels_are_read_in_parts(tmp_path: Path, ending: str) -> None:
    path = write_labels(LABELS, tmp_path / f"a{ending}")
    assert is_large(path, 100)
    assert not is_large(path)
    with open_labels(path) as labels:
        assert tuple(labels.shape) == LABELS.shape
        np.testing.assert_array_equal(labels[3:20, 7:40], LABELS[3:20, 7:40])


def test_colours_and_fractions_are_no_labels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "f.tif", np.zeros((20, 20), np.float32))
    tifffile.imwrite(tmp_path / "c.tif", np.zeros((20, 20, 3), np.uint8), photometric="rgb")
    for name in ("f.tif", "c.tif"):
        with pytest.raises(NucleiError, match="no label image"), open_labels(tmp_path / name):
            pass


@pytest.mark.parametrize("origin", [(0, 0), (7, 13)])
def test_a_box_is_put_into_its_place(tmp_path: Path, origin: tuple[int, int]) -> None:
    whole = np.zeros((70, 90), np.uint32)
    whole[origin[0] : origin[0] + 45, origin[1] : origin[1] + 66] = LABELS
    calls: list[int] = []
    placed = Placed(LABELS, origin, whole.shape, lambda: calls.append(1))
    for key in (np.s_[:, :], np.s_[0:5, 0:5], np.s_[60:70, 80:90], np.s_[5:30, 70:90], np.s_[:]):
        np.testing.assert_array_equal(placed[key], whole[key])
    assert len(calls) == 5
    for ending in (".tif", ".ome.zarr", ".geojson"):
        path = write_labels(placed, tmp_path / f"p{ending}")
        np.testing.assert_array_equal(read_labels(path, shape=whole.shape).labels, whole)


def test_tiled_tiff_is_written_tile_by_tile(tmp_path: Path) -> None:
    class Counting:
        shape, dtype = (600, 5000), np.dtype(np.uint32)
        largest = 0

        def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
            rows, columns = (np.arange(n)[k] for k, n in zip(key, self.shape, strict=True))
            Counting.largest = max(Counting.largest, len(rows) * len(columns))
            return (rows[:, None] // 50 * 100 + columns // 50 + 1).astype(np.uint32)

    path = write_labels(Counting(), tmp_path / "t.tif", pixel_size_um=(0.5, 0.5))
    # The largest id is looked for in blocks of 2048 rows and columns.
    assert Counting.largest <= 600 * 2048
    np.testing.assert_array_equal(read_labels(path).labels, Counting()[:, :])


def test_finishing_a_pyramid_answers_a_stop(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def check() -> None:
        raise Stop

    writer = LabelsZarrWriter(tmp_path / "a.zarr", (900, 900))
    writer[0:10, 0:10] = np.ones((10, 10), np.uint32)
    with pytest.raises(Stop):
        writer.finish(check)
    writer.finish()
    assert read_labels(tmp_path / "a.zarr").labels.sum() == 100


def test_a_mask_too_large_to_be_numbered_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels_large, "LARGE", 100)
    monkeypatch.setattr(labels_large, "_BLOCK", 10)
    path = write_labels(np.where(LABELS % 2, 255, 0), tmp_path / "mask.tif")
    with open_labels(path) as labels, pytest.raises(NucleiError, match=r"black-and-white mask: .* not 0 is 255"):
        refuse_mask(path, labels)
    for number, few in enumerate((np.where(LABELS == 9, 7, 0), LABELS)):
        other = write_labels(few, tmp_path / f"{number}.tif")
        with open_labels(other) as labels:
            refuse_mask(other, labels)
