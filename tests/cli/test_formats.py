"""The same pixels through every format and axis order give identical labels, classically and with a model."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr

from napari_nucleidomain.cli import main
from napari_nucleidomain.contracts import load_card
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.data.understanding import Understanding
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.methods.spn_ien.segment import load

from . import tiny

LABELS = tiny.labels_of(tiny.centres())
GREY = tiny.image_of(LABELS)
# Purple nuclei on a bright ground, with a little of everything in each channel.
RGB = np.dstack([250 - GREY // 2, 250 - GREY, 250 - GREY // 3]).astype(np.uint8)
TWO = np.dstack([GREY, 255 - GREY // 2])


def first(pixels: np.ndarray) -> np.ndarray:
    """Channels first."""
    return np.ascontiguousarray(np.moveaxis(pixels, -1, 0))


def ome_zarr(path: Path, pixels: np.ndarray, axes: str, version: str) -> None:
    """Two levels."""
    kinds = {"T": "time", "C": "channel"}
    group = zarr.open_group(str(path), mode="w", zarr_format=2 if version == "0.4" else 3)
    sets = []
    for k in range(2):
        level = np.ascontiguousarray(pixels[tuple(slice(None, None, 2**k if a in "YX" else 1) for a in axes)])
        group.create_array(str(k), shape=level.shape, dtype=level.dtype, chunks=level.shape)[:] = level
        scale = [float(2**k) if a in "YX" else 1.0 for a in axes]
        sets.append({"path": str(k), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    described = [{"name": a.lower(), "type": kinds.get(a, "space")} for a in axes]
    content = {"multiscales": [{"version": version, "axes": described, "datasets": sets}]}
    group.attrs.update(content if version == "0.4" else {"ome": {"version": version, **content}})


def every_format(folder: Path, pixels: np.ndarray) -> None:
    """Files of one picture, (Y, X) or (Y, X, C): each format with each axis order that it can hold."""
    flat, colour = pixels.ndim == 2, pixels.ndim == 3 and pixels.shape[2] == 3
    planes = pixels if flat else first(pixels)
    axes, how = "YX" if flat else "CYX", {"photometric": "rgb" if colour else "minisblack"}
    if flat or colour:
        tifffile.imwrite(folder / "plain.tif", pixels, **how)
        tifffile.imwrite(folder / "big.tif", pixels, byteorder=">", bigtiff=True, **how)
        tifffile.imwrite(folder / "tiles.tif", pixels, tile=(32, 48), compression="zlib", predictor=True, **how)
        tifffile.imwrite(folder / "yx.ome.tif", pixels, metadata={"axes": "YX" if flat else "YXS"}, **how)
        with tifffile.TiffWriter(folder / "pyramid.tif") as out:
            for k in (1, 2):
                out.write(pixels[::k, ::k], tile=(32, 32), subfiletype=k - 1, metadata=None, **how)
        (folder / "picture.png").write_bytes(imagecodecs.png_encode(pixels))
    if colour:
        tifffile.imwrite(folder / "imagej.tif", pixels, imagej=True)
        tifffile.imwrite(folder / "planar.tif", planes, photometric="rgb", planarconfig="separate")
        opaque = np.dstack([pixels, np.full_like(GREY, 255)])
        (folder / "rgba.png").write_bytes(imagecodecs.png_encode(opaque))
    else:
        tifffile.imwrite(folder / "imagej.tif", planes, imagej=True, metadata={"axes": axes})
    if not flat:
        tifffile.imwrite(folder / "cyx.ome.tif", planes, photometric="minisblack", metadata={"axes": "CYX"})
        tifffile.imwrite(folder / "pages.tif", planes, photometric="minisblack", metadata=None)
        np.save(folder / "cyx.npy", planes)
        ome_zarr(folder / "five.ome.zarr", planes[None, :, None], "TCZYX", "0.5")
    np.save(folder / "yx.npy", pixels)
    np.save(folder / "fortran.npy", np.asfortranarray(pixels))
    ome_zarr(folder / "old.ome.zarr", planes, axes, "0.4")
    ome_zarr(folder / "new.zarr", planes, axes, "0.5")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, model: Path) -> dict[int, Path]:
    """A model for each number of channels."""
    found = {1: model}
    for channels, pixels in ((2, TWO), (3, RGB)):
        root = tmp_path_factory.mktemp(f"model {channels}")
        data = tiny.write_dataset(root / "data", first(pixels), tiny.centres())
        path = data / "train" / "images" / "a.tif"
        path.unlink()
        how = {"photometric": "rgb"} if channels == 3 else {"imagej": True, "metadata": {"axes": "CYX"}}
        tifffile.imwrite(path, pixels if channels == 3 else first(pixels), **how)
        arguments = ["train", "--data", data, "--out", root / "m", "--project", root / "p", "--steps", 6, "--quiet"]
        arguments += ["--device", "cpu", "--threads", 1, *tiny.SMALL, "--set", "decoder=watershed"]
        assert main([str(one) for one in arguments]) == 0
        found[channels] = root / "m"
        assert load_card(root / "m").channels == channels
    return found


@pytest.mark.parametrize(
    "pixels",
    [GREY, GREY.astype(np.uint16) * 257, RGB, TWO, TWO.astype(np.uint16) * 100],
    ids=["grey 8", "grey 16", "colour 8", "two 8", "two 16"],
)
def test_every_format_gives_identical_labels(
    run: Callable, tmp_path: Path, models: dict[int, Path], pixels: np.ndarray
) -> None:
    (tmp_path / "in").mkdir()
    every_format(tmp_path / "in", pixels)
    names = sorted(path.name for path in (tmp_path / "in").iterdir())
    assert len(names) >= 9
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    for chosen in ("otsu", models[channels]):
        said = run("predict", chosen, "in", "--out", "found", "--device", "cpu", "--quiet")
        assert said.code == 0, said.err
        found = {path.name: read_labels(path).labels for path in sorted(Path("found").iterdir())}
        assert len(found) == len(names)
        one = next(iter(found.values()))
        assert one.shape == GREY.shape
        if chosen == "otsu":
            assert one.max() > 20
        for name, labels in found.items():
            np.testing.assert_array_equal(labels, one, err_msg=f"{name} with {chosen}")
        shutil.rmtree("found")


def test_a_page_of_a_stack_is_the_picture(run: Callable, tmp_path: Path, model: Path) -> None:
    """Whatever lies on the other planes, and in whichever format."""
    planes = np.stack([np.roll(GREY, 7 * k, axis=0) // (k + 1) for k in range(9)])
    planes[4] = GREY
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "zyx.ome.tif", planes, metadata={"axes": "ZYX"})
    tifffile.imwrite(tmp_path / "in" / "zcyx.ome.tif", planes[:, None], metadata={"axes": "ZCYX"})
    tifffile.imwrite(tmp_path / "in" / "imagej.tif", planes, imagej=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(tmp_path / "in" / "pages.tif", planes, photometric="minisblack")
    np.save(tmp_path / "in" / "stack.npy", planes)
    ome_zarr(tmp_path / "in" / "zyx.zarr", planes, "ZYX", "0.5")
    tifffile.imwrite(tmp_path / "flat.tif", GREY)
    for chosen in ("otsu", model):
        assert run("predict", chosen, "flat.tif", "--out", "flat", "--device", "cpu", "--quiet").code == 0
        expected = read_labels("flat/flat.tif").labels
        said = run("predict", chosen, "in", "--out", "found", "--plane", 4, "--device", "cpu", "--quiet")
        assert said.code == 0, said.err
        found = sorted(Path("found").iterdir())
        assert len(found) == 6
        for path in found:
            np.testing.assert_array_equal(read_labels(path).labels, expected, err_msg=path.name)
        shutil.rmtree("found")


def test_orders_that_only_a_person_knows_and_wider_numbers(models: dict[int, Path]) -> None:
    """Rows and columns swapped, channels in the middle, and 8-bit numbers in 16, 32 bits or as float."""
    for channels, pixels in ((3, RGB), (2, TWO)):
        segmenter = load(models[channels], load_card(models[channels]), "cpu")
        rgb = channels == 3
        sources = [
            open_image(pixels, Understanding(axes="YXC", rgb=rgb)),
            open_image(first(pixels), Understanding(axes="CYX", rgb=rgb)),
            open_image(np.ascontiguousarray(pixels.transpose(1, 0, 2)), Understanding(axes="XYC", rgb=rgb)),
            open_image(np.ascontiguousarray(pixels.transpose(0, 2, 1)), Understanding(axes="YCX", rgb=rgb)),
            open_image(np.ascontiguousarray(pixels.transpose(2, 1, 0))[None], Understanding(axes="TCXY", rgb=rgb)),
        ]
        found = [segment(image, segmenter, Scale(1.0, "")).labels for image in sources]
        for labels in found[1:]:
            np.testing.assert_array_equal(labels, found[0])
    segmenter = load(models[1], load_card(models[1]), "cpu")
    kinds = (np.uint8, np.uint16, ">u2", np.int16, np.uint32, np.float32, np.float64)
    found = [segment(open_image(GREY.astype(kind)), segmenter, Scale(1.0, "")).labels for kind in kinds]
    assert found[0].shape == GREY.shape
    for kind, labels in zip(kinds, found, strict=True):
        np.testing.assert_array_equal(labels, found[0], err_msg=str(kind))
