"""Scores from clicks."""

from __future__ import annotations

import numpy as np
import pytest

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.deepest import suggest_points
from napari_nucleidomain.instances.pointscores import score_points


def test_every_fate_of_a_click(discs):
    merged = np.where(discs == 2, 1, discs)  # 1 and 2 together
    merged[discs == 3] = 0  # missed
    points = np.delete(suggest_points(discs), 8, axis=0)  # no click in 9: extra
    scores = score_points(merged, points)
    assert (scores.n_clicks, scores.found, scores.merged, scores.missed, scores.extra) == (8, 5, 2, 1, 1)
    assert scores.sentence() == "5 of 8 found, 2 merged, 1 extra"
    assert scores.n_predicted == 7
    assert scores.point_precision == pytest.approx(5 / 7)
    assert scores.point_recall == pytest.approx(5 / 8)
    assert scores.point_f1 == pytest.approx(10 / 15)
    assert scores.found + scores.merged + scores.missed == scores.n_clicks


def test_only_the_region_counts(discs):
    region = np.zeros(discs.shape, bool)
    region[:, :30] = True  # the left column of discs
    points = suggest_points(discs)
    scores = score_points(discs, points, region)
    assert (scores.n_clicks, scores.found, scores.extra) == (3, 3, 0)
    scores = score_points(discs, points[:1], region)
    assert (scores.found, scores.extra) == (1, 2)


def test_a_nucleus_across_the_regions_edge_is_extra_only_if_its_centre_is_inside(discs):
    region = np.zeros(discs.shape, bool)
    region[:14, :30] = True  # ends just above the centre of disc 1
    assert score_points(discs, np.zeros((0, 2)), region).extra == 0
    region[:16, :30] = True
    assert score_points(discs, np.zeros((0, 2)), region).extra == 1


def test_clicks_round_to_the_pixel_they_lie_in():
    labels = np.zeros((4, 4), int)
    labels[2, 1] = 1
    assert score_points(labels, [[1.5, 0.5]]).found == 1
    assert score_points(labels, [[2.49, 1.49]]).found == 1
    assert score_points(labels, [[1.49, 1.0]]).missed == 1
    assert score_points(labels, [[-0.5, -0.5]]).missed == 1  # the very corner of the image


def test_volumes():
    labels = np.zeros((3, 4, 5), np.uint32)
    labels[1, 2, 3] = 70_000
    scores = score_points(labels, [[1.0, 2.0, 3.0]])
    assert scores.found == scores.n_predicted == 1


def test_nothing_at_all_is_perfect_and_nothing_found_is_not(discs):
    empty = np.zeros_like(discs)
    assert score_points(empty, np.zeros((0, 2))).point_f1 == 1.0
    assert score_points(empty, suggest_points(discs)).point_f1 == 0.0
    assert score_points(discs, []).point_precision == 0.0


@pytest.mark.parametrize("points", [[[90.0, 3.0]], [[-1.0, 3.0]], [[np.nan, 3.0]], [[1.0, 2.0, 3.0]], [5.0, 6.0]])
def test_clicks_of_another_image_are_refused(discs, points):
    with pytest.raises(NucleiError, match="clicks"):
        score_points(discs, points)


def test_region_of_another_size_is_refused(discs):
    with pytest.raises(NucleiError, match="region"):
        score_points(discs, [[1.0, 1.0]], np.ones((5, 5), bool))
