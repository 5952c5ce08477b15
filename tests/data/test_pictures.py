"""A picture is no label image, whatever it is saved as; label images of every kind are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from scipy.ndimage import gaussian_filter

from napari_nucleidomain.cli.evaluate import score
from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.data.pictures import looks_like_picture

from .zarr_variants import put_array


def truth(side: int = 160) -> np.ndarray:
    """Discs, numbered."""
    rows, columns = np.indices((side, side))
    ids = (rows // 20) * (side // 20) + columns // 20 + 1
    return np.where((rows % 20 - 10) ** 2 + (columns % 20 - 10) ** 2 <= 49, ids, 0)


def picture(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 100 + 800 * gaussian_filter((truth() > 0).astype(float), 1) + rng.normal(0, 12, (160, 160))


def test_pictures_are_refused(tmp_path: Path) -> None:
    grey = picture()
    smooth = gaussian_filter(grey, 2)
    kinds = {
        "16 bit": grey.astype(np.uint16),
        "8 bit": (grey / 4).astype(np.uint8),
        "smooth": (smooth / 4).astype(np.uint8),
        "few greys": (grey / 40).astype(np.uint8),
        "floating": np.floor(grey).astype(np.float32),
        "wide": (grey * 60).astype(np.uint16),
        "stack": np.stack([picture(k) for k in range(4)]).astype(np.uint16),
    }
    for name, pixels in kinds.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels)
        with pytest.raises(NucleiError) as caught:
            read_labels(tmp_path / f"{name}.tif")
        assert "picture" in str(caught.value), name


def test_label_images_are_none() -> None:
    rng = np.random.default_rng(0)
    ids = truth()
    rows, columns = np.indices((400, 400))
    touching = (rows // 10) * 40 + columns // 10 + 1
    for labels in (ids, np.where(ids > 0, (ids - 1) % 255 + 1, 0), touching, (touching - 1) % 255 + 1, ids * 9000):
        assert not looks_like_picture(labels)
    fragments = np.zeros((200, 200), int)
    fragments[tuple(rng.integers(0, 200, (2, 3000)))] = rng.integers(1, 300_000, 3000)
    assert not looks_like_picture(fragments)


def test_outlines_in_the_store_of_a_picture_are_taken_and_it_is_said(tmp_path: Path) -> None:
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    put_array(group, "0", picture().astype(np.uint16))
    group.attrs["multiscales"] = [{"axes": [{"name": "y"}, {"name": "x"}], "datasets": [{"path": "0"}]}]
    labels = group.require_group("labels")
    inner = labels.require_group("nuclei")
    put_array(inner, "0", truth().astype(np.uint32))
    inner.attrs["multiscales"] = [{"axes": [{"name": "y"}, {"name": "x"}], "datasets": [{"path": "0"}]}]
    tifffile.imwrite(tmp_path / "truth.tif", truth().astype(np.uint16))
    said: list[str] = []
    assert score(tmp_path / "truth.tif", tmp_path / "a.zarr", said.append)["f1@0.5"] == 1
    assert any("labels/nuclei" in line for line in said)
    assert "labels/nuclei" in read_labels(tmp_path / "a.zarr").notes[0]
    put_array(labels.require_group("cytoplasm"), "0", truth().astype(np.uint32))
    assert read_labels(tmp_path / "a.zarr").labels.max() == truth().max()
    put_array(labels.require_group("nucleoli"), "0", truth().astype(np.uint32))
    with pytest.raises(NucleiError, match="3 sets of outlines"):
        read_labels(tmp_path / "a.zarr")
