"""One rule for pixel sizes: what a microscope can have is read, however it is written; all else is unknown and said."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from napari_nucleidomain.data.images import Image, open_image
from napari_nucleidomain.data.pixel_size import from_aperio, from_densities, number, settled, to_micrometres
from napari_nucleidomain.data.understanding import Understanding

GREY = np.random.default_rng(0).integers(0, 255, (24, 30), dtype=np.uint8)
RGB = np.dstack([GREY, GREY[::-1], GREY])
PRINTED = (72, 90, 96, 100, 150, 200, 240, 300, 360, 400, 600, 720, 1200, 2400, 4800, 9600)


def _tiff(path: Path, per_unit: float | tuple[int, int], unit: str) -> Image:
    tifffile.imwrite(path, GREY, resolution=(per_unit, per_unit), resolutionunit=unit, metadata=None)
    return open_image(path)


@pytest.mark.parametrize("dpi", PRINTED)
def test_a_printers_resolution_is_no_pixel_size(tmp_path: Path, dpi: int) -> None:
    """In inches, centimetres or metres, rounded or not."""
    ways: list[tuple[Any, str]] = [
        (dpi, "INCH"),
        (dpi / 2.54, "CENTIMETER"),
        ((round(dpi * 100 / 2.54), 100), "CENTIMETER"),
    ]
    ways += [(round(dpi / 2.54), "CENTIMETER")] if dpi < 2000 else []
    for k, (per_unit, unit) in enumerate(ways):
        image = _tiff(tmp_path / f"{k}.tif", per_unit, unit)
        assert image.pixel_size_um is None, (per_unit, unit)
        assert image.notes == [], "half of all pictures have one"
    Pillow.fromarray(RGB).save(tmp_path / "a.png", dpi=(dpi, dpi))
    Pillow.fromarray(RGB).save(tmp_path / "a.jpg", dpi=(dpi, dpi))
    Pillow.fromarray(RGB).save(tmp_path / "a.bmp", dpi=(dpi, dpi))
    for ending in ("png", "jpg", "bmp"):
        assert open_image(tmp_path / f"a.{ending}").pixel_size_um is None


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.floats(0.03, 8.0), st.sampled_from(["CENTIMETER", "INCH", "MICROMETER", "MILLIMETER"]))
def test_a_microscopes_resolution_is_read(size: float, unit: str) -> None:
    unit_um = {"CENTIMETER": 1e4, "INCH": 25400.0, "MILLIMETER": 1e3, "MICROMETER": 1.0}[unit]
    found = from_densities(unit_um / size, unit_um / size, unit_um)
    printed = unit_um >= 1e4 and any(abs(unit_um / size - dpi * unit_um / 25400) < 1 for dpi in range(1400, 20000, 100))
    assert (found == {} and printed) or math.isclose(found["X"], size, rel_tol=1e-9) or printed


def test_resolutions_of_other_pictures(tmp_path: Path) -> None:
    """PNG in pixels a metre, JPEG in its own header or in EXIF."""
    Pillow.fromarray(RGB).save(tmp_path / "a.png", dpi=(50800, 50800))
    assert open_image(tmp_path / "a.png").pixel_size_um == pytest.approx((0.5, 0.5), rel=1e-4)
    Pillow.fromarray(RGB).save(tmp_path / "a.jpg", dpi=(50800, 50800))
    assert open_image(tmp_path / "a.jpg").pixel_size_um == pytest.approx((0.5, 0.5), rel=1e-4)
    exif = Pillow.Exif()
    exif[282], exif[283], exif[296] = 20000.0, 20000.0, 3
    Pillow.fromarray(RGB).save(tmp_path / "e.jpg", exif=exif)
    assert open_image(tmp_path / "e.jpg").pixel_size_um == pytest.approx((0.5, 0.5), rel=1e-4)


def _svs(path: Path, text: bytes) -> Image:
    tifffile.imwrite(path, RGB, tile=(16, 16), description=text, metadata=None, photometric="rgb")
    return open_image(path)


@pytest.mark.parametrize(
    ("field", "size"),
    [
        ("MPP = 0.4990", 0.499), ("MPP = 0,4990", 0.499), ("MPP=4.99e-1", 0.499), ("MPP = .499", 0.499),
        ("MPP = 4,99E-01", 0.499), ("MPP = 0.4990 um", 0.499), ("MPP = +0.499", 0.499), ("mpp", None),
        ("MPP = 0.4\x01990", math.nan), ("MPP = 4.99e", math.nan), ("MPP = 0", math.nan), ("MPP = -0.499", math.nan),
        ("MPP = nan", math.nan), ("MPP = inf", math.nan), ("MPP = 1e400", math.nan), ("MPP = 499", math.nan),
        ("MPP = unknown", math.nan), ("MPP = ", None), ("MPP = 0.4990.1", math.nan), ("ScanMPP = 3", None),
    ],
)  # fmt: skip
def test_slides(tmp_path: Path, field: str, size: float | None) -> None:
    """NaN: something is said that is of no use, and that is told."""
    text = f"Aperio Image Library v12.0.15\r\n30x24 [0,0 30x24] (16x16) Q=70|AppMag = 20|{field}|Left = 1"
    image = _svs(tmp_path / "a.svs", text.encode("latin-1"))
    assert image.format == "Aperio SVS"
    if size is None:
        assert image.pixel_size_um is None and image.notes == []
        assert [q.topic for q in image.questions if q.topic == "pixel_size"] == ["pixel_size"]
    elif math.isnan(size):
        assert image.pixel_size_um is None and "unknown" in image.notes[0]
    else:
        assert image.pixel_size_um == pytest.approx((size, size)) and image.notes == []


def test_stray_bytes_in_a_slides_text(tmp_path: Path) -> None:
    text = b"Aperio Image Library v12\r\n30x24|AppMag = 20|MPP = 0.4990|Left = 1|Time = \x8d\x81\x03("
    image = _svs(tmp_path / "a.svs", text)
    assert image.format == "Aperio SVS" and image.pixel_size_um == pytest.approx((0.499, 0.499))


def test_magnification_is_offered_and_never_taken(tmp_path: Path) -> None:
    for said, guess in (("40", 0.25), ("20,0", 0.5), ("0", None), ("-40", None), ("nan", None), ("1e9", None)):
        image = _svs(tmp_path / "m.svs", f"Aperio Image Library v1|AppMag = {said}".encode())
        assert image.pixel_size_um is None
        asked = [q for q in image.questions if q.topic == "pixel_size"]
        assert len(asked) == (guess is not None)
        if guess is not None:
            (answer,) = asked[0].options.values()
            assert answer == {"pixel_size_um": guess}
            assert f"--pixel-size {guess:g}" in image.assumptions[0]
            said_so = image.reopened(Understanding(**answer))
            assert said_so.pixel_size_um == (guess, guess) and not said_so.questions


OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
    '<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="30" SizeY="24" SizeZ="1" SizeC="1" SizeT="1" {}>'
    "<TiffData/></Pixels></Image></OME>"
)


def _ome(path: Path, x: str, y: str, unit: str | None) -> Image:
    units = "" if unit is None else f' PhysicalSizeXUnit="{unit}" PhysicalSizeYUnit="{unit}"'
    text = OME.format(f'PhysicalSizeX="{x}" PhysicalSizeY="{y}"{units}')
    tifffile.imwrite(path, GREY, description=text.encode(), metadata=None)
    return open_image(path)


@pytest.mark.parametrize(
    ("x", "y", "unit", "size"),
    [
        ("0.5", "0.5", None, 0.5), ("0.5", "0.5", "µm", 0.5), ("0.5", "0.5", "μm", 0.5), ("0.5", "0.5", "um", 0.5),
        ("500", "500", "nm", 0.5), ("5E2", "5E2", "nm", 0.5), ("0.0005", "0.0005", "mm", 0.5),
        ("0,5", "0,5", "µm", 0.5),
        ("5000", "5000", "Å", 0.5), ("0.5", "0.5", "pixel", None), ("1", "1", "reference frame", None),
        ("INF", "INF", None, math.nan), ("NaN", "NaN", None, math.nan), ("1e308", "1e308", None, math.nan),
        ("0", "0", None, math.nan), ("-0.5", "-0.5", None, math.nan), ("0.5", "50", None, math.nan),
        ("0.5", "1.5", None, math.nan), ("0.5", "1e-308", "µm", math.nan), ("0.5", "half", None, math.nan),
        ("500", "500", "µm", math.nan), ("0.5", "0.5", "mm", math.nan), ("1e999999", "1", "nm", math.nan),
    ],
)  # fmt: skip
def test_ome_sizes(tmp_path: Path, x: str, y: str, unit: str | None, size: float | None) -> None:
    image = _ome(tmp_path / "a.ome.tif", x, y, unit)
    assert image.format == "OME-TIFF"
    if size is None or math.isnan(size):
        assert image.pixel_size_um is None
        assert bool(image.size_doubts) == (size is not None)
        assert image.notes == image.size_doubts
    else:
        assert image.pixel_size_um == pytest.approx((size, size)) and not image.notes
    assert not image.reopened(Understanding(pixel_size_um=0.3)).notes, "a person said it: nothing to tell"


def test_imagej_sizes(tmp_path: Path) -> None:
    for unit, density, size in (
        ("micron", 2.0, 0.5), ("nm", 0.002, 0.5), ("mm", 2000.0, 0.5), ("cm", 20000.0, 0.5), ("\\u00B5m", 2.0, 0.5),
        ("inch", 300.0, None), ("pixel", 1.0, None), ("um", 1e-7, None), ("um", 1e6, None),
    ):  # fmt: skip
        path = tmp_path / "ij.tif"
        tifffile.imwrite(path, GREY, imagej=True, metadata={"unit": unit}, resolution=(density, density))
        image = open_image(path)
        assert image.pixel_size_um == (None if size is None else pytest.approx((size, size), rel=1e-3)), unit


@pytest.mark.parametrize("version", [2, 3])
def test_zarr_sizes(tmp_path: Path, version: int) -> None:
    for k, (unit, scale, size) in enumerate(
        [
            ("nanometer", 500.0, 0.5),
            ("micrometer", 0.5, 0.5),
            ("micrometer", 1e9, None),
            ("meter", 0.5, None),
            (None, 1, None),
        ]
    ):
        folder = tmp_path / f"{k}.zarr"
        group = zarr.open_group(str(folder), mode="w", zarr_format=version)
        group.create_array("0", shape=GREY.shape, dtype="u1", chunks=GREY.shape)[:] = GREY
        axes = [{"name": a, "type": "space"} | ({"unit": unit} if unit else {}) for a in "yx"]
        moved = [{"type": "scale", "scale": [scale, scale]}]
        scales = {"multiscales": [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": moved}]}]}
        group.attrs.update(scales if version == 2 else {"ome": {"version": "0.5", **scales}})
        image = open_image(folder)
        assert image.pixel_size_um == (None if size is None else pytest.approx((size, size)))
        assert bool(image.size_doubts) == (size is None and unit is not None)


def test_planes_of_a_volume() -> None:
    assert settled({"Z": 2.0, "Y": 0.5, "X": 0.5}) == ({"Z": 2.0, "Y": 0.5, "X": 0.5}, [])
    for z in (math.inf, 0.0, -1.0, 1e6, math.nan):
        sizes, said = settled({"Z": z, "Y": 0.5, "X": 0.5})
        assert sizes == {"Y": 0.5, "X": 0.5} and "between planes" in said[0]
    assert settled({"X": 0.5})[0] == {} and settled({}) == ({}, [])


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.text(max_size=12) | st.floats() | st.integers() | st.binary(max_size=8) | st.none())
def test_numbers_are_read_or_nothing(said: object) -> None:
    """Whatever is written: a number, NaN, or None, and never more than was there."""
    found = number(said)
    assert found is None or isinstance(found, float)
    if isinstance(said, float) and math.isfinite(said):
        assert found == said and number(repr(said)) == said and number(repr(said).replace(".", ",")) == said
    if isinstance(said, str):
        size, magnification = from_aperio(f"Aperio|MPP = {said}|AppMag = {said}")
        for one in (size, magnification):
            assert one is None or isinstance(one, float)
        assert to_micrometres(1.0, said) is None or said.strip()


def test_damaged_resolution_tags(tmp_path: Path) -> None:
    """Nothing divided by nothing, and what is no fraction."""
    tifffile.imwrite(tmp_path / "a.tif", GREY, resolution=(20000, 20000), resolutionunit="CENTIMETER", metadata=None)
    whole = (tmp_path / "a.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        at = [tif.pages[0].tags[code].valueoffset for code in (282, 283)]
    for above, below in ((0, 0), (1, 0), (0, 1), (2**32 - 1, 1), (1, 2**32 - 1)):
        raw = bytearray(whole)
        for place in at:
            raw[place : place + 8] = struct.pack("<II", above, below)
        (tmp_path / "b.tif").write_bytes(raw)
        assert open_image(tmp_path / "b.tif").pixel_size_um is None
