"""Otsu and watershed: what it finds, and what it must not find."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.classical import (
    ClassicalParameters,
    estimate_diameter,
    fit_classical,
    foreground,
    segment_classical,
)
from napari_nucleidomain.instances.grid import Grid
from napari_nucleidomain.instances.scores import score_labels
from napari_nucleidomain.instances.stitching import TileInstances, stitch_array


def scene(rng, shape=(160, 200), radius=9, touching=True):
    """Discs (balls) on a jittered lattice, every other one touching its neighbour, and their labels."""
    truth = np.zeros(shape, int)
    grid = np.indices(shape)
    pitch = 3 * radius
    centres = np.stack(np.meshgrid(*[np.arange(pitch, side - pitch, pitch) for side in shape], indexing="ij"), -1)
    centres = centres.reshape(-1, len(shape)) + rng.integers(-2, 3, (centres.size // len(shape), len(shape)))
    for k, centre in enumerate(centres):
        if touching and k % 2:
            centre[-1] -= radius
        near = sum((axis - c) ** 2 for axis, c in zip(grid, centre, strict=True)) <= radius**2
        truth[near & (truth == 0)] = k + 1
    return truth


def stained(truth, rng, stain=(0.65, 0.70, 0.29)):
    """A section: haematoxylin in the nuclei, a little eosin everywhere, noise."""
    amount = gaussian_filter((truth > 0).astype(float), 1)[..., None] * 0.7
    density = amount * np.array(stain) + 0.15 * np.array([0.07, 0.99, 0.11])
    return np.clip(255 * 10**-density + rng.normal(0, 4, density.shape), 0, 255).astype(np.uint8)


def glowing(truth, rng, dtype=np.uint16, scale=40):
    light = 20 + 100 * gaussian_filter((truth > 0).astype(float), 1)
    return np.clip(light * scale + rng.normal(0, 3 * scale, truth.shape), 0, None).astype(dtype)


@pytest.mark.parametrize("kind", ["stained", "glowing", "dark", "8 bit", "float", "glowing in colour"])
def test_touching_nuclei_are_found_in_every_kind_of_image(kind):
    rng = np.random.default_rng(0)
    truth = scene(rng)
    image = {
        "stained": lambda: stained(truth, rng),
        "glowing": lambda: glowing(truth, rng),
        "dark": lambda: 6000 - glowing(truth, rng, np.int32),
        "8 bit": lambda: glowing(truth, rng, np.uint8, 1),
        "float": lambda: glowing(truth, rng, np.float32, 1e-4),
        "glowing in colour": lambda: np.stack([glowing(truth, rng, np.uint8, 1)] * 3, axis=-1) // np.uint8(2),
    }[kind]()
    rgb = image.ndim == 3
    parameters = fit_classical(image, rgb)
    assert parameters.mode == ("haematoxylin" if kind == "stained" else "intensity")
    assert parameters.dark == (kind == "dark")
    assert 12 < parameters.diameter < 25
    labels, scores, uncertainty = segment_classical(image, parameters)
    result = score_labels(labels, truth)
    assert result.at[0.5].f1 > 0.95
    assert result.aji > 0.75
    assert len(scores) == len(uncertainty) == labels.max()
    assert ((scores > 0.5) & (scores <= 1)).all()
    assert ((uncertainty >= 0) & (uncertainty < 0.5)).all()
    above = foreground(image, parameters)
    # Outlines move to the half maximum in fluorescence, but no nucleus is where nothing is above the threshold.
    assert (parameters.edge is None) == (kind == "stained")
    assert set(np.unique(labels)) - {0} <= set(np.unique(labels[above]))
    assert kind != "stained" or not (labels[~above] > 0).any()


def test_dim_nuclei_end_at_their_own_half_maximum():
    rng = np.random.default_rng(0)
    truth = scene(rng, touching=False)
    light = gaussian_filter(np.where(truth % 2, 100.0, 45.0) * (truth > 0), 2) + 20 + rng.normal(0, 2, truth.shape)
    parameters = fit_classical(light, False)
    found = score_labels(segment_classical(light, parameters)[0], truth, hausdorff=False)
    at_threshold = score_labels(segment_classical(light, replace(parameters, edge=None))[0], truth, hausdorff=False)
    assert found.aji > 0.9 > 0.85 > at_threshold.aji


def test_tiles_of_fluorescence_give_what_the_whole_gives():
    rng = np.random.default_rng(0)
    image = glowing(scene(rng, (300, 300)), rng)
    parameters = fit_classical(image, False)
    whole, _, _ = segment_classical(image, parameters)
    grid = Grid(image.shape, (120, 120), parameters.halo)
    tiles = [TileInstances(*segment_classical(image[tile.window], parameters)) for tile in grid]
    assert score_labels(stitch_array(grid, tiles).labels, whole).aji > 0.98


def test_volumes_with_flat_voxels():
    rng = np.random.default_rng(0)
    truth = scene(rng, (60, 60, 60), 7)[::3]
    image = glowing(truth, rng)
    parameters = fit_classical(image[..., None], False, spacing=(3.0, 1.0, 1.0))
    labels, _, _ = segment_classical(image[..., None], parameters)
    assert score_labels(labels, truth, hausdorff=False).at[0.5].f1 > 0.9
    assert parameters.halo[0] < parameters.halo[1]


@pytest.mark.parametrize(
    "image",
    [
        np.full((60, 70), 7, np.uint8),
        np.random.default_rng(0).normal(100, 5, (200, 200)),
        np.random.default_rng(0).poisson(20, (200, 200)).astype(np.uint16),
        np.linspace(0, 50, 200) + np.random.default_rng(0).normal(100, 5, (200, 200)),
        np.full((50, 50), np.nan),
        np.zeros((1, 1), np.uint8),
        np.zeros((0, 5), np.uint8),
        np.full((80, 80, 3), 255, np.uint8),
        np.zeros((80, 80, 3), np.uint8),
        np.clip(np.random.default_rng(0).normal(243, 1.5, (200, 200, 3)), 0, 255).astype(np.uint8),
    ],
    ids=["even", "noise", "photons", "uneven light", "NaN", "a pixel", "none", "white", "black", "glass"],
)
def test_nothing_is_found_where_nothing_is(image):
    parameters = fit_classical(image, image.ndim == 3)
    assert parameters.blank
    labels, scores, uncertainty = segment_classical(image, parameters)
    assert labels.shape == image.shape[:2]
    assert not labels.any()
    assert len(scores) == len(uncertainty) == 0


def test_an_empty_tile_of_a_good_image_stays_empty():
    rng = np.random.default_rng(0)
    truth = scene(rng)
    image = stained(np.pad(truth, [(0, 0), (0, 200)]), rng)
    parameters = fit_classical(image, True)
    assert segment_classical(image[:, 210:], parameters)[0].max() == 0
    assert segment_classical(image[:, :200], parameters)[0].max() > 20


def test_missing_pixels_are_background():
    rng = np.random.default_rng(0)
    image = glowing(scene(rng), rng, np.float32)
    image[:40] = np.nan
    image[50, 50] = np.inf
    labels, scores, _ = segment_classical(image, fit_classical(image, False))
    assert not labels[:38].any()
    assert labels.max() > 10
    assert np.isfinite(scores).all()


def test_tiles_with_constants_of_the_whole_give_what_the_whole_gives():
    rng = np.random.default_rng(0)
    image = stained(scene(rng, (300, 300)), rng)
    parameters = fit_classical(image, True)
    whole, _, _ = segment_classical(image, parameters)
    grid = Grid(image.shape[:2], (120, 120), parameters.halo)
    tiles = [TileInstances(*segment_classical(image[tile.window], parameters)) for tile in grid]
    assert score_labels(stitch_array(grid, tiles).labels, whole).aji > 0.98


def test_given_sizes_are_used():
    rng = np.random.default_rng(0)
    image = glowing(scene(rng), rng)
    assert fit_classical(image, False, diameter=30).diameter == 30
    assert fit_classical(image, False, least_pixels=77).least_pixels == 77
    two = np.stack([np.zeros_like(image), image], axis=-1)
    assert segment_classical(two, fit_classical(two, False, channel=1))[0].max() > 20
    assert fit_classical(two, False, channel=0).blank
    with pytest.raises(NucleiError, match="channel"):
        fit_classical(two, False, channel=5)
    with pytest.raises(NucleiError, match="pixel size"):
        fit_classical(two, False, spacing=(1.0, 0.0))


def test_a_slide_is_fitted_to_samples_at_full_resolution():
    rng = np.random.default_rng(0)
    image = stained(scene(rng), rng)
    thumbnail = np.full((16, 20, 3), 200, np.uint8)
    fitted = fit_classical(thumbnail, True, scale=0.1, samples=[image[:, :100], image[:, 100:]])
    assert fitted.diameter == pytest.approx(fit_classical(image, True).diameter, rel=0.3)
    half = image.reshape(80, 2, 100, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
    assert fit_classical(half, True, scale=0.5).diameter == pytest.approx(18, rel=0.35)


def test_parameters_go_through_json():
    rng = np.random.default_rng(0)
    fitted = fit_classical(glowing(scene(rng), rng), False)
    again = json.loads(json.dumps(fitted.as_dict()))
    assert ClassicalParameters(**(again | {"spacing": tuple(again["spacing"])})) == fitted


@pytest.mark.parametrize("radius", [4, 7, 12, 20])
def test_the_diameter_is_estimated_without_labels(radius):
    rng = np.random.default_rng(radius)
    truth = scene(rng, (40 * radius // 2, 40 * radius // 2), radius, touching=False)
    assert estimate_diameter(glowing(truth, rng).astype(float)) == pytest.approx(2 * radius, rel=0.25)
    assert estimate_diameter(np.zeros((50, 50))) is None
    assert estimate_diameter(np.zeros((2, 50))) is None
