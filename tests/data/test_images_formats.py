"""The same pixels through every format and axis order."""

from __future__ import annotations

import pickle
from pathlib import Path

import dask.array
import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr

from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.understanding import Understanding

RNG = np.random.default_rng(7)
_ROWS, _COLUMNS = np.mgrid[:70, :90]
COLOUR = np.dstack([240 - _ROWS, 100 + _COLUMNS, 120 + _ROWS + _COLUMNS // 2]).astype(np.uint8)
GREY = RNG.integers(0, 60000, (70, 90), dtype=np.uint16)
STACK = RNG.integers(0, 60000, (11, 40, 50), dtype=np.uint16)
TWO = RNG.integers(0, 60000, (70, 90, 2), dtype=np.uint16)
FILM = RNG.integers(0, 255, (9, 40, 50), dtype=np.uint8)


def _ome_zarr(path: Path, array: np.ndarray, axes: str, version: str = "0.4", names: list[str] | None = None) -> Path:
    kinds = {"T": "time", "C": "channel"}
    described = [
        {"name": a.lower(), "type": kinds.get(a, "space"), **({"unit": "micrometer"} if a in "ZYX" else {})}
        for a in axes
    ]
    sets = []
    scale = [2.0 if a == "Z" else 0.5 if a in "YX" else 1.0 for a in axes]
    group = zarr.open_group(str(path), mode="w", zarr_format=2 if version == "0.4" else 3)
    for k in range(2):
        step = tuple(slice(None, None, 2**k if a in "YX" else 1) for a in axes)
        level = np.ascontiguousarray(array[step])
        made = group.create_array(
            str(k), shape=level.shape, dtype=level.dtype, chunks=tuple(min(32, n) for n in level.shape)
        )
        made[:] = level
        factors = [s * (2**k if a in "YX" else 1) for s, a in zip(scale, axes, strict=True)]
        sets.append({"path": str(k), "coordinateTransformations": [{"type": "scale", "scale": factors}]})
    content = {"multiscales": [{"version": version, "axes": described, "datasets": sets}]}
    if names:
        content["omero"] = {"channels": [{"label": n} for n in names]}
    group.attrs.update(content if version == "0.4" else {"ome": {"version": version, **content}})
    return path


def _colour_files(folder: Path) -> list:
    planes = np.ascontiguousarray(np.moveaxis(COLOUR, -1, 0))
    tifffile.imwrite(folder / "plain.tif", COLOUR, photometric="rgb")
    tifffile.imwrite(folder / "planar.tif", planes, photometric="rgb", planarconfig="separate")
    tifffile.imwrite(
        folder / "deflate.tif", COLOUR, photometric="rgb", compression="zlib", predictor=True, tile=(32, 32)
    )
    tifffile.imwrite(folder / "big.tif", COLOUR, photometric="rgb", bigtiff=True, byteorder=">")
    tifffile.imwrite(folder / "yxs.ome.tif", COLOUR, photometric="rgb", metadata={"axes": "YXS"})
    tifffile.imwrite(folder / "cyx.ome.tif", planes, photometric="minisblack", metadata={"axes": "CYX"})
    tifffile.imwrite(folder / "imagej.tif", COLOUR, imagej=True)
    tifffile.imwrite(folder / "pages.tif", planes, photometric="minisblack", metadata=None)
    with tifffile.TiffWriter(folder / "pyramid.tif") as out:
        for k in (1, 2):
            out.write(COLOUR[::k, ::k], photometric="rgb", tile=(32, 32), subfiletype=k - 1, metadata=None)
    (folder / "picture.png").write_bytes(imagecodecs.png_encode(COLOUR))
    opaque = np.dstack([COLOUR, RNG.integers(0, 255, COLOUR.shape[:2], dtype=np.uint8)])
    (folder / "rgba.png").write_bytes(imagecodecs.png_encode(opaque))
    tifffile.imwrite(folder / "rgba.tif", opaque, photometric="rgb", extrasamples=["unassalpha"])
    (folder / "lossless.jpg").write_bytes(imagecodecs.jpeg_encode(COLOUR, level=95))
    np.save(folder / "yxc.npy", COLOUR)
    np.save(folder / "cyx.npy", planes)
    np.save(folder / "fortran.npy", np.asfortranarray(COLOUR))
    _ome_zarr(folder / "old.ome.zarr", planes, "CYX", "0.4")
    _ome_zarr(folder / "new.zarr", planes, "CYX", "0.5")
    _ome_zarr(folder / "flat.zarr", planes[None, :, None], "TCZYX", "0.5")
    zarr.save_array(str(folder / "bare.zarr"), COLOUR)
    whole = np.dstack([COLOUR, np.full(COLOUR.shape[:2], 255, np.uint8)])
    return [*sorted(folder.iterdir()), COLOUR, planes, whole, dask.array.from_array(COLOUR, chunks=20), COLOUR[None]]


def test_colour_is_the_same_everywhere(tmp_path: Path) -> None:
    """Twenty ways to store one colour picture give one picture, one meaning and one digest."""
    digests = set()
    sources = _colour_files(tmp_path)
    assert len(sources) >= 25
    for source in sources:
        image = open_image(source)
        assert image.rgb, source
        assert image.axes == "YXC"
        assert image.channel_names == ["red", "green", "blue"]
        block = image.read([(5, 40), (30, 90)])
        if str(source).endswith(".jpg"):
            # JPEG loses a little; it must still be the same place and the same order of colours.
            assert np.abs(block.astype(int) - COLOUR[5:40, 30:90]).max() <= 12
            continue
        np.testing.assert_array_equal(block, COLOUR[5:40, 30:90], err_msg=str(source))
        assert block.dtype == np.uint8
        assert block.flags.writeable
        np.testing.assert_array_equal(image.read(), COLOUR)
        digests.add(open_image(source, Understanding(pixel_size_um=0.5)).digest())
    assert len(digests) == 1


def test_grey_is_the_same_everywhere(tmp_path: Path) -> None:
    """16-bit grey through every format that can hold it, any byte order."""
    (tmp_path / "grey.png").write_bytes(imagecodecs.png_encode(GREY))
    tifffile.imwrite(tmp_path / "little.tif", GREY)
    tifffile.imwrite(tmp_path / "big.tif", GREY, byteorder=">")
    tifffile.imwrite(tmp_path / "tiles.tif", GREY, tile=(16, 48), compression="lzw")
    tifffile.imwrite(tmp_path / "ij.tif", GREY, imagej=True)
    tifffile.imwrite(tmp_path / "one.ome.tif", GREY, metadata={"axes": "YX"})
    np.save(tmp_path / "swapped.npy", GREY.astype(">u2"))
    _ome_zarr(tmp_path / "g.zarr", GREY, "YX")
    for source in [*tmp_path.iterdir(), GREY, GREY[None, ..., None], zarr.array(GREY)]:
        image = open_image(source)
        assert image.axes == "YX"
        assert image.dtype == np.uint16
        assert not image.rgb
        np.testing.assert_array_equal(image.read()[..., 0], GREY)
        np.testing.assert_array_equal(image.read([(3, 9), (0, 5)])[..., 0], GREY[3:9, :5])
        size = image.pixel_size_um
        assert image.digest() == open_image(GREY, Understanding(pixel_size_um=size)).digest()


def test_volume_is_the_same_everywhere(tmp_path: Path) -> None:
    """A stack whose file names z, or has enough pages for it."""
    tifffile.imwrite(tmp_path / "pages.tif", STACK)
    tifffile.imwrite(tmp_path / "zipped.tif", STACK, compression="zlib", metadata={"axes": "ZYX"})
    tifffile.imwrite(tmp_path / "ij.tif", STACK, imagej=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(tmp_path / "v.ome.tif", STACK, metadata={"axes": "ZYX"})
    tifffile.imwrite(tmp_path / "xy.ome.tif", STACK[:, None], metadata={"axes": "ZCYX"})
    np.save(tmp_path / "v.npy", STACK)
    _ome_zarr(tmp_path / "v.zarr", STACK, "ZYX", "0.5")
    for source in [*tmp_path.iterdir(), STACK, dask.array.from_array(STACK)]:
        image = open_image(source)
        assert (image.axes, image.spatial_axes, image.ndim) == ("ZYX", "ZYX", 3), source
        np.testing.assert_array_equal(image.read()[..., 0], STACK)
        np.testing.assert_array_equal(image.read([(2, 5), (1, 9), (7, 8)])[..., 0], STACK[2:5, 1:9, 7:8])
        np.testing.assert_array_equal(image.read(plane=4)[..., 0], STACK[4])
        np.testing.assert_array_equal(image.read([(1, 9), (7, 20)], plane=4)[..., 0], STACK[4, 1:9, 7:20])
    swapped = open_image(np.moveaxis(STACK, 0, 2), Understanding(axes="YXZ"))
    np.testing.assert_array_equal(swapped.read()[..., 0], STACK)


def test_two_channels(tmp_path: Path) -> None:
    """Two channels first, last, or as pages; names from the file find the nuclei."""
    planes = np.ascontiguousarray(np.moveaxis(TWO, -1, 0))
    meta = {"axes": "CYX", "Channel": {"Name": ["GFP", "DAPI"]}}
    tifffile.imwrite(tmp_path / "two.ome.tif", planes, metadata=meta)
    tifffile.imwrite(tmp_path / "ij.tif", planes, imagej=True, metadata={"axes": "CYX", "Labels": ["GFP", "DAPI"]})
    _ome_zarr(tmp_path / "two.zarr", planes, "CYX", names=["GFP", "DAPI"])
    for source in tmp_path.iterdir():
        image = open_image(source)
        assert image.channel_names == ["GFP", "DAPI"], source
        assert image.nuclei_channel == 1
        assert image.kind == "fluorescence"
        np.testing.assert_array_equal(image.read(), TWO)
        only = open_image(source, Understanding(channels=(1,)))
        np.testing.assert_array_equal(only.read(), TWO[..., 1:])
        assert only.channel_names == ["DAPI"]
        turned = open_image(source, Understanding(channels=(1, 0)))
        np.testing.assert_array_equal(turned.read(), TWO[..., ::-1])
        assert turned.nuclei_channel == 0
    last = open_image(TWO)
    np.testing.assert_array_equal(last.read(), TWO)
    pages = open_image(planes)
    np.testing.assert_array_equal(pages.read(), TWO)
    assert pages.questions[0].topic == "axes"


def test_film_and_planes(tmp_path: Path) -> None:
    """Moments and planes are pictures of their own, counted over one number."""
    tifffile.imwrite(tmp_path / "t.ome.tif", FILM, metadata={"axes": "TYX"})
    film = open_image(tmp_path / "t.ome.tif")
    assert (film.spatial_axes, film.plane_axes, film.n_planes) == ("YX", "T", 9)
    np.testing.assert_array_equal(film.read(plane=5)[..., 0], FILM[5])
    np.testing.assert_array_equal(film.read()[..., 0], FILM[0])
    assert film.overview().shape == (40, 50, 1)
    as_film = open_image(FILM, Understanding(third_axis="time"))
    assert as_film.digest() == film.digest()
    planes = open_image(FILM, Understanding(third_axis="planes", plane=3))
    assert (planes.spatial_axes, planes.plane_axes) == ("YX", "Z")
    np.testing.assert_array_equal(planes.read()[..., 0], FILM[3])
    both = FILM.reshape(3, 3, 40, 50)
    deep = open_image(both, Understanding(axes="TZYX"))
    assert (deep.spatial_axes, deep.plane_axes) == ("ZYX", "T")
    np.testing.assert_array_equal(deep.read(plane=2)[..., 0], both[2])
    flat = open_image(both, Understanding(axes="TZYX", third_axis="planes"))
    assert flat.n_planes == 9
    np.testing.assert_array_equal(flat.read(plane=7)[..., 0], FILM[7])


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_pyramid_levels(tmp_path: Path, version: str) -> None:
    """Levels, their scale and their pixels."""
    image = open_image(_ome_zarr(tmp_path / "p.zarr", STACK, "ZYX", version))
    assert [level.shape for level in image.levels] == [(11, 40, 50), (11, 20, 25)]
    assert image.level_scales == [(1.0, 1.0, 1.0), (1.0, 2.0, 2.0)]
    assert image.pixel_size_um == (2.0, 0.5, 0.5)
    assert image.pixel_size_source == "file"
    np.testing.assert_array_equal(image.read([(0, 2), (5, 10), (5, 10)], level=1)[..., 0], STACK[:2, 10:20:2, 10:20:2])
    np.testing.assert_array_equal(image.read(level=1, plane=3)[..., 0], STACK[3, ::2, ::2])


def test_overview_takes_the_smallest_level_that_is_large_enough() -> None:
    """1024 is asked: the level of 1100 is thinned, not the one of 4400 read."""
    base = np.arange(4400 * 100, dtype=np.uint32).reshape(4400, 100)
    image = open_image([base, base[::2, ::2], base[::4, ::4], base[::8, ::8]])
    assert image.overview_level(1024) == (2, (2, 1))
    np.testing.assert_array_equal(image.overview(1024)[..., 0], base[::8, ::4])
    assert open_image(np.zeros((200, 900, 900), np.uint8)).overview(128).size <= 4 * 128**2


def test_slide_reads_only_what_is_asked(tmp_path: Path) -> None:
    """A box of a large tiled TIFF decodes the tiles it touches and no other."""
    path = tmp_path / "slide.tif"
    big = np.zeros((2048, 2048), np.uint8)
    big[1024:1280, 512:768] = 7
    tifffile.imwrite(path, big, tile=(256, 256), compression="zlib")
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0]
        keep = 4 * 8 + 2
        spans = [
            (o, n) for k, (o, n) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)) if k != keep
        ]
    with open(path, "r+b") as handle:
        for offset, count in spans:
            handle.seek(offset)
            handle.write(b"\xff" * count)
    assert (open_image(path).read([(1024, 1280), (512, 768)]) == 7).all()


