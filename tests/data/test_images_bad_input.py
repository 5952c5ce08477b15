"""Whatever a person may hand over instead of a good image: one clear message, or a note."""

from __future__ import annotations

import shutil
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.understanding import Understanding

RNG = np.random.default_rng(3)
GREY = RNG.integers(0, 255, (200, 300), dtype=np.uint8)


def _message(source: object, understanding: Understanding | None = None) -> str:
    with pytest.raises(NucleiError) as caught:
        open_image(source, understanding)
    assert caught.value.hint, "every message says what to do"
    return caught.value.message


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg", "a.npy"])
def test_empty_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert _message(tmp_path / name) == f"{name} is empty (0 bytes)."


def test_absent_file(tmp_path: Path) -> None:
    assert "is not there" in _message(tmp_path / "gone.tif")


def _write(path: Path) -> None:
    if path.suffix == ".npy":
        np.save(path, GREY)
    elif path.suffix == ".png":
        path.write_bytes(imagecodecs.png_encode(GREY))
    elif path.suffix == ".jpg":
        path.write_bytes(imagecodecs.jpeg_encode(np.dstack([GREY] * 3)))
    elif "tiled" in path.name:
        tifffile.imwrite(path, GREY, tile=(64, 64), compression="zlib")
    elif "ome" in path.name:
        tifffile.imwrite(path, np.stack([GREY] * 5), metadata={"axes": "ZYX"}, ome=True)
    else:
        tifffile.imwrite(path, GREY)


@pytest.mark.parametrize("name", ["a.tif", "tiled.tif", "a.ome.tif", "a.png", "a.jpg", "a.npy"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_truncated(tmp_path: Path, name: str, share: float) -> None:
    """Cut at any place: found on opening, not in the middle of a prediction."""
    path = tmp_path / name
    _write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: max(12, int(len(whole) * share))])
    message = _message(path)
    assert name in message
    assert "truncated" in message or "damaged" in message


@pytest.mark.parametrize("name", ["a.tif", "tiled.tif", "a.png", "a.jpg", "a.npy"])
def test_whole_files_are_not_called_truncated(tmp_path: Path, name: str) -> None:
    _write(tmp_path / name)
    assert open_image(tmp_path / name).spatial_shape == (200, 300)


