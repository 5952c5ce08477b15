"""Label images out and in again, and what is no label image."""

from __future__ import annotations

import json
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr
from shapely.geometry import shape as shapely_shape

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data import labels_geojson, labels_out
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.labels_io import labels_shape, mismatch, read_labels, split_binary, write_labels
from napari_nucleidomain.data.labels_zarr import LabelsZarrWriter
from napari_nucleidomain.data.understanding import Understanding

RNG = np.random.default_rng(11)


def _blobs(shape: tuple[int, ...], step: int = 12, largest: int = 0) -> np.ndarray:
    """Irregular pieces that touch, some with holes and several parts."""
    grid = np.indices(shape) // step
    ids = np.ravel_multi_index(tuple(grid), [n // step + 1 for n in shape]) + 1
    labels = np.where(RNG.random(shape) < 0.6, ids, 0).astype(np.uint32)
    if largest:
        labels[labels == labels.max()] = largest
    return labels


FLAT = _blobs((90, 130))
DEEP = _blobs((5, 40, 50))


@pytest.mark.parametrize(
    "name", ["a.tif", "a.tiff", "a.ome.tif", "a.png", "a.ome.zarr", "a.zarr", "a.geojson", "ü x.tif"]
)
def test_round_trip(tmp_path: Path, name: str) -> None:
    path = write_labels(FLAT, tmp_path / "made folder" / name)
    found = read_labels(path, shape=FLAT.shape)
    np.testing.assert_array_equal(found.labels, FLAT)
    assert found.labels.dtype == np.uint32
    assert not found.binary
    assert sorted(p.name for p in path.parent.iterdir()) == [name], "nothing is left beside it"
    again = write_labels(FLAT[:50, :50], path)
    np.testing.assert_array_equal(read_labels(again, shape=(50, 50)).labels, FLAT[:50, :50])


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "a.zarr"])
@pytest.mark.parametrize("planes", [5, 3, 2])
def test_volumes(tmp_path: Path, name: str, planes: int) -> None:
    """Also with three planes, which of an image would be channels."""
    labels = DEEP[:planes]
    path = write_labels(labels, tmp_path / name, pixel_size_um=(2.0, 0.5, 0.25))
    np.testing.assert_array_equal(read_labels(path).labels, labels)
    assert labels_shape(path) == labels.shape
    assert open_image(path, Understanding(third_axis="volume")).pixel_size_um == pytest.approx((2.0, 0.5, 0.25))


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "a.zarr"])
def test_large_ids_and_pixel_size(tmp_path: Path, name: str) -> None:
    labels = _blobs((60, 70), largest=4_000_000_000)
    path = write_labels(labels, tmp_path / name, pixel_size_um=(0.5, 0.25), image_name="slide 1")
    np.testing.assert_array_equal(read_labels(path).labels, labels)
    assert open_image(path).pixel_size_um == pytest.approx((0.5, 0.25))


def test_tiff_is_as_small_as_it_can_be(tmp_path: Path) -> None:
    with tifffile.TiffFile(write_labels(FLAT, tmp_path / "a.tif")) as tif:
        assert tif.pages[0].dtype == np.uint16
        assert tif.pages[0].compression.name == "ADOBE_DEFLATE"
    with tifffile.TiffFile(write_labels(_blobs((60, 70), largest=65536), tmp_path / "b.tif")) as tif:
        assert tif.pages[0].dtype == np.uint32
    with tifffile.TiffFile(write_labels(FLAT, tmp_path / "c.ome.tif", pixel_size_um=(1, 2), image_name="é")) as tif:
        assert tif.is_ome
        assert 'PhysicalSizeX="2.0"' in tif.ome_metadata
        assert 'Name="é"' in tif.ome_metadata


