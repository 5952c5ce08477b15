"""What is left out of an image is left out for every method, and said."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_nucleidomain.contracts import SegmenterSpec
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.intensity import IntensityRange
from napari_nucleidomain.data.understanding import Understanding
from napari_nucleidomain.inference.classical import ClassicalSegmenter
from napari_nucleidomain.inference.doubts import doubts
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.seen import intensity_of, seen
from napari_nucleidomain.inference.segment import Hooks, segment

SHAPE = (220, 260)


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Fluorescence (Y, X) uint16 and the true mask."""
    rng = np.random.default_rng(0)
    y, x = np.indices(SHAPE)
    mask = np.zeros(SHAPE, bool)
    for cy in range(20, SHAPE[0] - 10, 30):
        for cx in range(20, SHAPE[1] - 10, 30):
            mask |= (y - cy) ** 2 + (x - cx) ** 2 <= 9**2
    made = 500 + 900 * gaussian_filter(mask.astype(float), 1) + rng.normal(0, 30, SHAPE)
    return made.astype(np.uint16), mask


def found(pixels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    told: list[str] = []
    image = open_image(pixels, Understanding(axes="YX"), name="made")
    hooks = Hooks(warn=lambda message, hint: told.append(message))
    return np.asarray(segment(image, ClassicalSegmenter(2), Scale(1.0, "as it is"), hooks=hooks).labels), told


def test_debris_hides_no_nucleus_and_is_said() -> None:
    plain, _ = scene()
    dirty = plain.copy()
    dirty[:, 124:128] = np.random.default_rng(1).integers(35000, 45000, (SHAPE[0], 4))
    before, quiet = found(plain)
    after, told = found(dirty)
    assert quiet == []
    assert len(told) == 1
    assert told[0].startswith("made: spots far brighter than the rest were left out (")
    away = np.setdiff1d(before, before[:, 115:137])
    same = [np.bincount(after[before == k]).argmax() > 0 for k in away if k]
    assert np.mean(same) == 1
    assert not after[:, 123:129].any()


def test_infinite_numbers_count_as_nothing() -> None:
    pixels = scene()[0].astype(np.float32)
    before = found(pixels)[0].max()
    pixels[0:10, 0:10] = np.inf
    labels, _ = found(pixels)
    assert labels.max() == before
    assert not labels[:9, :9].any()


def test_the_range_of_a_clean_image_is_what_it_was_and_of_a_dirty_one_that_of_its_signal() -> None:
    plain, _ = scene()
    dirty = plain.copy()
    dirty[100:112, 100:118] = 60000
    image, other = (open_image(one, Understanding(axes="YX"), name="made") for one in (plain, dirty))
    assert intensity_of(image) == IntensityRange.fit(image.overview(exact=True), image.dtype, rgb=False)
    assert intensity_of(other).high[0] == pytest.approx(intensity_of(image).high[0], rel=0.05)


def test_pixels_of_clean_images_are_handed_on_untouched() -> None:
    image = open_image(scene()[0], Understanding(axes="YX"), name="made")
    block = image.read(((10, 50), (20, 60)))
    assert seen(image).clean(block, ((10, 50), (20, 60))) is block
    assert seen(image) is seen(image)


def test_tiles_agree_on_what_is_left_out() -> None:
    dirty = scene()[0]
    dirty[:, 124:128] = 40000
    dirty[5::37, 3::41] = 50000
    view = seen(open_image(dirty, Understanding(axes="YX"), name="made"))
    whole = view.read(((0, 220), (0, 260)))
    np.testing.assert_array_equal(view.read(((30, 120), (100, 200)))[4:-4, 4:-4], whole[34:116, 104:196])
    assert whole.max() < 5000


def test_one_object_that_is_all_is_doubted() -> None:
    spec = SegmenterSpec(ndim=2, channels=0, tile=(64, 64), halo=(8, 8), diameter_px=10.0)
    labels = np.zeros((100, 100), np.uint32)
    labels[:60, :80] = 1
    labels[80:90, 80:90] = 2
    assert "One object makes up 98%" in doubts(labels, None, spec)[0][0]
    labels[:60, :80] = 0
    assert doubts(labels, None, spec) == []
