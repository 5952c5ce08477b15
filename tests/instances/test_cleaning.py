"""Components, holes, specks, ids."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_nucleidomain.instances.cleaning import clean, fill_holes, relabel, remove_small, split_components


def test_components_are_split_value_by_value(random_labels, same_partition):
    for seed in range(40):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 4, rng.integers(1, 15, 2 + seed % 2)) * 1000
        parts, source = split_components(labels)
        full = np.ones((3,) * labels.ndim)
        expected, count = np.zeros(labels.shape, int), 0
        for k in (1000, 2000, 3000):
            component, found = ndimage.label(labels == k, structure=full)
            expected[component > 0] = component[component > 0] + count
            count += found
        assert same_partition(parts, expected)
        assert len(source) == count
        assert (np.concatenate([[0], source])[parts] == labels).all()


def test_holes_are_filled_as_scipy_fills_a_single_nucleus():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        mask = rng.random(rng.integers(3, 15, 2 + seed % 2)) > 0.4
        assert (fill_holes(mask * np.uint16(7)) == ndimage.binary_fill_holes(mask) * 7).all()


def test_a_gap_between_two_nuclei_is_no_hole():
    labels = np.ones((9, 9), int)
    labels[1:8, 1:8] = 0
    labels[3:6, 3:6] = 2  # a nucleus in a ring
    assert (fill_holes(labels) == labels).all()
    labels[4, 4] = 0
    assert fill_holes(labels)[4, 4] == 2
    open_ = np.ones((5, 5), int)
    open_[2, 3:] = 0  # reaches the image's border
    assert (fill_holes(open_) == open_).all()


def test_holes_beside_two_nuclei_stay():
    labels = np.ones((5, 6), int)
    labels[:, 3:] = 2
    labels[2, 2] = 0
    assert fill_holes(labels)[2, 2] == 0


def test_small_nuclei_go_and_others_keep_their_ids():
    labels = np.array([[5, 5, 0, 9], [5, 0, 0, 2]])
    assert remove_small(labels, 2).tolist() == [[5, 5, 0, 0], [5, 0, 0, 0]]


def test_relabelling_keeps_the_order():
    labels, source = relabel(np.array([[0, 4_000_000_000], [12, 5]], np.uint32))
    assert labels.tolist() == [[0, 3], [2, 1]]
    assert source.tolist() == [5, 12, 4_000_000_000]


def test_cleaning_keeps_scores_beside_their_nuclei():
    labels = np.zeros((20, 40), np.uint16)
    labels[2:10, 2:10] = 3
    labels[4, 4] = 0  # a hole
    labels[2:10, 20:28] = 3  # the same id elsewhere
    labels[15, 15] = 1  # a speck
    labels[12:20, 30:40] = 2
    cleaned = clean(labels, np.array([0.1, 0.2, 0.3]), np.array([0.9, 0.8, 0.7]), least_pixels=20)
    assert cleaned.labels.max() == 3
    assert cleaned.source.tolist() == [3, 3, 2]
    assert np.allclose(cleaned.scores, [0.3, 0.3, 0.2])
    assert np.allclose(cleaned.uncertainty, [0.7, 0.7, 0.8])
    assert cleaned.labels[4, 4] == cleaned.labels[3, 3]
    assert cleaned.labels[15, 15] == 0
    assert (np.bincount(cleaned.labels.ravel())[1:] == [64, 64, 80]).all()


def test_cleaning_nothing():
    for shape in ((0, 4), (4, 4), (1, 1, 1)):
        cleaned = clean(np.zeros(shape, int), np.zeros(0))
        assert cleaned.labels.shape == shape
        assert not cleaned.labels.any()
        assert len(cleaned.scores) == 0
        assert cleaned.uncertainty is None