def test_png_is_refused_where_it_would_lose_nuclei(tmp_path: Path) -> None:
    at_most = _blobs((60, 70), largest=65535)
    np.testing.assert_array_equal(read_labels(write_labels(at_most, tmp_path / "a.png")).labels, at_most)
    with pytest.raises(NucleiError, match="at most 65,535 nuclei") as caught:
        write_labels(_blobs((60, 70), largest=65536), tmp_path / "b.png")
    assert "TIFF" in caught.value.hint and "OME-Zarr" in caught.value.hint
    assert not (tmp_path / "b.png").exists()
    with pytest.raises(NucleiError, match="cannot hold a volume"):
        write_labels(DEEP, tmp_path / "c.png")


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "a.zarr", "a.geojson"])
def test_large_labels_are_written_in_pieces(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a zarr array, with tiles and blocks smaller than the image, nuclei across their edges."""
    monkeypatch.setattr(labels_out, "_TILED_FROM", 64)
    monkeypatch.setattr(labels_out, "_TILE", 32)
    monkeypatch.setattr(labels_geojson, "_BLOCK", 40)
    stored = zarr.create_array({}, shape=FLAT.shape, chunks=(64, 64), dtype="uint32")
    stored[:] = FLAT
    path = write_labels(stored, tmp_path / name)
    np.testing.assert_array_equal(read_labels(path, shape=FLAT.shape).labels, FLAT)


def test_tiled_volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels_out, "_TILED_FROM", 32)
    monkeypatch.setattr(labels_out, "_TILE", 16)
    path = write_labels(DEEP, tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(read_labels(path).labels, DEEP)


def test_zarr_pyramid_and_place(tmp_path: Path) -> None:
    labels = _blobs((1300, 700), step=40)
    path = write_labels(labels, tmp_path / "a.ome.zarr", pixel_size_um=(0.5, 0.5), offset=(100, 40))
    image = open_image(path)
    assert [level.shape for level in image.levels] == [(1300, 700), (650, 350), (325, 175)]
    np.testing.assert_array_equal(np.asarray(image.levels[2]), labels[::4, ::4])
    transforms = zarr.open_group(str(path)).attrs["multiscales"][0]["datasets"][1]["coordinateTransformations"]
    assert transforms == [
        {"type": "scale", "scale": [1.0, 1.0]},
        {"type": "translation", "translation": [50.0, 20.0]},
    ]


def test_zarr_writer_goes_on_where_it_stopped(tmp_path: Path) -> None:
    labels = _blobs((1200, 600), step=50)
    first = LabelsZarrWriter(tmp_path / "a.zarr", labels.shape)
    first.write((slice(0, 512), slice(0, 600)), labels[:512])
    second = LabelsZarrWriter(tmp_path / "a.zarr", labels.shape, resume=True)
    second.write((slice(512, 1200), slice(0, 600)), labels[512:])
    np.testing.assert_array_equal(read_labels(second.finish()).labels, labels)


def test_an_empty_prediction_can_be_saved(tmp_path: Path) -> None:
    for name in ("a.tif", "a.ome.tif", "a.png", "a.zarr"):
        found = read_labels(write_labels(np.zeros((40, 50), np.int64), tmp_path / name))
        assert found.labels.shape == (40, 50)
        assert found.labels.max() == 0
    content = json.loads(write_labels(np.zeros((40, 50), int), tmp_path / "a.geojson").read_text())
    assert content["features"] == []


def test_geojson_for_qupath(tmp_path: Path) -> None:
    """Pixel edges, x first, one feature a nucleus, measurements as a list, offset added."""
    labels = np.zeros((10, 12), np.uint32)
    labels[2:5, 3:9] = 7
    labels[7, 1] = labels[9, 1] = 9
    table = {"id": np.array([7, 9]), "area_px": [18, 2], "score": [0.5, np.nan], "image": ["a", "a"]}
    path = write_labels(labels, tmp_path / "q.geojson", image_name="s", offset=(100, 200), measurements=table)
    first, second = json.loads(path.read_text(encoding="utf-8"))["features"]
    assert sorted(map(tuple, first["geometry"]["coordinates"][0][:4])) == [
        (203, 102),
        (203, 105),
        (209, 102),
        (209, 105),
    ]
    assert first["properties"]["objectType"] == "detection"
    assert first["properties"]["measurements"] == [
        {"name": "Label", "value": 7},
        {"name": "area_px", "value": 18.0},
        {"name": "score", "value": 0.5},
    ]
    assert second["geometry"]["type"] == "MultiPolygon"
    assert [m["name"] for m in second["properties"]["measurements"]] == ["Label", "area_px"]
    back = labels_geojson.read_labels_geojson(path, labels.shape, offset=(100, 200))
    np.testing.assert_array_equal(back, labels)


def test_geojson_outlines_are_valid_and_have_the_right_area(tmp_path: Path) -> None:
    features = json.loads(write_labels(FLAT, tmp_path / "q.geojson").read_text())["features"]
    areas = {f["properties"]["measurements"][0]["value"]: shapely_shape(f["geometry"]) for f in features}
    assert all(s.is_valid for s in areas.values())
    counts = np.bincount(FLAT.ravel())
    assert {k: s.area for k, s in areas.items()} == {k: float(counts[k]) for k in areas}
    assert len(areas) == np.count_nonzero(counts[1:])


def test_geojson_from_other_programs(tmp_path: Path) -> None:
    """Cells give their nucleus; annotations beside detections are regions, not nuclei."""
    ring = lambda a, b: [[[a, a], [b, a], [b, b], [a, b], [a, a]]]  # noqa: E731
    polygon = lambda a, b: {"type": "Polygon", "coordinates": ring(a, b)}  # noqa: E731
    content = [
        {"type": "Feature", "geometry": polygon(0, 30), "properties": {"objectType": "annotation"}},
        {
            "type": "Feature",
            "geometry": polygon(2, 12),
            "nucleusGeometry": polygon(4, 8),
            "properties": {"objectType": "cell", "measurements": {"Nucleus: Area": 16}},
        },
        {"type": "Feature", "geometry": polygon(15, 18), "properties": {"objectType": "detection"}},
    ]
    (tmp_path / "c.geojson").write_text(json.dumps(content))
    found = read_labels(tmp_path / "c.geojson", shape=(30, 30)).labels
    assert np.bincount(found.ravel()).tolist() == [900 - 16 - 9, 16, 9]
    (tmp_path / "a.geojson").write_text(json.dumps(content[:1]))
    assert read_labels(tmp_path / "a.geojson", shape=(30, 30)).labels.sum() == 900
    with pytest.raises(NucleiError, match="without the size of their image"):
        read_labels(tmp_path / "c.geojson")
    (tmp_path / "n.geojson").write_text(json.dumps({"type": "Point", "coordinates": [1, 1]}))
    with pytest.raises(NucleiError, match="holds no outlines"):
        read_labels(tmp_path / "n.geojson", shape=(30, 30))


def test_masks_are_recognised(tmp_path: Path) -> None:
    mask = np.zeros((40, 50), np.uint8)
    mask[3:9, 3:9] = mask[20:30, 20:30] = mask[30, 30] = 255
    for array in (mask, mask > 0, mask // 255):
        np.save(tmp_path / "m.npy", array)
        found = read_labels(tmp_path / "m.npy")
        assert found.binary
        pieces = split_binary(found.labels)
        assert pieces.max() == 2, "corners connect"
        assert pieces[30, 30] == pieces[20, 20]
    one = np.zeros((40, 50), np.uint8)
    one[3:9, 3:9] = 1
    np.save(tmp_path / "one.npy", one)
    assert not read_labels(tmp_path / "one.npy").binary, "one nucleus is no mask"
    np.save(tmp_path / "none.npy", one * 0)
    assert not read_labels(tmp_path / "none.npy").binary


def test_numbers_of_other_types(tmp_path: Path) -> None:
    for dtype in (np.int64, np.float32, np.float64, np.uint8, ">u4"):
        expected = FLAT % 200
        np.save(tmp_path / "a.npy", expected.astype(dtype))
        np.testing.assert_array_equal(read_labels(tmp_path / "a.npy").labels, expected)
    huge = np.where(FLAT > 0, FLAT.astype(np.uint64) + 2**40, 0)
    np.save(tmp_path / "h.npy", huge)
    found = read_labels(tmp_path / "h.npy")
    assert "counted anew" in found.notes[0]
    pairs = np.unique(np.stack([huge.ravel(), found.labels.ravel().astype(np.uint64)]), axis=1)
    assert len(pairs[0]) == len(np.unique(pairs[0])) == len(np.unique(pairs[1]))


def test_colour_pictures_of_outlines_are_refused(tmp_path: Path) -> None:
    colours = RNG.integers(0, 255, (40, 50, 3), dtype=np.uint8)
    (tmp_path / "c.png").write_bytes(imagecodecs.png_encode(colours))
    with pytest.raises(NucleiError, match="colour picture of outlines") as caught:
        read_labels(tmp_path / "c.png")
    assert "one number per nucleus" in caught.value.hint
    grey = (FLAT % 250).astype(np.uint8)
    (tmp_path / "g.png").write_bytes(imagecodecs.png_encode(np.dstack([grey] * 3)))
    np.testing.assert_array_equal(read_labels(tmp_path / "g.png").labels, grey)


def test_colour_table_numbers_are_ids(tmp_path: Path) -> None:
    """A PNG with a colour table, as many annotation tools write."""
    from PIL import Image as Pillow

    ids = (FLAT % 250).astype(np.uint8)
    picture = Pillow.fromarray(ids)
    picture.putpalette(RNG.integers(0, 255, 768, dtype=np.uint8).tobytes())
    picture.save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "p.png").labels, ids)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((5, 6), 0.5), "fractions"),
        (np.full((5, 6), np.nan), "fractions or missing"),
        (np.full((5, 6), -1), "negative"),
        (np.full((5, 6), 3e7, np.float32), "cannot tell apart"),
        (np.zeros((0, 6), int), "no pixels"),
        (np.zeros((9, 9, 9, 9, 9), int), "too many axes"),
    ],
)
def test_arrays_that_are_no_labels(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(NucleiError, match=message):
        read_labels(tmp_path / "a.npy")


def test_what_cannot_be_written(tmp_path: Path) -> None:
    for labels, name, message in (
        (FLAT, "a.xyz", "cannot be saved as"),
        (FLAT.astype(float), "a.tif", "no number type"),
        (np.full((5, 5), -3), "a.tif", "negative"),
        (np.full((5, 5), 2**40), "a.tif", "too large"),
        (DEEP[None], "a.tif", "2 or 3 axes"),
        (DEEP, "a.geojson", "cannot hold a volume"),
    ):
        with pytest.raises(NucleiError, match=message):
            write_labels(labels, tmp_path / name)
    with pytest.raises(NucleiError, match="no format"):
        write_labels(FLAT, tmp_path / "a.tif", format="bmp")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_labels(FLAT, tmp_path / "a.zarr")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LabelsZarrWriter, "finish", full)
    with pytest.raises(NucleiError, match="disk is full"):
        write_labels(FLAT * 0, path)
    np.testing.assert_array_equal(read_labels(path).labels, FLAT)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


def test_whether_labels_fit_an_image() -> None:
    image = open_image(np.zeros((40, 60), np.uint8))
    assert mismatch((40, 60), image) is None
    assert mismatch((30, 60), image) == "The outlines are 30×60 pixels, but the image is 40×60."
    assert "swapped" in str(mismatch((60, 40), image))
    film = open_image(np.zeros((9, 40, 60), np.uint8), Understanding(third_axis="time"))
    assert mismatch((9, 40, 60), film) is None
    volume = open_image(np.zeros((9, 40, 60), np.uint8))
    assert "swapped" in str(mismatch((9, 60, 40), volume))
