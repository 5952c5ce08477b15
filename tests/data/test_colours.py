"""Every way a file can hold colours gives those it shows; what is transparent or left out is glass, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from napari_nucleidomain.data.images import Image, open_image
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.data.understanding import Understanding


def _section() -> np.ndarray:
    """Purple discs on pink tissue, beside white glass."""
    rgb = np.full((96, 128, 3), (244, 243, 246), np.uint8)
    rgb[8:88, 8:112] = (228, 170, 205)
    rows, columns = np.mgrid[:96, :128]
    for y, x in ((24, 24), (24, 64), (24, 96), (60, 32), (64, 80)):
        rgb[(rows - y) ** 2 + (columns - x) ** 2 <= 64] = (92, 58, 140)
    return rgb


HE = _section()
DARK = np.zeros((96, 128, 3), np.uint8)
DARK[20:40, 80:100] = (10, 20, 230)
LEFT = np.full((96, 128), 255, np.uint8)
LEFT[:, :50] = 0


def _cmyk(rgb: np.ndarray) -> np.ndarray:
    return np.asarray(Pillow.fromarray(rgb).convert("CMYK"))


def _ycbcr(rgb: np.ndarray) -> np.ndarray:
    return np.asarray(Pillow.fromarray(rgb).convert("YCbCr"))


def _lab(rgb: np.ndarray, wide: bool = False, offset: bool = False) -> np.ndarray:
    from skimage.color import rgb2lab

    lab = rgb2lab(rgb)
    light = np.rint(lab[..., :1] * (65535 if wide else 255) / 100)
    if wide and offset:
        light = np.rint(lab[..., :1] * 652.8)
    ab = lab[..., 1:] * (256 if wide else 1) + (32768 if wide and offset else 128 if offset else 0)
    both = np.concatenate([light, np.rint(ab)], axis=-1).astype(np.int64)
    return (both % (65536 if wide else 256)).astype(np.uint16 if wide else np.uint8)


def _palette_tiff(path: Path) -> None:
    picture = Pillow.fromarray(HE).quantize(64)
    picture.save(path)


def _palette_tifffile(path: Path) -> None:
    picture = Pillow.fromarray(HE).quantize(64)
    table = np.zeros((3, 256), np.uint16)
    colours = np.array(picture.getpalette(), np.uint16).reshape(-1, 3).T
    table[:, : colours.shape[1]] = colours * 257
    tifffile.imwrite(path, np.asarray(picture), photometric="palette", colormap=table, tile=(32, 32), compression="lzw")


def _planar(path: Path) -> None:
    planes = np.ascontiguousarray(np.moveaxis(_cmyk(HE), -1, 0))
    tifffile.imwrite(path, planes, photometric="separated", planarconfig="separate")


WAYS: dict[str, Callable[[Path], None]] = {
    "palette.tif": _palette_tiff,
    "palette_tiles.tif": _palette_tifffile,
    "palette.gif": lambda p: Pillow.fromarray(HE).save(p),
    "palette.bmp": lambda p: Pillow.fromarray(HE).quantize(64).save(p),
    "palette.png": lambda p: Pillow.fromarray(HE).quantize(64).save(p),
    "cmyk.tif": lambda p: tifffile.imwrite(p, _cmyk(HE), photometric="separated", compression="lzw"),
    "cmyk16.tif": lambda p: tifffile.imwrite(p, _cmyk(HE).astype(np.uint16) * 257, photometric="separated"),
    "cmyk_planar.tif": _planar,
    "cmyk.jpg": lambda p: Pillow.fromarray(HE).convert("CMYK").save(p, quality=97),
    "cmyk_pillow.tif": lambda p: Pillow.fromarray(HE).convert("CMYK").save(p, compression="tiff_lzw"),
    "lab.tif": lambda p: tifffile.imwrite(p, _lab(HE), photometric="cielab"),
    "lab16.tif": lambda p: tifffile.imwrite(p, _lab(HE, wide=True), photometric="cielab"),
    "icclab.tif": lambda p: tifffile.imwrite(p, _lab(HE, offset=True), photometric="icclab", tile=(32, 32)),
    "icclab16.tif": lambda p: tifffile.imwrite(p, _lab(HE, True, True), photometric="icclab"),
    "rgb16.tif": lambda p: tifffile.imwrite(p, HE.astype(np.uint16) * 257, photometric="rgb"),
    "planar.tif": lambda p: tifffile.imwrite(
        p, np.ascontiguousarray(np.moveaxis(HE, -1, 0)), photometric="rgb", planarconfig="separate"
    ),
    "ycbcr.tif": lambda p: tifffile.imwrite(p, _ycbcr(HE), photometric="ycbcr", subsampling=(1, 1), compression="zlib"),
    "jpeg.tif": lambda p: tifffile.imwrite(
        p, HE, photometric="rgb", compression="jpeg", compressionargs={"level": 97}, tile=(32, 32)
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_colours_are_those_of_the_picture(tmp_path: Path, name: str) -> None:
    WAYS[name](tmp_path / name)
    image = open_image(tmp_path / name)
    assert image.rgb and image.n_channels == 3 and image.spatial_shape == (96, 128), image
    assert image.kind == "h&e"
    got = image.read().astype(int) // (257 if image.dtype == np.uint16 else 1)
    lossy = "jp" in name or "palette" in name
    assert np.abs(got - HE).mean() < (3 if lossy else 1.5)
    part = image.read([(20, 60), (30, 90)]).astype(int) // (257 if image.dtype == np.uint16 else 1)
    np.testing.assert_array_equal(part, got[20:60, 30:90])


def _rgba(rgb: np.ndarray, alpha: np.ndarray = LEFT) -> np.ndarray:
    return np.dstack([np.where(alpha[..., None] > 0, rgb, 0), alpha]).astype(np.uint8)


def _la(grey: np.ndarray) -> np.ndarray:
    return np.dstack([np.where(LEFT > 0, grey, 0), LEFT]).astype(np.uint8)


def _palette_transparent(path: Path) -> None:
    picture = Pillow.fromarray(HE).quantize(63)
    numbers = np.asarray(picture).copy()
    free = int(numbers.max()) + 1
    numbers[:, :50] = free
    out = Pillow.fromarray(numbers, "P")
    out.putpalette([*picture.getpalette()[: free * 3], 0, 0, 0])
    out.save(path, transparency=free)


def _key(path: Path) -> None:
    Pillow.fromarray(_rgba(HE)[..., :3]).save(path, transparency=(0, 0, 0))


SEEN_THROUGH: dict[str, Callable[[Path], None]] = {
    "rgba.png": lambda p: Pillow.fromarray(_rgba(HE)).save(p),
    "key.png": _key,
    "palette.png": _palette_transparent,
    "palette.gif": _palette_transparent,
    "rgba.tif": lambda p: tifffile.imwrite(p, _rgba(HE), photometric="rgb", extrasamples=["unassalpha"]),
    "premultiplied.tif": lambda p: tifffile.imwrite(p, _rgba(HE), photometric="rgb", extrasamples=["assocalpha"]),
    "rgba16.tif": lambda p: tifffile.imwrite(
        p, _rgba(HE).astype(np.uint16) * 257, photometric="rgb", extrasamples=["unassalpha"], tile=(32, 32)
    ),
    "cmyka.tif": lambda p: tifffile.imwrite(
        p, np.dstack([_cmyk(_rgba(HE)[..., :3]), LEFT]), photometric="separated", extrasamples=["unassalpha"]
    ),
}


@pytest.mark.parametrize("name", SEEN_THROUGH)
def test_transparency_of_a_section_is_glass(tmp_path: Path, name: str) -> None:
    SEEN_THROUGH[name](tmp_path / name)
    image = open_image(tmp_path / name)
    assert image.rgb and image.kind == "h&e"
    top = 65535 if image.dtype == np.uint16 else 255
    assert (image.read()[:, :50] == top).all()
    got = image.read()[:, 50:].astype(int) // (257 if top > 255 else 1)
    assert np.abs(got - HE[:, 50:]).mean() < 3
    assert "transparen" in " ".join(image.notes)


def test_transparency_of_a_dark_picture_is_nothing(tmp_path: Path) -> None:
    hidden = np.dstack([np.where(LEFT[..., None] > 0, DARK, 255), LEFT]).astype(np.uint8)
    Pillow.fromarray(hidden).save(tmp_path / "dark.png")
    image = open_image(tmp_path / "dark.png")
    assert image.kind == "fluorescence"
    assert not image.read()[:, :50].any()
    bright = np.full((60, 80), 230, np.uint8)
    bright[20:30, 60:70] = 40
    for name, ending in (("la", "png"), ("la", "tif")):
        path = tmp_path / f"{name}.{ending}"
        both = np.dstack([np.where(LEFT[:60, :80] > 0, bright, 0), LEFT[:60, :80]])
        if ending == "png":
            Pillow.fromarray(both, "LA").save(path)
        else:
            tifffile.imwrite(path, both, photometric="minisblack", extrasamples=["unassalpha"], planarconfig="contig")
        grey = open_image(path)
        assert grey.n_channels == 1 and (grey.read()[:, :50] == 255).all()


def test_half_transparent_pixels_are_laid_on_the_ground(tmp_path: Path) -> None:
    alpha = np.full((96, 128), 255, np.uint8)
    alpha[:, :40] = 128
    for kind, colours in (("unassalpha", HE), ("assocalpha", np.rint(HE * (alpha / 255.0)[..., None]))):
        path = tmp_path / f"{kind}.tif"
        tifffile.imwrite(path, np.dstack([colours, alpha]).astype(np.uint8), photometric="rgb", extrasamples=[kind])
        got = open_image(path).read()[:, :40].astype(float)
        expected = HE[:, :40] * (128 / 255) + 255 * (127 / 255)
        assert np.abs(got - expected).max() <= 1.5


def test_a_fourth_channel_that_is_no_transparency(tmp_path: Path) -> None:
    """A broken one that hides everything, a picture of its own, or a further channel."""
    Pillow.fromarray(np.dstack([HE, np.zeros_like(LEFT)])).save(tmp_path / "hidden.png")
    np.testing.assert_array_equal(open_image(tmp_path / "hidden.png").read(), HE)
    picture = np.tile(np.linspace(20, 230, 128).astype(np.uint8), (96, 1))
    tifffile.imwrite(tmp_path / "own.tif", np.dstack([HE, picture]), photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(open_image(tmp_path / "own.tif").read(), HE)
    tifffile.imwrite(tmp_path / "more.tif", np.dstack([HE, picture]), photometric="rgb", extrasamples=["unspecified"])
    bright = open_image(tmp_path / "more.tif")
    assert bright.rgb and bright.kind == "h&e" and "further channel" in " ".join(bright.notes)
    tifffile.imwrite(tmp_path / "dark.tif", np.dstack([DARK, picture]), photometric="rgb", extrasamples=["unspecified"])
    assert open_image(tmp_path / "dark.tif").n_channels == 4
    said = open_image(tmp_path / "own.tif", Understanding(rgb=False))
    assert said.n_channels == 4, "a person knows better"


def test_zero_is_white(tmp_path: Path) -> None:
    grey = HE[..., 1]
    for name, pixels, top in (
        ("g8", grey, 255), ("g16", grey.astype(np.uint16) * 257, 65535), ("g1", grey > 128, 1),
    ):  # fmt: skip
        path = tmp_path / f"{name}.tif"
        stored = ~pixels if pixels.dtype == bool else (top - pixels).astype(pixels.dtype)
        tifffile.imwrite(path, stored, photometric="miniswhite")
        np.testing.assert_array_equal(open_image(path).read()[..., 0], pixels)
    tifffile.imwrite(tmp_path / "ij.tif", grey, imagej=True)
    raw = bytearray((tmp_path / "ij.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "ij.tif") as tif:
        at = tif.pages[0].tags[262].valueoffset
    raw[at : at + 2] = b"\x00\x00"
    (tmp_path / "ij.tif").write_bytes(raw)
    fiji = open_image(tmp_path / "ij.tif")
    np.testing.assert_array_equal(fiji.read()[..., 0], grey)
    assert any("0 is white" in note for note in fiji.notes)


def test_colours_that_only_paint_intensities(tmp_path: Path) -> None:
    """Fiji's LUTs: the numbers are what was measured."""
    ramp = np.arange(256, dtype=np.uint16) * 257
    blue = np.stack([0 * ramp, 0 * ramp, ramp])
    fire = np.stack([np.minimum(ramp * 1.5, 65535), np.maximum(ramp, 30000) - 30000, 65535 - np.abs(32768.0 - ramp)])
    for name, table in (("blue", blue), ("fire", fire.astype(np.uint16))):
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, HE[..., 1], photometric="palette", colormap=table)
        image = open_image(path)
        np.testing.assert_array_equal(image.read()[..., 0], HE[..., 1])
        assert any("paint intensities" in note for note in image.notes)


