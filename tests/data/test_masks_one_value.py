"""Masks of any one value, exchanged black and white, numbers that ran over 8 bits, tiny nuclei in fragments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Picture

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.labels_io import read_labels, separated

Y, X = np.mgrid[:120, :160]
TRUTH = np.zeros((120, 160), np.uint32)
for _number, (_y, _x) in enumerate([(y, x) for y in (20, 60, 100) for x in (20, 60, 100, 140)], start=1):
    TRUTH[(Y - _y) ** 2 + (X - _x) ** 2 <= 81] = _number
MASK = TRUTH > 0
RED, GREEN, CLEAR = np.zeros((*MASK.shape, 3), np.uint8), np.full((*MASK.shape, 3), 255, np.uint8), None
RED[MASK], GREEN[MASK] = (255, 0, 0), (0, 128, 0)
CLEAR = np.full((*MASK.shape, 4), 255, np.uint8)
CLEAR[..., 3] = np.where(MASK, 255, 0)


def of(value: float, kind: Any, ground: float = 0) -> np.ndarray:
    return np.where(MASK, value, ground).astype(kind)


MASKS = {
    "0, 1": of(1, np.uint8), "0, 255": of(255, np.uint8), "0, 128": of(128, np.uint8), "0, 65535": of(65535, np.uint16),
    "0, 7": of(7, np.uint16), "0, -1": of(-1, np.int8), "0, -1 of 16 bits": of(-1, np.int16),
    "0, 1.0": of(1, np.float32), "0, 255.0": of(255, np.float32), "0, 0.5": of(0.5, np.float32),
    "0, all bits": of(2**32 - 1, np.uint32),
    "1, 2": of(2, np.uint8, 1), "2, 1": of(1, np.uint8, 2), "100, 200": of(200, np.uint8, 100), "bool": MASK,
    "exchanged": of(0, np.uint8, 255), "exchanged, 1": of(0, np.uint8, 1), "exchanged, bool": ~MASK,
    "red on black": RED, "green on white": GREEN, "only transparency": CLEAR,
}  # fmt: skip


@pytest.mark.parametrize("name", list(MASKS))
def test_one_value_is_a_mask(tmp_path: Path, name: str) -> None:
    pixels = MASKS[name]
    if pixels.ndim == 3:
        Picture.fromarray(pixels).save(tmp_path / "a.png")
        path = tmp_path / "a.png"
    elif pixels.dtype == bool:
        np.save(tmp_path / "a.npy", pixels)
        path = tmp_path / "a.npy"
    else:
        tifffile.imwrite(tmp_path / "a.tif", pixels)
        path = tmp_path / "a.tif"
    found = separated(read_labels(path))
    assert found.binary and found.labels.max() == 12
    np.testing.assert_array_equal(found.labels > 0, MASK)
    assert "each of its 12 connected pieces counts as one nucleus, nuclei that touch as one" in found.notes[-1]
    if "exchanged" in name:
        assert "black and white are exchanged" in found.notes[-2]
    if name in ("1, 2", "2, 1", "100, 200"):
        assert f"{pixels[0, 0]}, which goes round the edge, counts as background" in found.notes[-2]


def test_few_numbers_stay_numbers(tmp_path: Path) -> None:
    """One nucleus of any number, two that fill the picture, several of which one encloses others, all of 255."""
    halves = np.where(X < 80, 1, 2)
    cases = (np.where(TRUTH == 7, 7, 0), halves, np.where(TRUTH > 0, TRUTH, 0), np.where(TRUTH == 3, 300, TRUTH))
    for number, labels in enumerate(cases):
        tifffile.imwrite(tmp_path / f"{number}.tif", labels.astype(np.uint16))
        found = read_labels(tmp_path / f"{number}.tif")
        assert not found.binary and not found.notes
        np.testing.assert_array_equal(found.labels, labels)
    for pixels in (np.where(MASK, -TRUTH.astype(np.int16), 0), TRUTH * 0.5):
        tifffile.imwrite(tmp_path / "n.tif", pixels)
        with pytest.raises(NucleiError, match=r"no label image"):
            read_labels(tmp_path / "n.tif")


def test_tiny_nuclei_in_fragments_are_labels(tmp_path: Path) -> None:
    labels = np.zeros((100, 120), np.uint16)
    for number, (y, x) in enumerate([(y, x) for y in range(5, 95, 10) for x in range(5, 115, 10)], start=1):
        labels[y : y + 2, x] = labels[y : y + 2, x + 3] = number
    tifffile.imwrite(tmp_path / "a.tif", labels)
    found = read_labels(tmp_path / "a.tif")
    assert not found.binary and not found.notes
    np.testing.assert_array_equal(found.labels, labels)


@pytest.mark.parametrize(("number", "how"), [(400, "wrapped"), (400, "cut off"), (258, "wrapped"), (255, "whole")])
def test_more_nuclei_than_8_bits_can_number(tmp_path: Path, number: int, how: str) -> None:
    labels = np.zeros((420, 420), np.uint32)
    for k in range(number):
        y, x = 20 * (k // 20) + 4, 20 * (k % 20) + 4
        labels[y : y + 12, x : x + 12] = k + 1
    stored = np.minimum(labels, 255) if how == "cut off" else labels % 256
    tifffile.imwrite(tmp_path / "a.tif", stored.astype(np.uint8))
    found = read_labels(tmp_path / "a.tif")
    assert not found.binary
    if how == "whole":
        assert not found.notes
    else:
        assert "255 numbers of 8 bits stand in" in found.notes[0] and "Save them with 16 bits" in found.notes[0]
