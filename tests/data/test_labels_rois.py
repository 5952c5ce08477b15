"""Label images as ImageJ regions and back; clicks as points; what is no region."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import roifile

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.labels_io import mismatch, read_labels, read_labels_of, write_labels
from napari_nucleidomain.data.points import read_points, write_points
from napari_nucleidomain.data.rois import read_rois
from napari_nucleidomain.data.understanding import Understanding

RNG = np.random.default_rng(5)


def _awkward() -> np.ndarray:
    """Nuclei that touch, of one pixel, with a hole and one in the hole, parts apart and parts that meet in a corner."""
    labels = np.zeros((40, 50), np.uint32)
    labels[2:12, 2:12] = 7
    labels[2:12, 12:20] = 3  # touches 7 along a side
    labels[4:8, 4:8] = 0
    labels[5:7, 5:7] = 900  # inside the hole of 7
    labels[20, 20] = 4
    labels[20, 21] = 5  # two of one pixel, side by side
    labels[30:33, 5:9] = labels[36:39, 5:9] = 11  # two parts
    labels[25, 30] = labels[26, 31] = 12  # parts that meet in a corner
    labels[0, :] = 13  # along the edge
    labels[39, 49] = 14
    return labels


@pytest.mark.parametrize("labels", [_awkward(), np.where(RNG.random((60, 70)) < 0.6, RNG.integers(1, 40, (60, 70)), 0)])
def test_the_same_pixels_come_back(tmp_path: Path, labels: np.ndarray) -> None:
    path = write_labels(labels.astype(np.uint32), tmp_path / "Kerne ü" / "a.zip")
    found = read_labels(path, labels.shape)
    np.testing.assert_array_equal(found.labels, labels)
    assert not found.binary and not found.notes


def test_the_box_of_a_larger_image_lies_where_it_was(tmp_path: Path) -> None:
    labels = _awkward()
    path = write_labels(labels, tmp_path / "a.zip", offset=(100, 7))
    whole = np.zeros((160, 80), np.uint32)
    whole[100:140, 7:57] = labels
    np.testing.assert_array_equal(read_labels(path, whole.shape).labels, whole)


def test_beyond_the_16_bits_of_whole_numbers(tmp_path: Path) -> None:
    """On a slide; ImageJ's whole numbers end at 60,535."""
    labels = _awkward()
    path = write_labels(labels, tmp_path / "a.zip", offset=(0, 200_000))
    rings = [ring for roi in read_rois(path)[0] for ring in roi.rings]
    low = np.min([ring.min(axis=0) for ring in rings], axis=0)
    assert tuple(low) == (0, 200_000)
    assert max(ring[:, 1].max() for ring in rings) == 200_050
    across = write_labels(labels, tmp_path / "b.zip", offset=(0, 60_510))
    strip = read_labels(across, (40, 60_560)).labels
    np.testing.assert_array_equal(strip[:, 60_510:], labels)


def test_ten_thousand_nuclei(tmp_path: Path) -> None:
    rows, columns = np.indices((1000, 1000)) // 10
    labels = (rows * 100 + columns + 1).astype(np.uint32)
    labels[::10, :] = 0
    path = write_labels(labels, tmp_path / "a.zip")
    np.testing.assert_array_equal(read_labels(path, labels.shape).labels, labels)


@pytest.mark.parametrize("axis", ["Z", "T"])
@pytest.mark.parametrize("channels", [1, 3])
def test_stacks(tmp_path: Path, axis: str, channels: int) -> None:
    """A nucleus keeps its id through the planes; one channel is a plain stack for ImageJ, several a hyperstack."""
    labels = np.stack([np.roll(_awkward(), k, axis=1) for k in range(4)])
    labels[1] = 0  # an empty plane
    path = write_labels(labels, tmp_path / "a.zip", axis=axis, channels=channels)
    np.testing.assert_array_equal(read_labels(path, labels.shape, channels).labels, labels)
    raw = roifile.roiread(path)
    places = {(r.position, r.z_position, r.t_position) for r in raw}
    planes = [1, 3, 4]
    if channels == 1:
        assert places == {(p, 0, 0) for p in planes}
    else:
        assert places == {(0, p, 0) if axis == "Z" else (0, 0, p) for p in planes}
    # "0003-0012-0034": ImageJ goes to that slice by the name, too.
    assert {int(r.name[:4]) for r in raw} == set(planes) and all(r.name[4] == r.name[9] == "-" for r in raw)


