"""Corrected parts over outlines: what is known, and nuclei that the part's edge cuts."""

from __future__ import annotations

import numpy as np
import pytest

from napari_nucleidomain.data.example import Corrections
from napari_nucleidomain.data.known import UNKNOWN, known_map, with_corrections


@pytest.fixture
def truth() -> np.ndarray:
    """Squares of 6 px on a lattice of 10."""
    labels = np.zeros((60, 60), np.uint32)
    for k, (y, x) in enumerate((y, x) for y in range(2, 60, 10) for x in range(2, 60, 10)):
        labels[y : y + 6, x : x + 6] = 3 * k + 5
    return labels


def part(shape: tuple[int, ...]) -> np.ndarray:
    inside = np.zeros(shape, bool)
    inside[15:45, 10:50] = True
    return inside


def same_partition(one: np.ndarray, other: np.ndarray) -> bool:
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    return len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


@pytest.mark.parametrize("whole_only", [False, True])
def test_the_same_outlines_laid_over_change_nothing(truth, whole_only):
    made = with_corrections(truth, Corrections(truth * 2, part(truth.shape)), whole_only=whole_only)
    assert same_partition(made, truth) and made.max() == 36


def test_a_nucleus_removed_on_the_edge_leaves_no_half_behind(truth):
    mine = truth.copy()
    gone = mine[14, 14]
    mine[mine == gone] = 0
    made = with_corrections(truth, Corrections(mine, part(truth.shape)), whole_only=True)
    assert (made[15:45, 10:50][truth[15:45, 10:50] == gone] == 0).all()
    assert (made[:15][truth[:15] == gone] == UNKNOWN).all()
    assert made.max() == 35


def test_only_whole_nuclei_are_known_of_a_corrected_part(truth):
    inside = part(truth.shape)
    known = known_map(Corrections(truth, inside), whole_only=True)
    sizes = np.bincount(known[known > 0])[1:]
    assert (sizes == 36).all() and len(sizes) == 8
    assert (known[~inside] == UNKNOWN).all()
    assert len(np.unique(known_map(Corrections(truth, inside)))) - 2 > 8
