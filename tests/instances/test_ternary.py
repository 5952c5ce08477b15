"""From painted values to nuclei, on drawn scenes whose nuclei are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.scores import score_labels
from napari_nucleidomain.instances.synthesis import MaskSettings, SyntheticMask, draw_mask
from napari_nucleidomain.instances.ternary import (
    PaintSettings,
    nuclei_from_instances,
    nuclei_from_semantic,
    painted_mask,
)

SCENES = {
    "2D": MaskSettings((200, 220), (60, 60), (9, 14)),
    "3D": MaskSettings((40, 60, 60), (25, 25), (8, 10)),
    "3D, flat voxels": MaskSettings((20, 60, 60), (30, 30), (9, 11), spacing=(2.5, 1.0, 1.0)),
}


def scene(name: str, seed: int = 0) -> SyntheticMask:
    return draw_mask(SCENES[name], np.random.default_rng(seed))


def painted(image: np.ndarray, blur: float = 0.0, noise: float = 0.0) -> np.ndarray:
    """As a generator would give it: -1 to 1, a little unsharp and uneven."""
    values = gaussian_filter(image / 127.5 - 1, blur) if blur else image / 127.5 - 1
    return values + np.random.default_rng(0).normal(0, noise, image.shape)


@pytest.mark.parametrize("name", SCENES)
def test_clean_paint_gives_the_nuclei_that_were_drawn(name: str) -> None:
    mask = scene(name)
    step = tuple(SCENES[name].step)
    found = nuclei_from_instances(painted(mask.instance()), PaintSettings(spacing=step))
    score = score_labels(found.labels, mask.labels, thresholds=(0.9,), hausdorff=False)
    # Where two nuclei touch, a pixel of the rim may change sides.
    assert score.at[0.9].f1 == 1
    assert score.aji > 0.99
    assert ((found.labels > 0) == (mask.labels > 0)).all()
    assert len(found.scores) == found.labels.max()
    assert (found.scores > 0.98).all()


@pytest.mark.parametrize("name", SCENES)
def test_unsharp_and_noisy_paint(name: str) -> None:
    mask = scene(name)
    values = painted(mask.instance(), 0.8, 0.15)
    settings = PaintSettings(diameter=18, spacing=tuple(SCENES[name].step))
    found = nuclei_from_instances(values, settings)
    assert score_labels(found.labels, mask.labels, thresholds=(0.7,), hausdorff=False).at[0.7].f1 > 0.95
    assert ((found.scores > 0.3) & (found.scores < 0.95)).all()


def test_touching_nuclei_of_different_size_are_divided_where_their_rims_meet() -> None:
    y, x = np.indices((60, 90))
    large, small = np.hypot(y - 30, x - 30), np.hypot(y - 30, x - 60)
    truth = np.where(large <= 22, 1, np.where(small <= 8, 2, 0))
    cores = (large <= 11) | ((truth == 2) & (small <= 4))
    image = np.where(cores, 255, np.where(truth > 0, 127, 0))
    labels = nuclei_from_instances(painted(image), PaintSettings()).labels
    wrong = labels != np.where(truth == 0, 0, np.where(truth == 1, labels[30, 30], labels[30, 60]))
    assert labels[30, 30] != labels[30, 60]
    # Half way between the cores would give the small one's rim 5 columns of the large one's.
    assert wrong.sum() <= 12
    assert labels[30, 50] == labels[30, 30]


def test_a_nucleus_without_a_core_is_a_nucleus_and_a_speck_is_not() -> None:
    image = np.zeros((60, 60), np.uint8)
    image[5:20, 5:20] = 127
    image[30:50, 30:50], image[35:45, 35:45] = 127, 255
    image[50:52, 5:7] = 255
    settings = PaintSettings(diameter=16)
    labels = nuclei_from_instances(painted(image), settings).labels
    assert labels.max() == 2
    assert (labels[5:20, 5:20] == 1).all()
    assert (labels[30:50, 30:50] == 2).all()
    assert not labels[50:52].any()
    assert nuclei_from_instances(painted(image), PaintSettings()).labels.max() == 3


def test_specks_in_a_core_do_not_divide_a_nucleus_and_holes_are_filled() -> None:
    image = np.zeros((50, 50), np.uint8)
    image[10:40, 10:40], image[15:35, 15:35] = 127, 255
    image[20:22, 20:22] = 0
    image[12:14, 12:14] = 255
    labels = nuclei_from_instances(painted(image), PaintSettings(diameter=30)).labels
    assert labels.max() == 1
    assert (labels > 0).sum() == 900


@pytest.mark.parametrize("name", ["2D", "3D, flat voxels"])
def test_semantic_paint_is_divided_by_shape_where_the_diameter_is_known(name: str) -> None:
    mask = scene(name)
    step = tuple(SCENES[name].step)
    values = painted(mask.semantic(), 0.6)
    assert (painted_mask(painted(mask.semantic()), PaintSettings()) == (mask.labels > 0)).all()
    whole = nuclei_from_semantic(values, PaintSettings(spacing=step))
    divided = nuclei_from_semantic(values, PaintSettings(diameter=18, spacing=step))
    better = score_labels(divided.labels, mask.labels).at[0.5].f1
    assert better > 0.75
    assert better > score_labels(whole.labels, mask.labels).at[0.5].f1 + 0.1
    assert ((divided.scores > 0) & (divided.scores <= 1)).all()


@pytest.mark.parametrize("shape", [(20, 30), (8, 20, 30)])
def test_nothing_painted_gives_no_nuclei(shape: tuple[int, ...]) -> None:
    for function in (nuclei_from_instances, nuclei_from_semantic):
        for value in (-1.0, np.nan):
            found = function(np.full(shape, value), PaintSettings(diameter=9))
            assert found.labels.max() == 0
            assert found.labels.dtype == np.uint32
            assert found.scores.shape == (0,)
        assert function(np.ones(shape), PaintSettings(diameter=9)).labels.min() == 1


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(NucleiError, match="told apart"):
        PaintSettings(low=0.5, high=0.2)
    with pytest.raises(NucleiError, match="pixels large"):
        PaintSettings(diameter=0)
    with pytest.raises(NucleiError, match="does not fit"):
        nuclei_from_instances(np.zeros((5, 5)), PaintSettings(spacing=(1.0, 1.0, 1.0)))
    with pytest.raises(NucleiError, match="axes"):
        painted_mask(np.zeros(5), PaintSettings())
