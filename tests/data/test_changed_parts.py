"""Boxes round what was changed."""

from __future__ import annotations

import numpy as np

from napari_nucleidomain.data.changed_parts import boxes_round_changes


def picture(*places: tuple[int, int]) -> np.ndarray:
    """Nuclei of 10 x 10 pixels, numbered from 1."""
    labels = np.zeros((300, 400), np.uint32)
    for number, (y, x) in enumerate(places, start=1):
        labels[y : y + 10, x : x + 10] = number
    return labels


def test_changes_in_opposite_corners_have_a_box_each() -> None:
    before = picture((5, 5), (150, 200), (285, 385))
    now = before.copy()
    now[5, 5] = 0
    now[now == 3] = 0
    boxes = boxes_round_changes(before, now, 3)
    assert boxes == [(slice(2, 18), slice(2, 18)), (slice(282, 298), slice(382, 398))]


def test_neighbours_share_a_box_also_over_a_third() -> None:
    before = picture((100, 100), (100, 114), (113, 107))
    now = np.zeros_like(before)
    assert boxes_round_changes(before, now, 2) == [(slice(98, 125), slice(98, 126))]
    assert len(boxes_round_changes(before, now, 1)) == 3


def test_a_nucleus_moved_far_away_is_two_changes() -> None:
    before, now = picture((20, 20)), picture((200, 300))
    assert len(boxes_round_changes(before, now, 2)) == 2


def test_nothing_changed() -> None:
    assert boxes_round_changes(picture((20, 20)), picture((20, 20)), 3) == []


def test_renumbering_a_neighbour_counts_and_the_picture_ends_the_box() -> None:
    before = picture((0, 0))
    now = np.where(before == 1, 7, 0).astype(np.uint32)
    assert boxes_round_changes(before, now, 5) == [(slice(0, 15), slice(0, 15))]