def test_outlines_with_a_colour_table_keep_their_numbers(tmp_path: Path) -> None:
    labels = np.zeros((40, 50), np.uint8)
    labels[5:15, 5:15], labels[20:30, 20:30], labels[5:15, 30:40] = 1, 2, 3
    table = np.random.default_rng(0).integers(0, 65535, (3, 256), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "l.tif", labels, photometric="palette", colormap=table)
    picture = Pillow.fromarray(labels, "P")
    picture.putpalette((table.T >> 8).astype(np.uint8).ravel().tolist())
    for ending in ("png", "bmp", "gif"):
        picture.save(tmp_path / f"l.{ending}")
    for ending in ("tif", "png", "bmp", "gif"):
        np.testing.assert_array_equal(read_labels(tmp_path / f"l.{ending}").labels, labels)


def _sparse(path: Path, pixels: np.ndarray, empty: set[int], **options: object) -> Image:
    """A tiled TIFF some of whose tiles have no bytes."""
    tifffile.imwrite(path, pixels, tile=(32, 32), metadata=None, **options)
    raw = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        for code in (324, 325):
            tag = tif.pages[0].tags[code]
            width = {3: 2, 4: 4, 16: 8}[int(tag.dtype)]
            for k in empty:
                at = tag.valueoffset + k * width
                raw[at : at + width] = b"\0" * width
    path.write_bytes(raw)
    return open_image(path)