def test_the_bytes_are_those_of_imagej(tmp_path: Path) -> None:
    """Against the table at the top of ImageJ's RoiDecoder.java, without the package that wrote them."""
    labels = np.zeros((9, 9), np.uint32)
    labels[2:5, 3:7] = 1
    labels[7, 7] = 2
    labels[8, 8] = 2  # two parts: a composite
    path = write_labels(labels, tmp_path / "a.zip")
    with zipfile.ZipFile(path) as packed:
        assert packed.namelist() == ["00001.roi", "00002.roi"]
        plain, composite = packed.read("00001.roi"), packed.read("00002.roi")
    assert plain[:4] == b"Iout"
    version, kind, top, left, bottom, right, corners = struct.unpack(">hBxhhhhH", plain[4:18])
    assert version >= 217 and kind == 8, "traced"
    # Pixel (x, y) covers [x, x + 1]: the box of pixels 3..6 reaches from 3 to 7.
    assert (top, left, bottom, right, corners) == (2, 3, 5, 7, 4)
    x, y = np.frombuffer(plain, ">i2", 8, 64).reshape(2, 4)
    assert set(zip((x + left).tolist(), (y + top).tolist(), strict=True)) == {(3, 2), (7, 2), (7, 5), (3, 5)}
    assert struct.unpack(">i", plain[36:40]) == (0,), "not composite"
    assert struct.unpack(">h", plain[50:52])[0] & 128 == 0, "no fractions"
    assert composite[6] == 1, "a composite's type is rectangle"
    (size,) = struct.unpack(">i", composite[36:40])
    path_floats = np.frombuffer(composite, ">f4", size, 64)
    steps = [0, 1, 1, 1]
    expected = [[k, *p] for k, p in zip(steps, [(7, 7), (8, 7), (8, 8), (7, 8)], strict=True)]
    first = path_floats[:12].reshape(4, 3)
    assert first[:, 0].tolist() == steps and path_floats[12] == 4
    assert {tuple(p) for p in first[:, 1:].tolist()} == {tuple(map(float, e[1:])) for e in expected}


def test_regions_drawn_in_fiji(tmp_path: Path) -> None:
    """Rectangles, ovals, freehand outlines with fractions; a line and a text are passed over and counted."""
    ring = np.array([[20.2, 5.1], [28.7, 6.4], [26.0, 12.9], [20.5, 11.5]], np.float32)
    freehand = roifile.ImagejRoi.frompoints(ring)
    rectangle = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, top=1, left=2, bottom=6, right=9)
    oval = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.OVAL, top=20, left=20, bottom=30, right=40)
    line = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.LINE, x2=5.0, y2=5.0)
    roifile.roiwrite(tmp_path / "RoiSet.zip", [rectangle, oval, freehand, line], name=["r", "o", "f", "l"])
    with zipfile.ZipFile(tmp_path / "RoiSet.zip", "a") as packed:
        packed.writestr("__MACOSX/._r.roi", b"clutter")
        packed.writestr("read me.txt", b"not a region")
    found = read_labels(tmp_path / "RoiSet.zip", (40, 50))
    assert (found.labels == 1).sum() == 5 * 7 and (found.labels[1:6, 2:9] == 1).all()
    y, x = np.mgrid[:40, :50] + 0.5
    np.testing.assert_array_equal(found.labels == 2, ((x - 30) / 10) ** 2 + ((y - 25) / 5) ** 2 <= 1)
    assert 40 < (found.labels == 3).sum() < 60
    assert "1 of its regions are lines" in found.notes[0]


def test_a_region_copied_in_fiji_is_a_nucleus_of_its_own(tmp_path: Path) -> None:
    labels = np.zeros((20, 30), np.uint32)
    labels[2:5, 2:5] = 6
    path = write_labels(labels, tmp_path / "a.zip")
    copied = roifile.ImagejRoi.frompoints(np.array([[20, 10], [24, 10], [24, 14], [20, 14]]))
    copied.props = roifile.roiread(path)[0].props
    roifile.roiwrite(path, [copied], name=["copy"])
    found = read_labels(path, (20, 30)).labels
    assert found[3, 3] == 6 and found[11, 21] == 7 and len(np.unique(found)) == 3


def test_one_roi_file(tmp_path: Path) -> None:
    roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, top=1, left=2, bottom=6, right=9).tofile(tmp_path / "a.roi")
    assert (read_labels(tmp_path / "a.roi", (10, 10)).labels > 0).sum() == 35


