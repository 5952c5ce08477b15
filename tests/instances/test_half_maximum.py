"""Outlines at half maximum, on blurred discs and balls whose true outlines are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_erosion, gaussian_filter
from skimage.filters import threshold_otsu

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.half_maximum import EdgeSettings, noise_of, outlines_at_half_maximum

CENTRES = [(25, 25), (25, 75), (75, 25), (75, 75)]
BRIGHT = [1.0, 0.6, 0.3, 0.15]
RADIUS = 11.0


def discs(blur: float = 2.0, noise: float = 0.0, ground: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """True labels, and an image in which every disc has its own brightness."""
    y, x = np.mgrid[:100, :100]
    labels = np.zeros((100, 100), np.int32)
    image = np.full((100, 100), ground)
    for k, ((cy, cx), bright) in enumerate(zip(CENTRES, BRIGHT, strict=True), 1):
        inside = (y - cy) ** 2 + (x - cx) ** 2 <= RADIUS**2
        labels[inside], image[inside] = k, ground + bright
    return labels, gaussian_filter(image, blur) + np.random.default_rng(0).normal(0, noise, image.shape)


def overlaps(one: np.ndarray, other: np.ndarray) -> list[float]:
    return [((one == k) & (other == k)).sum() / ((one == k) | (other == k)).sum() for k in range(1, other.max() + 1)]


@pytest.mark.parametrize("change", [-3, -1, 2])
def test_outlines_too_narrow_or_too_wide_are_set_right_whatever_the_brightness(change: int) -> None:
    labels, image = discs()
    y, x = np.mgrid[:100, :100]
    painted = np.zeros_like(labels)
    for k, (cy, cx) in enumerate(CENTRES, 1):
        painted[(y - cy) ** 2 + (x - cx) ** 2 <= (RADIUS + change) ** 2] = k
    found = outlines_at_half_maximum(painted, image, EdgeSettings(2 * RADIUS))
    assert min(overlaps(found, labels)) > 0.93 > min(overlaps(painted, labels))
    # One threshold for the whole image loses the dim ones.
    assert min(overlaps(labels * (image > threshold_otsu(image)), labels)) == 0


@pytest.mark.parametrize(("noise", "least"), [(0.0, 0.95), (0.1, 0.93), (0.3, 0.86), (0.5, 0.78)])
def test_noise_makes_right_outlines_hardly_worse(noise: float, least: float) -> None:
    y, x = np.mgrid[:100, :100]
    labels = np.zeros((100, 100), np.int32)
    for k, (cy, cx) in enumerate(CENTRES, 1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= RADIUS**2] = k
    image = gaussian_filter((labels > 0).astype(float), 1.5)
    noisy = image + np.random.default_rng(0).normal(0, noise, image.shape)
    found = outlines_at_half_maximum(labels, noisy, EdgeSettings(2 * RADIUS, contrast=0.5))
    left = outlines_at_half_maximum(labels, noisy, EdgeSettings(2 * RADIUS))
    assert np.mean(overlaps(found, labels)) > least
    assert np.mean(overlaps(found, labels)) >= np.mean(overlaps(left, labels))


@pytest.mark.parametrize("sd", [0.01, 0.1, 1.0])
def test_noise_is_measured_beside_nuclei(sd: float) -> None:
    _, image = discs()
    noise = np.random.default_rng(1).normal(0, sd, (4, *image.shape))
    assert noise_of(image + noise[0]) == pytest.approx(sd, rel=0.06)
    assert noise_of(image + noise) == pytest.approx(sd, rel=0.06)
    assert noise_of(np.zeros((2, 5))) == 0


def test_what_is_smoothed_in_any_case_is_so_without_noise() -> None:
    labels, image = discs()
    plain, smooth, same = (
        outlines_at_half_maximum(labels, image, EdgeSettings(22.0, contrast=0.5, smooth=share)) for share in (0, 0.2, 0)
    )
    np.testing.assert_array_equal(plain, same)
    before = outlines_at_half_maximum(labels, gaussian_filter(image.astype(np.float32), 4.4), EdgeSettings(22.0))
    np.testing.assert_array_equal(smooth, before)
    assert (smooth != plain).any()


def test_the_share_is_where_the_edge_lies() -> None:
    """The profile of a straight edge is known: between 0 and 1 a Gaussian's integral."""
    from scipy.stats import norm

    image = np.tile(norm.cdf((np.arange(80) - 40) / 4.0), (40, 1))
    painted = np.zeros((40, 80), np.int32)
    painted[:, 42:70] = 1
    for share in (0.2, 0.5, 0.8):
        found = outlines_at_half_maximum(painted, image, EdgeSettings(30.0, share, reach=0.5))
        first = int(np.flatnonzero(found[20])[0])
        light, dark = np.median(image[:, 42:70]), np.median(image[:, :27])
        assert abs(first - (40 + 4 * norm.ppf(dark + share * (light - dark)))) <= 1