def test_tiles_without_bytes(tmp_path: Path) -> None:
    """White on a bright slide, 0 in fluorescence, GDAL's value where the file gives one."""
    ways = {
        "jpeg": (HE, {"photometric": "rgb", "compression": "jpeg"}, 255),
        "plain": (HE, {"photometric": "rgb"}, 255),
        "wide": (HE.astype(np.uint16) * 257, {"photometric": "rgb", "compression": "zlib"}, 65535),
        "cmyk": (_cmyk(HE), {"photometric": "separated", "compression": "zlib"}, 255),
        "dark": (DARK, {"photometric": "rgb", "compression": "zlib"}, 0),
        "grey": (HE[..., 1], {"photometric": "minisblack", "compression": "zlib"}, 0),
        "nodata": (HE, {"photometric": "rgb", "extratags": [(42113, 2, 0, "200", True)]}, 200),
    }
    for name, (pixels, options, expected) in ways.items():
        image = _sparse(tmp_path / f"{name}.tif", pixels, {3, 7}, **options)
        got = image.read()
        assert (got[:64, 96:] == expected).all(), name
        assert image.kind == ("fluorescence" if name in ("dark", "grey") else "h&e") or name == "grey"
    all_empty = _sparse(tmp_path / "all.tif", HE, set(range(12)), photometric="rgb", compression="zlib")
    assert (all_empty.read() == 255).all()