def test_images_travel_to_child_processes(tmp_path: Path) -> None:
    """Pickling carries the path and the corrections, not the open file."""
    np.save(tmp_path / "é ü.npy", STACK)
    image = open_image(tmp_path / "é ü.npy", Understanding(third_axis="planes", pixel_size_um=0.3))
    copy = pickle.loads(pickle.dumps(image))
    assert copy.digest() == image.digest()
    assert copy.name == "é ü"
    assert copy.pixel_size_um == (0.3, 0.3)


def test_reading_never_gives_a_view_of_the_users_array() -> None:
    """Whoever changes what was read must not change the layer."""
    array = GREY.copy()
    block = open_image(array).read()
    block[:] = 0
    np.testing.assert_array_equal(array, GREY)


def test_three_stains_of_eight_bits_are_no_colour_picture(tmp_path: Path) -> None:
    """A Fiji composite with a dark background; the same planes bright are H&E taken apart."""
    dark = (RNG.random((3, 70, 90)) ** 8 * 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "merge.tif", dark, imagej=True, metadata={"axes": "CYX", "mode": "composite"})
    image = open_image(tmp_path / "merge.tif")
    assert not image.rgb
    assert image.kind == "fluorescence"
    question = next(q for q in image.questions if q.topic == "rgb")
    assert question.assumed == "channels"
    assert image.reopened(Understanding(**question.options["colours"])).rgb
    assert open_image(np.moveaxis(dark, 0, -1)).rgb
    bright = np.ascontiguousarray(np.moveaxis(COLOUR, -1, 0))
    tifffile.imwrite(tmp_path / "bright.tif", bright, imagej=True, metadata={"axes": "CYX", "mode": "composite"})
    assert open_image(tmp_path / "bright.tif").rgb