def test_volumes_of_flat_voxels() -> None:
    z, y, x = np.mgrid[:20, :60, :60]
    labels = ((((z - 10) * 2.5) ** 2 + (y - 30) ** 2 + (x - 30) ** 2) <= 14**2).astype(np.int32)
    image = gaussian_filter(labels.astype(float), (0.8, 2, 2))
    rng = np.random.default_rng(0)
    noisy = image + rng.normal(0, 0.4, image.shape)
    painted = (((((z - 10) * 2.5) ** 2 + (y - 30) ** 2 + (x - 30) ** 2) <= 10**2) * 5).astype(np.uint16)
    settings = EdgeSettings(28.0, spacing=(2.5, 1.0, 1.0), contrast=0.5)
    found = outlines_at_half_maximum(painted, noisy, settings)
    assert found.dtype == np.uint16 and set(np.unique(found)) == {0, 5}
    assert overlaps((found > 0).astype(int), labels)[0] > 0.88 > overlaps((painted > 0).astype(int), labels)[0]


def test_neighbours_do_not_take_each_other_and_ids_stay() -> None:
    y, x = np.mgrid[:60, :100]
    image = np.zeros((60, 100))
    labels = np.zeros((60, 100), np.int32)
    for k, cx, bright in ((7, 38, 1.0), (3, 62, 0.4)):
        inside = (y - 30) ** 2 + (x - cx) ** 2 <= 12**2
        image[inside], labels[inside] = bright, k
    image = gaussian_filter(image, 1.5)
    painted = np.where(binary_erosion(labels > 0, iterations=3), labels, 0)
    found = outlines_at_half_maximum(painted, image, EdgeSettings(24.0))
    assert set(np.unique(found)) == {0, 3, 7}
    assert all(((found == k) & (labels == k)).sum() / ((found == k) | (labels == k)).sum() > 0.85 for k in (3, 7))


def test_each_nucleus_is_one_part_without_holes() -> None:
    from skimage.measure import euler_number, label

    labels, image = discs(blur=1.0, noise=0.12)
    image[25, 25] = 0.0
    inner = np.where((np.arange(100)[:, None] - 25) ** 2 + (np.arange(100) - 25) ** 2 <= 9, 9, labels)
    assert set(np.unique(outlines_at_half_maximum(inner, image, EdgeSettings(2 * RADIUS)))) == {0, 1, 2, 3, 4, 9}
    found = outlines_at_half_maximum(labels, image, EdgeSettings(2 * RADIUS))
    for k in range(1, 5):
        assert label(found == k, connectivity=1).max() == 1
        assert euler_number(found == k, connectivity=1) == 1


def test_what_cannot_be_told_stays_as_it_was() -> None:
    labels, image = discs()
    for flat in (np.zeros_like(image), -image, np.full_like(image, np.nan)):
        np.testing.assert_array_equal(outlines_at_half_maximum(labels, flat, EdgeSettings(22.0)), labels)
    everywhere = np.ones_like(labels)
    np.testing.assert_array_equal(outlines_at_half_maximum(everywhere, image, EdgeSettings(22.0)), everywhere)
    nothing = np.zeros_like(labels)
    np.testing.assert_array_equal(outlines_at_half_maximum(nothing, image, EdgeSettings(22.0)), nothing)


def test_what_does_not_stand_out_is_left_out() -> None:
    labels, image = discs()
    settings = EdgeSettings(22.0, faintest=0.25)
    found = outlines_at_half_maximum(labels, image, settings)
    assert set(np.unique(found)) == {0, 1, 2, 3}, "the fourth is 0.15 brighter than its surroundings"
    assert found.dtype == labels.dtype
    assert set(np.unique(outlines_at_half_maximum(labels, np.zeros_like(image), settings))) == {0}
    everywhere = np.ones_like(labels)
    np.testing.assert_array_equal(outlines_at_half_maximum(everywhere, image, settings), everywhere)


def test_wrong_input_is_refused() -> None:
    labels, image = discs()
    with pytest.raises(NucleiError, match="do not lie on"):
        outlines_at_half_maximum(labels, image[:50], EdgeSettings(22.0))
    with pytest.raises(NucleiError, match="does not fit 2 axes"):
        outlines_at_half_maximum(labels, image, EdgeSettings(22.0, spacing=(1.0, 1.0, 1.0)))
    with pytest.raises(NucleiError, match="cannot be 0 pixels"):
        EdgeSettings(0.0)
    with pytest.raises(NucleiError, match="cannot lie at"):
        EdgeSettings(10.0, share=1.0)
