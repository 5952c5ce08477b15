"""Masks that are not quite black and white, classes and pictures, where ids were expected; and ids that are ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Picture

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.labels_io import read_labels, separated


def discs(radius: int, gap: int, side: int = 240) -> np.ndarray:
    """Discs, numbered."""
    rows, columns = np.indices((side, side))
    y, x = rows % gap - gap // 2, columns % gap - gap // 2
    ids = (rows // gap) * (side // gap) + columns // gap + 1
    return np.where((y**2 + x**2 <= radius**2) & (rows // gap < side // gap) & (columns // gap < side // gap), ids, 0)


def saved(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    Picture.fromarray(pixels.astype(np.uint8)).save(path, **options)
    return path


@pytest.mark.parametrize("radius", [4, 8, 20])
@pytest.mark.parametrize("how", [30, 75, 95, "small", "large"])
def test_a_mask_that_jpeg_or_resizing_has_changed_is_split(tmp_path: Path, radius: int, how: int | str) -> None:
    truth = discs(radius, 3 * radius)
    mask = np.where(truth > 0, 255, 0).astype(np.uint8)
    if isinstance(how, int):
        file = saved(tmp_path / "m.jpg", mask, quality=how)
    else:
        side = {"small": 200, "large": 300}[how]
        file = saved(tmp_path / "m.png", np.asarray(Picture.fromarray(mask).resize((side, side), Picture.BICUBIC)))
    found = separated(read_labels(file))
    assert found.binary and found.labels.max() == truth.max()
    assert "close to 0 or to 255" in found.notes[0] and "black-and-white mask" in found.notes[1]
    if isinstance(how, int):
        assert np.mean((found.labels > 0) != (truth > 0)) < 0.02


def test_classes_are_named(tmp_path: Path) -> None:
    truth = discs(8, 26)
    one_white = np.where(truth == 1, 255, np.where(truth > 0, 128, 0))
    border = np.where(discs(8, 26) > 0, 128, 0)
    border[discs(6, 26) > 0] = 255
    kinds = np.where(truth > 0, 1 + truth % 5, 0)
    for number, pixels in enumerate((one_white, border, kinds)):
        with pytest.raises(NucleiError, match=r"these look like classes, not nuclei") as caught:
            read_labels(saved(tmp_path / f"{number}.png", pixels))
        assert "a number of its own" in caught.value.hint


def test_pictures_and_outlines_saved_as_jpeg_are_refused(tmp_path: Path) -> None:
    truth = discs(8, 26)
    rng = np.random.default_rng(0)
    for light, dark in ((230, 100), (20, 160)):
        grey = np.where(truth > 0, dark, light) + rng.normal(0, 8, truth.shape)
        with pytest.raises(NucleiError, match=r"pieces, most of them smaller than 8 pixels") as caught:
            read_labels(saved(tmp_path / "p.png", grey.clip(0, 255)))
        assert "PNG or TIFF" in caught.value.hint
    with pytest.raises(NucleiError, match=r"pieces, most of them smaller"):
        read_labels(saved(tmp_path / "ids.jpg", truth))


def test_ids_stay_ids(tmp_path: Path) -> None:
    """With slips of the brush, used twice, of one pixel, or few of them in a few pieces."""
    rng = np.random.default_rng(0)
    truth = discs(8, 20)
    slips = truth.copy()
    for value in range(1, truth.max() + 1):
        slips[tuple(rng.integers(0, 240, (2, 3)))] = value
    specks = np.arange(240 * 240).reshape(240, 240) * (np.indices((240, 240)) % 9 == 4).all(0)
    nearly_white = np.where(truth > 0, 200 + truth % 56, 0)
    pair = np.where(np.isin(truth, (1, 3, 5, 40)), np.where(truth < 5, 1, 2), 0)
    for number, labels in enumerate((truth, slips, specks, np.where(truth > 0, truth % 9 + 1, 0), nearly_white, pair)):
        tifffile.imwrite(tmp_path / f"{number}.tif", labels.astype(np.uint16))
        found = read_labels(tmp_path / f"{number}.tif")
        assert not found.binary and not found.notes
        np.testing.assert_array_equal(found.labels, labels)
