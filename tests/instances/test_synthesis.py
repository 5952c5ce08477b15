"""Synthetic masks: what they hold, against brute force, moments of the pixels and even distributions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.synthesis import (
    TABLE_9,
    MaskSettings,
    SyntheticMask,
    draw_mask,
    labels_on,
    semi_major_of,
    shortfall,
)
from napari_nucleidomain.instances.synthesis.ellipsoids import random_ellipsoids

SCENES = {
    "2D": MaskSettings((90, 120), (20, 60), (4, 12)),
    "2D, flat pixels": MaskSettings((50, 120), (10, 40), (4, 12), spacing=(0.6, 0.25)),
    "3D": MaskSettings((40, 50, 60), (15, 40), (4, 10)),
    "3D, flat voxels": MaskSettings((16, 50, 60), (15, 40), (4, 10), spacing=(3.0, 1.0, 1.0)),
}
scenes = pytest.mark.parametrize("name", SCENES)


def covered(mask: SyntheticMask) -> np.ndarray:
    """(N, *shape) bool: every nucleus written down anew, pixel by pixel, from its axes."""
    step = mask.settings.step
    grid = np.stack([axis * s for axis, s in zip(np.indices(mask.labels.shape), step, strict=True)], -1)
    result = []
    for centre, axes, rotation in zip(mask.nuclei.centre, mask.nuclei.axes, mask.nuclei.rotation, strict=True):
        along = (grid - centre) @ rotation
        result.append(((along / axes) ** 2).sum(-1) <= 1)
    return np.array(result)


@scenes
def test_nuclei_never_overlap_and_lie_where_their_axes_say(name: str) -> None:
    for seed in range(5):
        mask = draw_mask(SCENES[name], np.random.default_rng(seed))
        bodies = covered(mask)
        assert len(bodies) > 5
        assert bodies.sum(0).max() == 1
        assert (np.where(bodies.any(0), bodies.argmax(0) + 1, 0) == mask.labels).all()
        assert bodies.any(tuple(range(1, bodies.ndim))).all()
        assert ((mask.semantic() == 255) == (mask.labels > 0)).all()
        assert set(np.unique(mask.semantic())) <= {0, 255}


@scenes
def test_the_grey_rim_is_the_outer_half_of_the_depth(name: str) -> None:
    mask = draw_mask(replace(SCENES[name], count=(3, 6)), np.random.default_rng(1))
    image = mask.instance()
    assert ((image > 0) == (mask.labels > 0)).all()
    step = mask.settings.step
    whole = 0
    for k, body in enumerate(covered(mask), 1):
        if any(np.take(body, side, axis).any() for axis in range(body.ndim) for side in (0, -1)):
            continue
        # Brute force: the distance of each pixel of the nucleus to every pixel outside it.
        inside, outside = np.argwhere(body) * step, np.argwhere(~body) * step
        near = outside[(np.abs(outside - inside.mean(0)) < 16).all(1)]
        depth = np.array([np.sqrt(((near - place) ** 2).sum(1).min()) for place in inside])
        rim = depth < 0.5 * depth.max() - 1e-9
        assert (image[body] == np.where(rim, 127, 255)).all(), k
        whole += 1
    assert whole


def test_a_cut_nucleus_has_no_rim_along_the_border() -> None:
    settings = MaskSettings((60, 60), (1, 1), (14, 14), (0, 0))
    mask = next(
        m
        for m in (draw_mask(settings, np.random.default_rng(k)) for k in range(1000))
        if 2 < m.nuclei.centre[0, 0] < 5 and 20 < m.nuclei.centre[0, 1] < 40
    )
    y, x = np.rint(mask.nuclei.centre[0]).astype(int)
    assert mask.instance()[0, x] == 255
    assert mask.instance()[y + 11, x] == 127


@pytest.mark.parametrize("ndim", [2, 3])
def test_sizes_eccentricities_places_and_directions_are_even_in_their_ranges(ndim: int) -> None:
    settings = MaskSettings((64,) * ndim, (1, 4), (5, 9), (0.25, 0.75))
    drawn = random_ellipsoids(settings, 4000, np.random.default_rng(0))
    major, shorter = drawn.axes[:, 0], drawn.axes[:, 1:]
    e = np.sqrt(1 - (shorter / major[:, None]) ** 2)
    assert kstest(major, "uniform", (5, 4)).pvalue > 0.01
    for values in e.T:
        assert kstest(values, "uniform", (0.25, 0.5)).pvalue > 0.01
    for values in drawn.centre.T:
        assert kstest(values, "uniform", (-0.5, 64)).pvalue > 0.01
    np.testing.assert_allclose(drawn.rotation @ drawn.rotation.swapaxes(1, 2), [np.eye(ndim)] * 4000, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(drawn.rotation), 1)
    # The cosine of an even direction with an axis is even in 3D (Archimedes); in 2D the angle is.
    cosine = drawn.rotation[:, 0, 0]
    angle = (cosine + 1) / 2 if ndim == 3 else np.arccos(cosine) / np.pi
    assert kstest(angle, "uniform").pvalue > 0.01


@pytest.mark.parametrize("ndim", [2, 3])
def test_what_is_drawn_has_the_sizes_asked_for(ndim: int) -> None:
    from skimage.measure import regionprops

    # Few nuclei in much room: rejection, which favours the small, has no say.
    settings = MaskSettings((90,) * ndim, (1, 3), (8, 12), (0.25, 0.75))
    rng = np.random.default_rng(2)
    counts, majors, minors = [], [], []
    for _ in range(120 if ndim == 2 else 30):
        mask = draw_mask(settings, rng)
        counts.append(len(mask.nuclei))
        for one in regionprops(mask.labels):
            if all(low > 0 and high < 90 for low, high in zip(one.bbox[:ndim], one.bbox[ndim:], strict=True)):
                majors.append(one.axis_major_length / 2)
                minors.append(one.axis_minor_length / 2)
    assert set(counts) == {1, 2, 3}
    assert min(majors) > 7.5
    assert max(majors) < 12.5
    assert np.mean(majors) == pytest.approx(10, abs=0.4)
    ratio = np.array(minors) / np.array(majors)
    assert np.sqrt(1 - 0.75**2) - 0.08 < ratio.min()
    assert ratio.max() < np.sqrt(1 - 0.25**2) + 0.05


def test_the_same_seed_gives_the_same_mask() -> None:
    for settings in SCENES.values():
        one, same, other = (draw_mask(settings, np.random.default_rng(seed)) for seed in (3, 3, 4))
        assert (one.labels == same.labels).all()
        assert (one.instance() == same.instance()).all()
        assert (one.labels != other.labels).any()


def test_what_finds_no_room_is_left_out_and_said() -> None:
    settings = MaskSettings((64, 64), (30, 30), (9, 12))
    masks = [draw_mask(settings, np.random.default_rng(seed)) for seed in range(3)]
    assert all(0 < len(mask.nuclei) < mask.wanted == 30 for mask in masks)
    assert "instead of 30" in shortfall(masks)
    assert shortfall([draw_mask(replace(settings, count=(1, 2)), np.random.default_rng(0))]) == ""
    assert draw_mask(replace(settings, count=(0, 0)), np.random.default_rng(0)).instance().max() == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"semi_major": (40, 50)}, "larger than the image"),
        ({"count": (60, 80)}, "find no room"),
        ({"count": (9, 3)}, "number of nuclei"),
        ({"semi_major": (9, 3)}, "semi-major"),
        ({"semi_major": (0.2, 3)}, "semi-major"),
        ({"eccentricity": (0.5, 1.0)}, "eccentricity"),
        ({"rim": 1.0}, "rim"),
        ({"spacing": (1.0, 0.0)}, "pixel size"),
        ({"spacing": (1.0, 1.0, 1.0)}, "pixel size"),
        ({"shape": (64,)}, "cannot be drawn"),
        ({"tries": 0}, "try"),
    ],
)
def test_impossible_wishes_are_refused_in_plain_words(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(NucleiError, match=words) as caught:
        replace(MaskSettings((64, 64), (1, 5), (9, 12)), **changes)
    assert caught.value.hint


def test_all_of_table_9_can_be_drawn() -> None:
    assert len(TABLE_9) == 10
    for name, paper in TABLE_9.items():
        mask = draw_mask(paper.settings(), np.random.default_rng(0))
        assert mask.labels.shape == ((256, 256) if paper.ndim == 2 else (64, 128, 128)), name
        low, high = paper.semi_major
        assert ((mask.nuclei.axes[:, 0] >= low) & (mask.nuclei.axes[:, 0] <= high)).all()
        assert paper.count[0] <= mask.wanted <= paper.count[1]


@pytest.mark.parametrize("ndim", [2, 3])
def test_semi_major_of_a_diameter_gives_nuclei_of_that_diameter(ndim: int) -> None:
    a = semi_major_of(20, ndim)
    drawn = random_ellipsoids(MaskSettings((64,) * ndim, (1, 1), (a, a)), 4000, np.random.default_rng(0))
    assert 2 * np.mean(np.prod(drawn.axes, axis=1) ** (1 / ndim)) == pytest.approx(20, rel=0.01)


def test_nuclei_are_drawn_anew_on_a_finer_and_a_coarser_grid() -> None:
    mask = draw_mask(MaskSettings((60, 80), (15, 15), (5, 9)), np.random.default_rng(0))
    assert np.array_equal(labels_on(mask.nuclei, (1, 1), (60, 80)), mask.labels)
    fine = labels_on(mask.nuclei, (0.25, 0.5), (240, 160))
    assert fine.max() == len(mask.nuclei)
    # Every pixel of the mask is a block of pixels about the same place.
    blocks = fine.reshape(60, 4, 80, 2)
    assert (np.median(blocks.transpose(0, 2, 1, 3).reshape(60, 80, 8), -1) == mask.labels).mean() > 0.97
    coarse = labels_on(mask.nuclei, (30, 40), (2, 2))
    assert np.unique(coarse[coarse > 0]).tolist() == list(range(1, coarse.max() + 1))
    cut = labels_on(mask.nuclei, (1, 1), (30, 40))
    assert np.unique(cut).tolist() == list(range(len(np.unique(mask.labels[:30, :40]))))
