"""An image that another program cuts short while it is read: said, and never pixels that are not there."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.labels_io import write_labels
from napari_nucleidomain.data.labels_large import open_labels
from napari_nucleidomain.data.readers.in_file import InFile

PIXELS = np.random.default_rng(0).integers(1, 255, (300, 400), dtype=np.uint8)
KINDS = {
    "raw.tif": {},
    "big.tif": {"bigtiff": True},
    "swapped.tif": {"byteorder": ">"},
    "strips.tif": {"rowsperstrip": 16, "compression": "zlib"},
    "tiled.tif": {"tile": (64, 64)},
    # Its decoder fills up what is missing with grey.
    "jpeg.tif": {"tile": (64, 64), "compression": "jpeg"},
    "plain.npy": None,
}


def _write(path: Path, options: dict[str, object] | None) -> None:
    if options is None:
        np.save(path, PIXELS)
    else:
        tifffile.imwrite(path, PIXELS.astype(">u2") if "byteorder" in options else PIXELS, **options)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.4, 0.98])
def test_a_file_cut_short_in_place_is_told(tmp_path, name, share):
    path = tmp_path / name
    _write(path, KINDS[name])
    with open_image(path) as image:
        whole = path.stat().st_size
        with open(path, "r+b") as handle:
            handle.truncate(int(share * whole))
        with pytest.raises(NucleiError, match="became shorter while it was read"):
            image.read()


def test_a_part_that_is_still_there_is_read(tmp_path):
    path = tmp_path / "raw.tif"
    tifffile.imwrite(path, PIXELS)
    with open_image(path) as image:
        with open(path, "r+b") as handle:
            handle.truncate(path.stat().st_size - 400)
        assert np.array_equal(image.read(((0, 100), (0, 400)))[..., 0], PIXELS[:100])


def test_a_zarr_that_is_removed_is_no_empty_image(tmp_path):
    # Nuclei of some size: noise would be refused as a picture.
    path = write_labels(np.kron(PIXELS[:30, :40], np.ones((10, 10))).astype(np.uint32), tmp_path / "a.ome.zarr")
    with open_image(path) as image, open_labels(path) as labels:
        shutil.rmtree(path)
        with pytest.raises(NucleiError, match="became shorter"):
            image.read()
        with pytest.raises(NucleiError, match="became shorter"):
            labels[0:10, 0:10]


def test_a_file_that_is_replaced_is_read_as_it_was(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, PIXELS)
    with open_image(path) as image:
        np.save(tmp_path / "b.npy", 255 - PIXELS)
        (tmp_path / "b.npy").replace(path)
        assert np.array_equal(image.read()[..., 0], PIXELS)


@st.composite
def _parts(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[slice | int, ...]]:
    shape = tuple(draw(st.lists(st.integers(1, 7), min_size=1, max_size=5)))
    key: list[slice | int] = []
    for n in shape:
        start = draw(st.integers(0, n - 1))
        if draw(st.integers(0, 5)) == 0:
            key.append(start)
        else:
            key.append(slice(start, draw(st.integers(start, n)), draw(st.integers(1, 3))))
    return shape, tuple(key)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    _parts(),
    st.sampled_from(["u1", ">u2", "<u4", ">f4", "f8", "?"]),
    st.booleans(),
    st.sampled_from([0, 8, 8192]),
    st.sampled_from([0, 64, 1 << 26]),
)
def test_any_part_is_that_of_the_array(tmp_path_factory, parts, dtype, fortran, near, most):
    shape, key = parts
    array = np.arange(1, np.prod(shape) + 1).reshape(shape).astype(dtype)
    path = tmp_path_factory.getbasetemp() / "any.raw"
    path.write_bytes(b"head" + array.tobytes("F" if fortran else "C"))
    with pytest.MonkeyPatch.context() as patch:
        module = "napari_nucleidomain.data.readers.in_file"
        patch.setattr(f"{module}._NEAR", near)
        patch.setattr(f"{module}._MOST", most)
        found = InFile(path, dtype, shape, 4, fortran=fortran)
        assert np.array_equal(found[key], array[key])
        assert np.array_equal(found[..., key[-1]], array[..., key[-1]])
        assert np.array_equal(np.asarray(found), array)
        found.close()
