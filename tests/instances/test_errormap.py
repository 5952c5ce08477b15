"""The error map, class by class, and whether everybody can tell its colours apart."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from skimage.color import rgb2lab

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.errormap import COLOURS, LEGEND, ErrorClass, error_map
from napari_nucleidomain.instances.scores import score_labels


@pytest.fixture
def pair():
    truth, found = np.zeros((60, 60), int), np.zeros((60, 60), int)
    truth[0:10, 0:10], found[0:10, 1:10] = 1, 1  # found
    truth[0:10, 20:30] = 2  # missed
    found[0:10, 40:50] = 3  # false alarm
    truth[20:30, 0:20] = 4  # split
    found[20:30, 0:9], found[20:30, 10:20] = 4, 5
    truth[20:30, 30:38], truth[20:30, 38:46] = 6, 7  # merged
    found[20:30, 30:46] = 6
    truth[40:50, 0:20], truth[40:44, 21:24] = 8, 9  # a large one found, a small one swallowed by it
    found[40:50, 0:24] = 8
    return found, truth


def test_every_kind_of_error(pair):
    errors = error_map(*pair)
    rows = {(s, i): ErrorClass(e) for s, i, e in zip(*(errors.table[k] for k in ("side", "id", "error")), strict=True)}
    assert rows == {
        ("true", 1): ErrorClass.FOUND,
        ("true", 2): ErrorClass.MISSED,
        ("true", 4): ErrorClass.SPLIT,
        ("true", 6): ErrorClass.MERGED,
        ("true", 7): ErrorClass.MERGED,
        ("true", 8): ErrorClass.FOUND,
        ("true", 9): ErrorClass.MERGED,
        ("predicted", 1): ErrorClass.FOUND,
        ("predicted", 3): ErrorClass.FALSE_ALARM,
        ("predicted", 4): ErrorClass.SPLIT,
        ("predicted", 5): ErrorClass.SPLIT,
        ("predicted", 6): ErrorClass.MERGED,
        ("predicted", 8): ErrorClass.FOUND,
    }
    image = errors.image
    assert image.dtype == np.uint8
    assert image[5, 0] == image[5, 5] == ErrorClass.FOUND  # also where the two differ
    assert image[5, 25] == ErrorClass.MISSED
    assert image[5, 45] == ErrorClass.FALSE_ALARM
    assert image[25, 9] == ErrorClass.SPLIT
    assert image[42, 22] == ErrorClass.MERGED  # what is wrong lies on top of what is right
    assert image[42, 5] == ErrorClass.FOUND
    assert image[55, 55] == ErrorClass.BACKGROUND


def test_found_nuclei_are_those_of_the_f1_score(pair):
    errors, scores = error_map(*pair), score_labels(*pair)
    assert errors.counts()["true"]["found"] == errors.counts()["predicted"]["found"] == scores.at[0.5].tp
    found = errors.table["error"] == ErrorClass.FOUND
    assert (errors.table["iou"][found] > 0.5).all()
    assert errors.table["iou"][found].sum() / 2 == pytest.approx(scores.totals["matched_iou"])


def test_a_threshold_that_allows_two_partners_is_refused(discs):
    with pytest.raises(NucleiError, match="threshold"):
        error_map(discs, discs, threshold=0.3)


def test_exactly_half_is_split_between_no_one():
    truth, found = np.zeros((2, 10), int), np.zeros((2, 10), int)
    truth[:, 0:10] = 1
    found[:, 0:5], found[:, 5:10] = 1, 2
    assert error_map(found, truth).counts()["true"]["split"] == 1


def test_empty(discs):
    empty = np.zeros_like(discs)
    assert not error_map(empty, empty).image.any()
    assert set(np.unique(error_map(empty, discs).image)) == {0, ErrorClass.MISSED}
    assert set(np.unique(error_map(discs, empty).image)) == {0, ErrorClass.FALSE_ALARM}
    assert error_map(discs, empty).table["partner"].tolist() == [0] * 9


def seen_by(kind: str, rgb: np.ndarray) -> np.ndarray:
    """What a dichromat sees (Viénot, Brettel and Mollon 1999), in Lab."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    lms_of = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
    loss = {
        "protan": [[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]],
        "deutan": [[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]],
        "normal": np.eye(3),
    }[kind]
    back = np.clip(np.linalg.inv(lms_of) @ np.array(loss) @ lms_of @ linear, 0, 1)
    srgb = np.where(back <= 0.0031308, 12.92 * back, 1.055 * back ** (1 / 2.4) - 0.055)
    return rgb2lab(srgb[None, None])[0, 0]


@pytest.mark.parametrize("kind", ["normal", "protan", "deutan"])
def test_colours_are_told_apart_also_by_the_colour_blind(kind):
    assert set(COLOURS) == set(LEGEND) == set(ErrorClass) - {ErrorClass.BACKGROUND}
    lab = [seen_by(kind, np.array([int(c[k : k + 2], 16) / 255 for k in (1, 3, 5)])) for c in COLOURS.values()]
    for a, b in itertools.combinations(lab, 2):
        assert np.linalg.norm(a - b) > 20
