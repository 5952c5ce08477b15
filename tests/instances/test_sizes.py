"""Sizes of nuclei from images alone: drawn ones of known size, in noise, in volumes, and images without any."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.scalespace import laplacian, noise_answer
from napari_nucleidomain.instances.sizes import estimate_sizes
from napari_nucleidomain.instances.synthesis import MaskSettings, SyntheticMask, draw_mask


def drawn(settings: MaskSettings, seed: int = 0) -> SyntheticMask:
    return draw_mask(settings, np.random.default_rng(seed))


def glowing(mask: SyntheticMask, noise: float = 0.1, seed: int = 0) -> np.ndarray:
    """Nuclei of different brightness, a little blurred, with noise."""
    rng = np.random.default_rng(seed)
    light = np.append(0, rng.uniform(0.5, 1, len(mask.nuclei)))[mask.labels]
    return gaussian_filter(light, 0.7) + rng.normal(0, noise, light.shape)


def true_diameter(mask: SyntheticMask) -> float:
    return float(np.median(2 * np.prod(mask.nuclei.axes, axis=1) ** (1 / mask.labels.ndim)))


@pytest.mark.parametrize("a", [(4, 5), (10, 13), (22, 28)])
def test_planes_of_small_and_large_nuclei(a: tuple[float, float]) -> None:
    masks = [drawn(MaskSettings((256, 256), (8, 14), a), seed) for seed in range(2)]
    sizes = estimate_sizes([1000 * glowing(mask) for mask in masks])
    assert sizes is not None
    true = np.median([true_diameter(mask) for mask in masks])
    assert sizes.diameter == pytest.approx(true, rel=0.15)
    assert sizes.low <= sizes.diameter <= sizes.high
    assert sizes.stretch == 1
    assert sizes.images == 2
    assert sizes.blobs >= 10


def test_sizes_come_in_the_unit_of_the_pixel_size() -> None:
    image = glowing(drawn(MaskSettings((200, 200), (15, 15), (8, 10))))
    pixels, micrometres = estimate_sizes([image]), estimate_sizes([image], [(0.3, 0.3)])
    assert pixels is not None
    assert micrometres is not None
    assert micrometres.diameter == pytest.approx(0.3 * pixels.diameter)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.5, 1.0, 1.0)], ids=["cubes", "flat voxels"])
def test_volumes(spacing: tuple[float, ...]) -> None:
    shape = (int(50 / spacing[0]), 60, 60)
    mask = drawn(MaskSettings(shape, (8, 10), (7, 9), spacing=spacing))
    sizes = estimate_sizes([glowing(mask)], [spacing])
    assert sizes is not None
    assert sizes.diameter == pytest.approx(true_diameter(mask), rel=0.15)
    assert 0.7 < sizes.stretch < 1.4


@pytest.mark.parametrize("wrong", [0.5, 2.0])
def test_a_wrong_voxel_size_shows_as_stretch_and_volumes_stay_right(wrong: float) -> None:
    spacing = (2.0, 1.0, 1.0)
    mask = drawn(MaskSettings((36, 80, 80), (10, 12), (8, 10), (0.0, 0.3), spacing=spacing))
    sizes = estimate_sizes([glowing(mask, 0.05)], [(2.0 * wrong, 1.0, 1.0)])
    assert sizes is not None
    assert sizes.stretch == pytest.approx(wrong, rel=0.3)
    assert sizes.diameter == pytest.approx(true_diameter(mask) * wrong ** (1 / 3), rel=0.2)


@pytest.mark.parametrize("shape", [(200, 220), (40, 60, 60)])
def test_images_without_nuclei_give_no_size(shape: tuple[int, ...]) -> None:
    noise = np.random.default_rng(0).normal(100, 10, shape)
    for nothing in (noise, np.zeros(shape), np.full(shape, 7, np.uint16), np.full(shape, np.nan), np.zeros((2,) * 2)):
        assert estimate_sizes([nothing]) is None
    assert estimate_sizes([]) is None


def test_an_empty_image_does_not_change_what_others_say() -> None:
    image = glowing(drawn(MaskSettings((200, 200), (15, 15), (8, 10))))
    both = estimate_sizes([image, np.random.default_rng(0).normal(0, 1, (200, 200))])
    alone = estimate_sizes([image])
    assert alone is not None
    assert both == alone


@pytest.mark.parametrize("sigma", [(2.0, 2.0), (3.0, 6.0), (1.5, 3.0, 3.0)])
def test_noise_answers_as_predicted(sigma: tuple[float, ...]) -> None:
    step = 1 / np.array(sigma)  # a scale of 1 in this unit is `sigma` pixels
    shape = (400, 400) if len(sigma) == 2 else (60, 90, 90)
    noise = np.random.default_rng(0).normal(0, 0.2, shape)
    answers = laplacian(noise, np.array(sigma))
    most = float(noise_answer(noise, np.ones(1), step)[0])
    assert 0.6 * most < answers.max() < most
    # The most is a number of standard deviations, and a mirrored border's root of two.
    count = np.sqrt(2 * np.log(noise.size / np.prod(sigma)))
    assert answers.std() == pytest.approx(most / count / np.sqrt(2), rel=0.06)


@pytest.mark.parametrize(
    ("images", "spacings", "words"),
    [
        ([np.ones((9, 9)), np.ones((9, 9, 9))], None, "Planes and volumes"),
        ([np.ones((9, 9))], [(1.0, 1.0), (1.0, 1.0)], "1 images and 2 pixel sizes"),
        ([np.ones((9, 9))], [(1.0, 1.0, 1.0)], "does not fit"),
        ([np.ones((9, 9))], [(1.0, -1.0)], "does not fit"),
        ([np.ones(9)], None, "1 axes"),
    ],
)
def test_what_does_not_fit_is_said(images: list[np.ndarray], spacings: list[tuple[float, ...]], words: str) -> None:
    with pytest.raises(NucleiError, match=words):
        estimate_sizes(images, spacings)