def test_aperio_slide(tmp_path: Path) -> None:
    """Levels, pixel size and magnification; the label and the overview photograph are not part of the image."""
    big = RNG.integers(0, 255, (900, 1100, 3), dtype=np.uint8)
    said = "Aperio Image Library v11.2.1\r\n1100x900 (256x256) JPEG/RGB Q=30|AppMag = 20|MPP = 0.4990"
    with tifffile.TiffWriter(tmp_path / "s.svs") as out:
        plain = {"photometric": "rgb", "metadata": None}
        out.write(big, tile=(256, 256), compression="zlib", description=said, **plain)
        out.write(big[::8, ::8], description="Aperio\r\n thumbnail", **plain)
        out.write(big[::4, ::4], tile=(256, 256), compression="zlib", description=said, **plain)
        out.write(big[:300, :280], description="Aperio\r\nlabel 280x300", subfiletype=1, **plain)
        out.write(big[:200, :600], description="Aperio\r\nmacro 600x200", subfiletype=9, **plain)
    image = open_image(tmp_path / "s.svs")
    assert image.format == "Aperio SVS"
    assert [level.shape for level in image.levels] == [(900, 1100, 3), (225, 275, 3)]
    assert image.pixel_size_um == (0.499, 0.499)
    assert image.metadata["magnification"] == 20
    assert image.questions == []
    np.testing.assert_array_equal(image.read([(250, 600), (500, 530)]), big[250:600, 500:530])


def test_levels_are_arrays_for_dask_and_napari() -> None:
    """Integers drop their axis, steps and ellipses work, and chunks are kept."""
    stored = zarr.create_array({}, shape=STACK.shape, chunks=(1, 16, 16), dtype="uint16")
    stored[:] = STACK
    level = open_image(stored).levels[0]
    lazy = dask.array.from_array(level, chunks=level.chunks)
    np.testing.assert_array_equal(lazy[3, 5:30:2].compute(), STACK[3, 5:30:2])
    np.testing.assert_array_equal(level[-1, ..., 7], STACK[-1, ..., 7])
    np.testing.assert_array_equal(np.asarray(level), STACK)
    assert level[2:2].shape == (0, 40, 50)
    assert (level.size, len(level)) == (STACK.size, 11)
    for key in (11, (0, 0, 0, 0), slice(None, None, -1)):
        with pytest.raises(IndexError):
            level[key]