def test_clicks(tmp_path: Path) -> None:
    """Points count from pixel centres in ImageJ: a click on pixel (3, 5) is the point x = 5, y = 3."""
    points = np.array([[3.0, 5.0], [0.0, 0.0], [17.0, 2.0]])
    path = write_points(points, tmp_path / "a.zip")
    np.testing.assert_array_equal(read_points(path), points)
    (raw,) = roifile.roiread(path)
    assert raw.roitype == roifile.ROI_TYPE.POINT and raw.coordinates()[0].tolist() == [5, 3]
    between = np.array([[3.25, 5.5], [-0.25, 10.0]])
    np.testing.assert_array_equal(read_points(write_points(between, tmp_path / "b.zip")), between)


def test_clicks_in_stacks(tmp_path: Path) -> None:
    points = np.array([[0, 3.5, 5], [2, 8, 9], [2, 1, 1]], np.float64)
    path = write_points(points, tmp_path / "a.zip")
    np.testing.assert_array_equal(read_points(path, 3), points)
    np.testing.assert_array_equal(read_points(path, 2), points[:, 1:])
    # One multi-point over several slices, as Fiji's tool makes it: slices in the counters.
    many = roifile.ImagejRoi.frompoints(points[:, :0:-1].astype(int))
    many.roitype = roifile.ROI_TYPE.POINT
    many.counters, many.counter_positions = np.zeros(3, np.uint8), np.array([1, 3, 3], np.uint32)
    many.tofile(tmp_path / "b.roi")
    np.testing.assert_array_equal(read_points(tmp_path / "b.roi", 3), np.floor(points))
    # Of an image with two channels, ImageJ's slices 1, 3, 3 are planes 0, 1, 1.
    assert read_points(tmp_path / "b.roi", 3, channels=2)[:, 0].tolist() == [0, 1, 1]


def test_planes_of_an_image(tmp_path: Path) -> None:
    """Outlines of all planes fit a stack whose planes are pictures each for itself; flat ones fit it, too."""
    np.save(tmp_path / "a.npy", np.zeros((3, 40, 50), np.uint8))
    image = open_image(tmp_path / "a.npy", Understanding(axes="ZYX", third_axis="planes"))
    stack = np.stack([_awkward()] * 3)
    found = read_labels_of(write_labels(stack, tmp_path / "a.zip"), image)
    assert mismatch(found.labels.shape, image) is None
    np.testing.assert_array_equal(found.labels.reshape(stack.shape), stack)


def _zip(path: Path, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in files.items():
            packed.writestr(f"{name}.roi", content)
    return path


def test_bad_files(tmp_path: Path) -> None:
    good = write_labels(_awkward(), tmp_path / "good.zip")
    content = good.read_bytes()
    (tmp_path / "cut.zip").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.zip").write_bytes(b"not a zip")
    with zipfile.ZipFile(good) as packed:
        one = packed.read(packed.namelist()[0])
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as packed:
        packed.writestr("read me.txt", b"not a region")
    cases = [
        (tmp_path / "cut.zip", "damaged"),
        (tmp_path / "text.zip", "damaged"),
        (tmp_path / "absent.zip", "not there"),
        (tmp_path / "notes.zip", "no ImageJ regions"),
        (_zip(tmp_path / "short.zip", a=one[:50]), "damaged: a.roi"),
        (_zip(tmp_path / "cut coordinates.zip", a=one[:66]), "damaged: a.roi"),
        (_zip(tmp_path / "other.zip", a=b"Jout" + one[4:]), "damaged: a.roi"),
        (write_points(np.array([[3.0, 4.0]]), tmp_path / "clicks.zip"), "only points"),
    ]
    for path, words in cases:
        with pytest.raises(NucleiError, match=words):
            read_labels(path, (40, 50))
    with pytest.raises(NucleiError, match="size of their image"):
        read_labels(good)
    with pytest.raises(NucleiError, match="another image"):
        read_labels(write_labels(_awkward(), tmp_path / "far.zip", offset=(900, 900)), (40, 50))
    with pytest.raises(NucleiError, match="only outlines"):
        read_points(good)
    with pytest.raises(NucleiError, match="which plane"):
        read_labels(good, (3, 40, 50))
    deep = write_labels(np.stack([_awkward()] * 4), tmp_path / "deep.zip")
    with pytest.raises(NucleiError, match="plane 4, but the image has 3"):
        read_labels(deep, (3, 40, 50))
    with pytest.raises(NucleiError, match="4 planes, but the image is flat"):
        read_labels(deep, (40, 50))


def test_outlines_that_cover_others_are_told(tmp_path: Path) -> None:
    box = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, top=1, left=2, bottom=6, right=9)
    roifile.roiwrite(tmp_path / "a.zip", [box, box], name=["a", "b"])
    found = read_labels(tmp_path / "a.zip", (20, 20))
    assert np.unique(found.labels).tolist() == [0, 2] and "1 of the outlines" in found.notes[0]
