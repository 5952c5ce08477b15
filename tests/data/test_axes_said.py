"""Axes, channels and moments that a file does not name: chosen by what can be told, and said."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.data.axes import guess_axes
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.readers.ome_parts import mended_ome_xml


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((110, 110, 5), "YXC"),
        ((110, 5, 110), "YQX"),
        ((5, 110, 110), "QYX"),
        ((30, 64, 64), "QYX"),
        ((64, 64, 30), "QYX"),
        ((7, 512, 512, 5), "ZYXC"),
        ((110, 110, 5, 3), "YXZC"),
        ((2, 3, 64, 64), "ZCYX"),
        ((5, 6, 7), "QYX"),
        ((10, 10, 4), "YXC"),
    ],
)
def test_no_picture_is_as_narrow_as_its_channels(shape: tuple[int, ...], axes: str) -> None:
    assert guess_axes(shape) == axes


@pytest.mark.parametrize("kind", ["npy", "tif"])
def test_five_channels_behind_are_channels_and_it_is_said(tmp_path: Path, kind: str) -> None:
    pixels = np.arange(60 * 60 * 5, dtype=np.uint16).reshape(60, 60, 5)
    path = tmp_path / f"a.{kind}"
    if kind == "npy":
        np.save(path, pixels)
    else:
        tifffile.imwrite(path, pixels, metadata=None, photometric="minisblack")
    image = open_image(path)
    assert image.axes == "YXC" and image.shape == pixels.shape
    assert any("does not name its axes" in text and "--axes" in text for text in image.assumptions)
    assert {"axes", "nuclei_channel"} <= {question.topic for question in image.questions}
    assert open_image(path, image.understanding.changed(third_axis="volume")).axes == "ZYX"


def test_channels_are_asked_for_where_no_name_tells(tmp_path: Path) -> None:
    pixels = np.zeros((3, 40, 40), np.uint16)
    for name, channels, asked in (("a", ["GFP", "RFP", "Cy5"], True), ("b", ["GFP", "DAPI", "Cy5"], False)):
        path = tmp_path / f"{name}.ome.tif"
        tifffile.imwrite(
            path, pixels, metadata={"axes": "CYX", "Channel": {"Name": channels}}, photometric="minisblack"
        )
        question = open_image(path).channel_question
        assert (question is not None) == asked
        assert question is None or "GFP, RFP, Cy5" in question.text


_XML = (
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"{uuid}><Image ID="Image:0"><Pixels ID="Pixels:0" '
    'DimensionOrder="XYZCT" Type="uint16" SizeX="48" SizeY="40" SizeZ="3" SizeC="2" SizeT="1" PhysicalSizeX="0.5" '
    'PhysicalSizeY="0.5" PhysicalSizeZ="2"><Channel ID="C:0" Name="DAPI" SamplesPerPixel="1"/>'
    '<Channel ID="C:1" Name="GFP" SamplesPerPixel="1"/>{data}</Pixels></Image></OME>'
)


def _part(channel: int, plane: int, ifd: int, name: str, uuid: str) -> str:
    where = f'FirstC="{channel}" FirstZ="{plane}" FirstT="0" IFD="{ifd}" PlaneCount="1"'
    return f'<TiffData {where}><UUID FileName="{name}">urn:uuid:{uuid}</UUID></TiffData>'


def _parts(folder: Path) -> np.ndarray:
    """Two files, one for each channel of an image of three planes."""
    pixels = np.arange(2 * 3 * 40 * 48, dtype=np.uint16).reshape(2, 3, 40, 48)
    data = "".join(_part(c, z, z, f"a_C{c}.ome.tif", f"{c}") for c in (0, 1) for z in range(3))
    for channel in (0, 1):
        xml = _XML.format(uuid=f' UUID="urn:uuid:{channel}"', data=data)
        with tifffile.TiffWriter(folder / f"a_C{channel}.ome.tif") as out:
            for plane in range(3):
                out.write(
                    pixels[channel, plane], description=xml if not plane else None, metadata=None, contiguous=False
                )
    return pixels


def test_parts_of_an_ome_tiff(tmp_path: Path) -> None:
    pixels = _parts(tmp_path)
    whole = open_image(tmp_path / "a_C1.ome.tif")
    assert whole.axes == "ZYXC" and not whole.notes
    np.testing.assert_array_equal(whole.read(), np.moveaxis(pixels, 0, -1))
    whole.close()
    shutil.move(tmp_path / "a_C0.ome.tif", tmp_path / "elsewhere.bin")
    left = open_image(tmp_path / "a_C1.ome.tif")
    assert left.channel_names == ["GFP"] and "a_C0.ome.tif" in left.notes[0] and "channel DAPI" in left.notes[0]
    np.testing.assert_array_equal(left.read()[..., 0], pixels[1])
    left.close()
    shutil.move(tmp_path / "a_C1.ome.tif", tmp_path / "b.ome.tif")
    renamed = open_image(tmp_path / "b.ome.tif")
    assert "renamed" in renamed.notes[0] and renamed.channel_names == ["GFP"]
    np.testing.assert_array_equal(renamed.read()[..., 0], pixels[1])


def test_a_renamed_ome_tiff_is_read_as_it_says(tmp_path: Path) -> None:
    pixels = np.arange(6 * 40 * 48, dtype=np.uint16).reshape(6, 40, 48)
    data = "".join(_part(c, z, 3 * c + z, "before.ome.tif", "1") for c in (0, 1) for z in range(3))
    with tifffile.TiffWriter(tmp_path / "after.ome.tif") as out:
        for number, page in enumerate(pixels):
            xml = _XML.format(uuid="", data=data) if not number else None
            out.write(page, description=xml, metadata=None, contiguous=False)
    image = open_image(tmp_path / "after.ome.tif")
    assert image.axes == "ZYXC" and image.channel_names == ["DAPI", "GFP"] and image.pixel_size_um == (2.0, 0.5, 0.5)
    assert "before.ome.tif" in image.notes[0]
    np.testing.assert_array_equal(image.read(), np.moveaxis(pixels.reshape(2, 3, 40, 48), 0, -1))


def test_descriptions_that_make_no_sense_stay_as_they_are(tmp_path: Path) -> None:
    for text in ("", "<a", "<!DOCTYPE x><OME/>", "<OME><Image><Pixels SizeC='x' DimensionOrder='Q'/></Image></OME>"):
        assert mended_ome_xml(text, tmp_path / "a.ome.tif", 3) == (text, [])