def test_damaged_inside(tmp_path: Path) -> None:
    """Bytes overwritten in the middle are found when they are read."""
    path = tmp_path / "inside.tif"
    _write(tmp_path / "tiled.tif")
    raw = bytearray((tmp_path / "tiled.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "tiled.tif") as tif:
        start, count = tif.pages[0].dataoffsets[3], tif.pages[0].databytecounts[3]
    raw[start : start + count] = b"\xff" * count
    path.write_bytes(raw)
    image = open_image(path)
    with pytest.raises(NucleiError, match="inside is damaged"):
        image.read()


def test_text_with_the_name_of_an_image(tmp_path: Path) -> None:
    for name in ("a.tif", "a.png"):
        (tmp_path / name).write_text("not an image at all, but a note")
        assert "damaged" in _message(tmp_path / name)
    (tmp_path / "notes.txt").write_text("hello")
    assert "not an image that can be opened" in _message(tmp_path / "notes.txt")


def test_formats_of_other_programs_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.czi").write_bytes(b"ZISRAWFILE")
    with pytest.raises(NucleiError, match="Zeiss CZI") as caught:
        open_image(tmp_path / "a.czi")
    assert "OME-TIFF" in caught.value.hint


def test_folders(tmp_path: Path) -> None:
    assert "it is a folder" in _message(tmp_path)
    zarr.open_group(str(tmp_path / "empty.zarr"), mode="w")
    assert "without an image description" in _message(tmp_path / "empty.zarr")
    plate = zarr.open_group(str(tmp_path / "plate.zarr"), mode="w", zarr_format=2)
    plate.attrs["plate"] = {"wells": []}
    plate.create_group("A")
    assert "plate of many images" in _message(tmp_path / "plate.zarr")
    (tmp_path / "broken.zarr").mkdir()
    (tmp_path / "broken.zarr" / "zarr.json").write_text("{")
    assert "damaged" in _message(tmp_path / "broken.zarr")


def test_zarr_with_contradictory_axes(tmp_path: Path) -> None:
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    group.create_array("0", shape=(4, 5, 6), dtype="u1", chunks=(4, 5, 6))
    group.attrs["multiscales"] = [{"axes": [{"name": "y"}, {"name": "x"}], "datasets": [{"path": "0"}]}]
    image = open_image(tmp_path / "a.zarr")
    assert image.shape[:2] == (5, 6) or image.shape[1:] == (5, 6)
    assert any("do not fit" in note and "--axes" in note for note in image.notes)
    group.attrs["multiscales"] = [{"axes": [{"name": a} for a in "zyx"], "datasets": [{"path": "7"}]}]
    assert "not there (7)" in open_image(tmp_path / "a.zarr").notes[0]
    shutil.rmtree(tmp_path / "a.zarr" / "0")
    assert "lacks its pixels (levels: 7)" in _message(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("axes", "text"),
    [
        ("YXQ", "Unknown axis Q"),
        ("YYX", "named twice"),
        ("TZC", "no rows"),
        ("YX", "are 2, but the image has 3"),
        ("", "no rows"),
    ],
)
def test_wrong_axes(axes: str, text: str) -> None:
    assert text in _message(np.zeros((3, 40, 50)), Understanding(axes=axes))


@pytest.mark.parametrize("shape", [(0, 50), (50, 0, 3)])
def test_no_pixels(shape: tuple[int, ...], tmp_path: Path) -> None:
    assert "has no pixels" in _message(np.zeros(shape))
    np.save(tmp_path / "none.npy", np.zeros(shape))
    assert "has no pixels" in _message(tmp_path / "none.npy")


def test_arrays_that_are_no_images(tmp_path: Path) -> None:
    assert "no image" in _message(np.zeros(5))
    assert "no image" in _message(np.zeros((2,) * 6))
    assert "instead of numbers" in _message(np.zeros((5, 5), complex))
    assert "instead of numbers" in _message(np.full((5, 5), "a"))
    np.save(tmp_path / "code.npy", np.array([[print, 1]], dtype=object), allow_pickle=True)
    assert "can run code" in _message(tmp_path / "code.npy")


def test_corrections_that_do_not_fit() -> None:
    assert "There is no channel 4" in _message(np.zeros((2, 40, 50)), Understanding(channels=(0, 4)))
    assert "There is no channel 2" in _message(np.zeros((2, 40, 50)), Understanding(nuclei_channel=2))
    assert "cannot be a colour picture" in _message(np.zeros((2, 40, 50)), Understanding(rgb=True))
    assert "no axis that could be volume" in _message(np.zeros((40, 50)), Understanding(third_axis="volume"))
    assert "channel names" in _message(np.zeros((2, 40, 50)), Understanding(channel_names=("a",)))
    with pytest.raises(NucleiError, match="there is no plane 9"):
        open_image(np.zeros((9, 40, 50))).read(plane=9)
    for wrong in ({"pixel_size_um": -1}, {"axis": "YX"}, {"channels": []}, {"kind": "cells"}, {"channels": [1, 1]}):
        with pytest.raises(NucleiError, match="not valid"):
            Understanding.from_json(wrong)


def test_boxes_outside_are_a_programming_error() -> None:
    with pytest.raises(ValueError, match="leaves the image"):
        open_image(GREY).read([(0, 201), (0, 5)])
    assert open_image(GREY).read([(5, 5), (0, 5)]).shape == (0, 5, 1)


def test_nan_and_infinity_are_kept_and_told() -> None:
    array = RNG.normal(size=(50, 60)).astype(np.float32)
    array[3, 4], array[5, 6] = np.nan, np.inf
    image = open_image(array)
    np.testing.assert_array_equal(image.read()[..., 0], array)
    assert any("not finite" in w for w in image.warnings)
    assert open_image(np.full((9, 9), np.nan)).warnings


def test_unusual_number_types() -> None:
    for dtype in (bool, np.int8, np.int16, np.uint32, np.float16, np.float64):
        array = (RNG.random((60, 50)) * 100).astype(dtype)
        image = open_image(array)
        assert image.dtype == dtype
        np.testing.assert_array_equal(image.read()[..., 0], array)
        assert image.kind in {"fluorescence", "other"}
    assert any("Every pixel" in w for w in open_image(np.zeros((40, 40), np.uint8)).warnings)


def test_one_pixel() -> None:
    image = open_image(np.array([[7]], np.uint8))
    assert image.read().tolist() == [[[7]]]
    assert image.overview().shape == (1, 1, 1)
    assert image.digest()


def test_three_pages_ask(tmp_path: Path) -> None:
    """The question is asked, and each of its answers can be given."""
    pages = RNG.integers(0, 4000, (3, 80, 90), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "three.tif", pages, photometric="minisblack", metadata=None)
    image = open_image(tmp_path / "three.tif")
    question = next(q for q in image.questions if q.topic == "axes")
    assert str(question) == "z or channel? 3 pages could be either."
    assert question.assumed == "channels"
    answered = image.reopened(Understanding().changed(**question.options["z"]))
    assert answered.spatial_shape == (3, 80, 90)
    assert not [q for q in answered.questions if q.topic == "axes"]
    assert image.reopened(Understanding(**question.options["channels"])).n_channels == 3
    assert image.reopened(Understanding(**question.options["time"])).plane_axes == "T"
    assert [q.topic for q in open_image(np.zeros((40, 80, 90), np.uint8)).questions] == ["pixel_size"]


def test_a_volume_without_voxel_size_asks_and_may_go_on(tmp_path: Path) -> None:
    volume = RNG.integers(0, 200, (9, 40, 50), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "silent.tif", volume, photometric="minisblack", metadata=None)
    image = open_image(tmp_path / "silent.tif")
    (question,) = image.questions
    assert "No voxel size in the file" in str(question) and question.assumed == "cubes"
    assert "more than four are taken as planes" in image.third_axis_reason
    assert "--pixel-size Z,Y,X" in image.assumptions[0], "nobody can be asked in a run: it is said"
    went_on = image.reopened(Understanding(**question.options["Go on"]))
    assert not went_on.questions and not went_on.assumptions and went_on.pixel_size_um is None
    sized = image.reopened(Understanding(pixel_size_um=(2.0, 0.5, 0.5), third_axis="volume"))
    assert not sized.questions and sized.third_axis_reason == "You said so."
    flat = image.reopened(Understanding(third_axis="planes"))
    assert not flat.questions, "planes for themselves have no voxels"
    named = tmp_path / "named.tif"
    tifffile.imwrite(
        named, volume, imagej=True, metadata={"axes": "ZYX", "unit": "um", "spacing": 2.0}, resolution=(2, 2)
    )
    image = open_image(named)
    assert image.pixel_size_um == pytest.approx((2.0, 0.5, 0.5)) and not image.questions
    assert "z, planes of one volume" in image.third_axis_reason


def test_grey_saved_as_colour_asks() -> None:
    image = open_image(np.dstack([GREY] * 3))
    question = next(q for q in image.questions if "grey" in q.text)
    grey = image.reopened(Understanding(**question.options["grey"]))
    np.testing.assert_array_equal(grey.read()[..., 0], GREY)
    assert not grey.rgb


def test_transparency_is_left_out_and_told(tmp_path: Path) -> None:
    two = np.dstack([GREY, GREY // 2])
    (tmp_path / "la.png").write_bytes(imagecodecs.png_encode(two))
    image = open_image(tmp_path / "la.png")
    np.testing.assert_array_equal(image.read()[..., 0], GREY)
    assert "transparency" in image.notes[0]
    rgba = open_image(np.dstack([GREY, GREY // 2, GREY // 3, np.full_like(GREY, 255)]))
    assert rgba.read().shape[-1] == 3
    assert "transparency" in rgba.notes[0]
    four = open_image(np.dstack([GREY, GREY // 2, GREY // 3, GREY // 4]))
    assert four.n_channels == 4
    assert not four.rgb


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_png_of_few_bits(tmp_path: Path, depth: int) -> None:
    """Bilevel and 2- and 4-bit PNGs, written by Pillow."""
    from PIL import Image as Pillow

    levels = (GREY[:40, :50] % 2**depth).astype(np.uint8)
    if depth == 1:
        Pillow.fromarray(levels.astype(bool)).save(tmp_path / "a.png")
        np.testing.assert_array_equal(open_image(tmp_path / "a.png").read()[..., 0], levels.astype(bool))
        return
    picture = Pillow.fromarray(levels, mode="P")
    colours = RNG.integers(0, 255, (16, 3), dtype=np.uint8)
    picture.putpalette(colours.tobytes())
    picture.save(tmp_path / "a.png", bits=depth)
    np.testing.assert_array_equal(open_image(tmp_path / "a.png").read(), colours[levels])


def test_pixel_sizes(tmp_path: Path) -> None:
    """From OME, ImageJ, centimetres; never from a screen's 72 dpi; the user's word wins."""
    ome = {
        "axes": "YX",
        "PhysicalSizeX": 250.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.00025,
        "PhysicalSizeYUnit": "mm",
    }
    tifffile.imwrite(tmp_path / "a.ome.tif", GREY, metadata=ome)
    assert open_image(tmp_path / "a.ome.tif").pixel_size_um == pytest.approx((0.25, 0.25))
    stack = np.stack([GREY] * 6)
    tifffile.imwrite(
        tmp_path / "ij.tif",
        stack,
        imagej=True,
        resolution=(4, 4),
        metadata={"axes": "ZYX", "unit": "\\u00B5m", "spacing": 1.5},
    )
    assert open_image(tmp_path / "ij.tif").pixel_size_um == pytest.approx((1.5, 0.25, 0.25))
    tifffile.imwrite(tmp_path / "cm.tif", GREY, resolution=(40000, 40000), resolutionunit="CENTIMETER")
    assert open_image(tmp_path / "cm.tif").pixel_size_um == pytest.approx((0.25, 0.25))
    tifffile.imwrite(tmp_path / "screen.tif", GREY, resolution=(72, 72), resolutionunit="INCH")
    assert open_image(tmp_path / "screen.tif").pixel_size_um is None
    said = open_image(tmp_path / "cm.tif", Understanding(pixel_size_um=0.5))
    assert (said.pixel_size_um, said.pixel_size_source) == ((0.5, 0.5), "user")
    flat = open_image(stack, Understanding(pixel_size_um=0.5))
    assert flat.pixel_size_um == (0.5, 0.5, 0.5)
    assert "distance between planes" in flat.notes[0]
    assert open_image(stack, Understanding(pixel_size_um=(2, 0.5, 0.4))).pixel_size_um == (2, 0.5, 0.4)
    meta = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    tifffile.imwrite(tmp_path / "noz.ome.tif", stack, metadata=meta)
    image = open_image(tmp_path / "noz.ome.tif")
    assert image.pixel_size_um is None
    assert "distance between planes" in str(image.questions[0])


def test_several_images_in_a_file(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "two.ome.tif", ome=True) as out:
        out.write(GREY[:50], metadata={"axes": "YX", "Name": "small"})
        out.write(GREY, metadata={"axes": "YX", "Name": "large"})
    image = open_image(tmp_path / "two.ome.tif")
    assert image.spatial_shape == (200, 300)
    question = next(q for q in image.questions if q.topic == "series")
    assert question.assumed == "large"
    small = image.reopened(Understanding(**question.options["small"]))
    np.testing.assert_array_equal(small.read()[..., 0], GREY[:50])
    assert "there is no number 5" in _message(tmp_path / "two.ome.tif", Understanding(series=5))


def test_closed_files_can_be_replaced(tmp_path: Path) -> None:
    _write(tmp_path / "tiled.tif")
    with open_image(tmp_path / "tiled.tif") as image:
        image.read()
    (tmp_path / "tiled.tif").rename(tmp_path / "moved.tif")
    assert image.levels == []


@pytest.mark.parametrize("name", ["a.tif", "tiled.tif", "a.ome.tif", "a.png", "a.jpg", "a.npy"])
def test_random_damage_never_gives_a_traceback(tmp_path: Path, name: str) -> None:
    """A few bytes overwritten anywhere: the image opens, or one message says that it is damaged."""
    path = tmp_path / name
    _write(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        broken = bytearray(whole)
        for at in rng.integers(0, min(len(whole), 600), 4):
            broken[at] = rng.integers(0, 256)
        path.write_bytes(broken)
        try:
            with open_image(path) as image:
                if np.prod(image.shape) < 10**7:
                    image.read()
        except NucleiError as error:
            assert error.hint
