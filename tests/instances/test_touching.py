"""Touching nuclei of a mask."""

from __future__ import annotations

import numpy as np

from napari_nucleidomain.instances.touching import split_touching


def _discs(shape: tuple[int, ...], centres: list[tuple[int, ...]], radius: float) -> np.ndarray:
    grid = np.indices(shape)
    mask = np.zeros(shape, bool)
    for centre in centres:
        mask |= sum((grid[k] - centre[k]) ** 2 for k in range(len(shape))) < radius**2
    return mask


def test_chains_of_discs_are_parted_and_no_pixel_is_lost() -> None:
    centres = [(30, 20), (30, 36), (44, 28), (30, 70), (5, 95)]
    mask = _discs((60, 100), centres, 9)
    mask[55, 3] = True  # a piece of one pixel
    found = split_touching(mask)
    np.testing.assert_array_equal(found > 0, mask)
    assert len({found[c] for c in centres}) == 5
    assert found.max() == 6 and found.dtype == np.uint32


def test_volumes_and_nothing() -> None:
    centres = [(10, 15, 12), (10, 15, 26)]
    found = split_touching(_discs((20, 30, 40), centres, 8.5))
    assert found.max() == 2 and found[centres[0]] != found[centres[1]]
    assert not split_touching(np.zeros((4, 5))).any()


def test_one_long_nucleus_stays_whole() -> None:
    grid = np.indices((40, 80))
    ellipse = ((grid[0] - 20) / 8) ** 2 + ((grid[1] - 40) / 20) ** 2 < 1
    assert split_touching(ellipse).max() == 1
