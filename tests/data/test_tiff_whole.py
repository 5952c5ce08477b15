"""A TIFF is judged by its pixels: stray pointers and lost details spoil none, and what was cut short is not read."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.images import open_image

GREY = np.random.default_rng(1).integers(0, 60000, (48, 64), dtype=np.uint16)
STACK = np.random.default_rng(2).integers(0, 60000, (7, 48, 64), dtype=np.uint16)


def _next_pointers(path: Path) -> list[tuple[int, int]]:
    """Where each page's pointer to the next one lies, and its width."""
    with tifffile.TiffFile(path) as tif:
        big = tif.is_bigtiff
        return [
            (p.offset + (8 if big else 2) + len(p.tags) * (20 if big else 12), 8 if big else 4)
            for p in (page.aspage() for page in tif.pages)
        ]


def _pointed(path: Path, page: int, value: int) -> None:
    at, width = _next_pointers(path)[page]
    raw = bytearray(path.read_bytes())
    raw[at : at + width] = value.to_bytes(width, "little")
    path.write_bytes(raw)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "tile": (16, 16)}, {"rowsperstrip": 8}])
@pytest.mark.parametrize("pointer", ["far", "size", "near", "self", "header", "pixels", "text"])
def test_stray_pointers(tmp_path: Path, pointer: str, options: dict, big: bool) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, bigtiff=big, metadata=None, **options)
    with tifffile.TiffFile(path) as tif:
        first, pixels = tif.pages[0].offset, tif.pages[0].dataoffsets[0]
    size = path.stat().st_size
    value = {
        "far": 0x7FFFFFF0,
        "size": size,
        "near": size + 77,
        "self": first,
        "header": 4,
        "pixels": pixels,
        "text": 1,
    }
    _pointed(path, 0, value[pointer])
    image = open_image(path)
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.read()[..., 0], GREY)


def test_a_pointer_back_in_a_stack(tmp_path: Path) -> None:
    for back in (0, 6):
        path = tmp_path / f"{back}.tif"
        tifffile.imwrite(path, STACK, metadata=None, photometric="minisblack", compression="zlib")
        with tifffile.TiffFile(path) as tif:
            offsets = [page.offset for page in tif.pages]
        _pointed(path, 6, offsets[back])
        image = open_image(path)
        np.testing.assert_array_equal(image.read()[..., 0], STACK)
        assert any("point back" in note for note in image.notes)


@pytest.mark.parametrize("tag", [315, 305, 65000, 34377, 270])
def test_details_behind_the_end(tmp_path: Path, tag: int) -> None:
    path = tmp_path / "a.tif"
    extra = [(tag, 2, 0, "some text that lies elsewhere", True)]
    tifffile.imwrite(path, GREY, metadata=None, software=False, extratags=extra)
    raw = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        at = tif.pages[0].tags[tag].offset
    for far in (0x7FFFFF00, len(raw) - 3):
        raw[at + 8 : at + 12] = struct.pack("<I", far)
        path.write_bytes(raw)
        image = open_image(path)
        np.testing.assert_array_equal(image.read()[..., 0], GREY)
        assert str(tag) in image.notes[0]


@pytest.mark.parametrize("tag", [273, 279, 324, 325])
def test_without_the_places_of_its_pixels_it_is_cut(tmp_path: Path, tag: int) -> None:
    path = tmp_path / "a.tif"
    tile = {"tile": (16, 16)} if tag > 300 else {"rowsperstrip": 8}
    tifffile.imwrite(path, GREY, metadata=None, compression="zlib", **tile)
    raw = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        at = tif.pages[0].tags[tag].offset
    raw[at + 8 : at + 12] = struct.pack("<I", 0x7FFFFF00)
    path.write_bytes(raw)
    with pytest.raises(NucleiError, match=r"truncated|damaged"):
        open_image(path)


def test_missing_strips_are_told(tmp_path: Path) -> None:
    """Fewer strips than rows: the rest would be black without a word."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, metadata=None, compression="zlib", rowsperstrip=8)
    raw = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        for code in (273, 279):
            at = tif.pages[0].tags[code].offset
            raw[at + 4 : at + 8] = struct.pack("<I", 4)
    path.write_bytes(raw)
    with pytest.raises(NucleiError, match="truncated"):
        open_image(path)


KINDS = {
    "plain": {"metadata": None},
    "tiles": {"metadata": None, "compression": "zlib", "tile": (16, 16)},
    "shaped": {},
    "shaped_zip": {"compression": "zlib"},
    "ome": {"ome": True, "metadata": {"axes": "ZYX"}, "compression": "zlib"},
    "imagej": {"imagej": True, "metadata": {"axes": "ZYX"}},
    "big": {"metadata": None, "bigtiff": True, "compression": "zlib"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_stack_that_was_cut_loses_no_plane_in_silence(tmp_path: Path, kind: str) -> None:
    """Wherever the copy broke off: refused, or a note that there may be more."""
    tifffile.imwrite(tmp_path / "whole.tif", STACK, photometric="minisblack", **KINDS[kind])
    whole = (tmp_path / "whole.tif").read_bytes()
    rng = np.random.default_rng(5)
    for share in (*rng.uniform(0.02, 0.99, 12), 0.999):
        path = tmp_path / "cut.tif"
        path.write_bytes(whole[: int(len(whole) * share)])
        try:
            with open_image(path) as image:
                noted = any("not copied to the end" in note for note in image.notes)
                pixels = image.read()[..., 0] if image.ndim == 3 else np.moveaxis(image.read(), -1, 0)
        except NucleiError as error:
            assert "truncated" in error.message or "damaged" in error.message
            continue
        if noted:
            np.testing.assert_array_equal(pixels, STACK[: len(pixels)].reshape(pixels.shape))
        else:
            np.testing.assert_array_equal(pixels, STACK)


def test_a_page_without_a_pointer(tmp_path: Path) -> None:
    """Some writers end the file with the last tag."""
    path = tmp_path / "end.tif"
    tags = [
        (256, 3, 1, 8),
        (257, 3, 1, 4),
        (258, 3, 1, 8),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (278, 3, 1, 4),
        (279, 4, 1, 32),
    ]
    pixels = np.arange(32, dtype=np.uint8)
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    path.write_bytes(b"II*\0" + struct.pack("<I", 40) + pixels.tobytes() + struct.pack("<H", len(tags)) + entries)
    np.testing.assert_array_equal(open_image(path).read()[..., 0], pixels.reshape(4, 8))
