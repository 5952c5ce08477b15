"""OME-TIFF of several files: every image's pixels come from its own file, and no name leads out of the folder."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.understanding import Understanding

RNG = np.random.default_rng(4)
POSITIONS = RNG.integers(0, 255, (3, 40, 50), dtype=np.uint8)


def _xml(own: int, files: list[str], sizes: str = 'SizeZ="1"', data: str = 'IFD="0" PlaneCount="1"') -> bytes:
    images = "".join(
        f'<Image ID="Image:{k}" Name="pos{k}"><Pixels ID="Pixels:{k}" DimensionOrder="XYZCT" Type="uint8" SizeX="50" '
        f'SizeY="40" {sizes} SizeC="1" SizeT="1" PhysicalSizeX="0.{k + 1}" PhysicalSizeY="0.{k + 1}">'
        f'<Channel ID="Channel:{k}:0" SamplesPerPixel="1"/>'
        f'<TiffData {data}><UUID FileName="{name}">urn:uuid:{k}</UUID></TiffData></Pixels></Image>'
        for k, name in enumerate(files)
    )
    head = '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
    return f'{head} UUID="urn:uuid:{own}">{images}</OME>'.encode()


def _write(folder: Path, compression: str | None, names: list[str] | None = None) -> list[Path]:
    folder.mkdir(exist_ok=True)
    files = [f"p{k}.ome.tif" for k in range(3)]
    for k, name in enumerate(files):
        # Different lengths in front: the offsets of one file are wrong in the others.
        text = _xml(k, names or files)
        tifffile.imwrite(
            folder / name,
            POSITIONS[k],
            description=text + b" " * (64 * k),
            metadata=None,
            compression=compression,
            software="x" * (32 * k + 8),
        )
    return [folder / name for name in files]


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_each_position_has_its_own_pixels(tmp_path: Path, compression: str | None) -> None:
    for k, path in enumerate(_write(tmp_path, compression)):
        image = open_image(path)
        np.testing.assert_array_equal(image.read()[..., 0], POSITIONS[k])
        assert image.pixel_size_um == pytest.approx(((k + 1) / 10,) * 2)
        (question,) = [q for q in image.questions if q.topic == "series"]
        assert question.assumed == f"pos{k}"
        for other in range(3):
            chosen = image.reopened(Understanding(series=other))
            np.testing.assert_array_equal(chosen.read()[..., 0], POSITIONS[other])
            np.testing.assert_array_equal(chosen.read([(3, 9), (5, 20)])[..., 0], POSITIONS[other][3:9, 5:20])
            assert chosen.pixel_size_um == pytest.approx(((other + 1) / 10,) * 2)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_position_alone(tmp_path: Path, compression: str | None) -> None:
    """The others are gone: its own pixels and its own pixel size, whichever number it has."""
    files = _write(tmp_path, compression)
    files[0].unlink()
    files[1].unlink()
    image = open_image(files[2])
    np.testing.assert_array_equal(image.read()[..., 0], POSITIONS[2])
    assert image.pixel_size_um == pytest.approx((0.3, 0.3))


@pytest.mark.parametrize(
    "way", ["../secret/p0.ome.tif", "{absolute}", "..", "", "sub/p0.ome.tif", "C:\\p0.ome.tif", "pipe"]
)
def test_names_that_lead_away_are_not_opened(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("secret", "here/sub"):
        (tmp_path / folder).mkdir(parents=True)
    _write(tmp_path / "secret", None)
    _write(tmp_path / "here" / "sub", None)
    if way == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("no pipes here")
        os.mkfifo(tmp_path / "here" / "pipe")
    name = way.format(absolute=tmp_path / "secret" / "p0.ome.tif")
    opened: list[str] = []
    whole = tifffile.FileHandle.open
    monkeypatch.setattr(tifffile.FileHandle, "open", lambda self: (opened.append(str(self._file)), whole(self)))
    files = _write(tmp_path / "here", None, [name, "p1.ome.tif", "p2.ome.tif"])
    opened.clear()
    image = open_image(files[1])
    np.testing.assert_array_equal(image.read()[..., 0], POSITIONS[1])
    assert all(Path(one).parent == tmp_path / "here" for one in opened)
    assert not any(Path(one).name == "pipe" for one in opened)
    assert any("were not opened" in note for note in image.notes)


@pytest.mark.parametrize(
    ("sizes", "data"),
    [
        ('SizeZ="1000000000"', ""), ('SizeZ="1"', 'FirstZ="0" PlaneCount="1000000000"'), ('SizeZ="-4"', ""),
        ('SizeZ="1"', 'IFD="1000000000" PlaneCount="1"'), ('SizeZ="many"', ""), ('SizeQ="1"', ""), ('SizeZ="0"', ""),
    ],
)  # fmt: skip
def test_planes_that_no_file_holds(tmp_path: Path, sizes: str, data: str) -> None:
    path = tmp_path / "p0.ome.tif"
    tifffile.imwrite(path, POSITIONS[0], description=_xml(0, ["p0.ome.tif"], sizes, data), metadata=None)
    image = open_image(path)
    np.testing.assert_array_equal(image.read()[..., 0], POSITIONS[0])


def test_descriptions_that_are_none(tmp_path: Path) -> None:
    good = _xml(0, ["p0.ome.tif"])
    bomb = good.replace(b'<?xml version="1.0"?>', b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]>')
    for text in (
        bomb,
        b"<" * 3000 + b"OME>",
        good.replace(b"pos0", b"pos\x010"),
        good.replace(b"DimensionOrder", b"Order"),
    ):
        path = tmp_path / "p0.ome.tif"
        tifffile.imwrite(path, POSITIONS[0], description=text, metadata=None)
        np.testing.assert_array_equal(open_image(path).read()[..., 0], POSITIONS[0])
