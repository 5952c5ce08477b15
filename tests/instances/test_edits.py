"""Corrections of label images against brute force and by what must hold for any line and any pair."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.edits import LEAST_PIECE, delete, free_id, join, line_pixels, split


def ellipse(shape, centre, radii):
    grid = np.indices(shape)
    return sum(((axis - c) / r) ** 2 for axis, c, r in zip(grid, centre, radii, strict=True)) <= 1


def pieces(mask):
    return ndimage.label(mask, structure=np.ones((3,) * mask.ndim))[1]


def test_delete_takes_one_nucleus_and_nothing_else(random_labels):
    rng = np.random.default_rng(0)
    for ndim in (2, 2, 3):
        labels = random_labels(rng, ndim)
        for number in np.unique(labels)[1:4]:
            now = delete(labels, int(number)).apply(labels)
            np.testing.assert_array_equal(now, np.where(labels == number, 0, labels))
    with pytest.raises(NucleiError, match="not there"):
        delete(np.zeros((4, 4), int), 7)


def test_a_line_leaves_no_way_through_between_its_corners():
    rng = np.random.default_rng(1)
    for _ in range(200):
        start, stop = rng.uniform(0, 30, (2, 2))
        path = line_pixels(start, stop)
        assert (np.abs(np.diff(path, axis=0)).sum(axis=1) == 1).all()
        np.testing.assert_array_equal(path[[0, -1]], np.floor(np.array([start, stop]) + 0.5))
        # Brute force: no pixel of it is further from the line than a corner of a pixel that the line runs through.
        along = stop - start
        away = np.abs(np.cross(np.append(along, 0), np.c_[path - start, np.zeros(len(path))])[:, 2])
        assert (away / np.linalg.norm(along)).max() <= 1.0


def test_a_cut_disc_falls_into_the_two_sides_of_the_line():
    """Against the sign of the distance to the line, pixel by pixel; only pixels under the knife may differ."""
    rng = np.random.default_rng(2)
    labels = np.zeros((60, 60), np.uint16)
    labels[ellipse((60, 60), (30, 30), (14, 20))] = 5
    labels[2:6, 2:6] = 9
    for _ in range(60):
        angle, shift = rng.uniform(0, np.pi), rng.uniform(-8, 8)
        along, aside = np.array([np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), -np.sin(angle)])
        middle = np.array([30, 30]) + aside * shift
        edit = split(labels, middle - along * 28, middle + along * 28)
        now = edit.apply(labels)
        assert edit.touched == (5, 10)
        np.testing.assert_array_equal(now > 0, labels > 0)
        np.testing.assert_array_equal(now == 9, labels == 9)
        assert (now == 5).sum() >= (now == 10).sum()
        assert pieces(now == 5) == pieces(now == 10) == 1
        grid = np.stack(np.indices(labels.shape), axis=-1)
        signed = (grid - middle) @ aside
        clear = (labels == 5) & (np.abs(signed) > 1.5)
        sides = {number: np.unique(np.sign(signed[clear & (now == number)])) for number in (5, 10)}
        assert all(len(side) == 1 for side in sides.values())
        assert sides[5] != sides[10]


def test_any_line_through_any_labels_loses_no_pixel_and_changes_one_nucleus(random_labels):
    rng = np.random.default_rng(3)
    done = 0
    for _ in range(300):
        labels = random_labels(rng)
        ends = rng.uniform(-3, np.array(labels.shape) + 3, (2, 2))
        try:
            edit = split(labels, *ends)
        except NucleiError:
            continue
        done += 1
        now = edit.apply(labels)
        old, new = edit.touched
        assert new == labels.max() + 1
        np.testing.assert_array_equal(np.where(now == new, old, now), labels)
        assert LEAST_PIECE <= (now == new).sum() <= (now == old).sum()
    assert done > 40


def test_a_line_over_several_nuclei_cuts_the_one_it_crosses_longest():
    labels = np.zeros((40, 80), np.int32)
    labels[ellipse(labels.shape, (20, 20), (10, 6))] = 1
    labels[ellipse(labels.shape, (20, 50), (10, 15))] = 2
    now = split(labels, (20, 5), (20, 79)).apply(labels)
    assert set(np.unique(now)) == {0, 1, 2, 3}
    assert pieces(now == 1) == 1
    assert (now[21:] == 2).any() != (now[:19] == 2).any()


def test_a_line_that_stops_inside_says_so_and_one_that_stops_just_short_is_lengthened():
    labels = np.zeros((40, 40), np.uint8)
    labels[10:30, 10:30] = 1
    with pytest.raises(NucleiError, match="edge to edge"):
        split(labels, (5, 20), (20, 20))
    with pytest.raises(NucleiError, match="crosses no nucleus"):
        split(labels, (2, 2), (2, 30))
    with pytest.raises(NucleiError, match="no line"):
        split(labels, (20, 20), (20.2, 20))
    assert set(np.unique(split(labels, (11, 20), (28, 20)).apply(labels))) == {0, 1, 2}


def test_a_nucleus_in_two_pieces_is_cut_only_where_the_line_goes():
    labels = np.zeros((30, 60), np.int64)
    labels[5:25, 5:20] = 1
    labels[5:25, 40:50] = 1
    with pytest.raises(NucleiError, match="edge to edge"):
        split(labels, (2, 10), (12, 10))
    now = split(labels, (2, 10), (28, 10)).apply(labels)
    assert (now[5:25, 40:50] == 1).all()
    assert (now[5:25, 5:9] == 2).all()


def test_in_a_volume_the_line_is_a_knife_and_a_plane_of_a_stack_is_found():
    labels = np.zeros((7, 30, 30), np.uint32)
    labels[1:6, 5:25, 5:25] = 3
    now = split(labels, (3, 2, 12), (3, 28, 12)).apply(labels)
    assert (now[1:6, 5:25, 14:25] == 3).all()
    assert (now[1:6, 5:25, 5:11] == 4).all()
    with pytest.raises(NucleiError, match="crosses no nucleus"):
        split(labels, (0, 2, 12), (0, 28, 12))
    with pytest.raises(NucleiError, match="this plane"):
        split(labels, (9, 2, 12), (9, 28, 12))
    flat = labels[3:4]
    np.testing.assert_array_equal(split(flat, (0, 2, 12), (0, 28, 12)).apply(flat)[0], now[3])


def test_no_id_is_left_in_a_layer_of_bytes():
    labels = np.zeros((20, 20), np.uint8)
    labels[4:16, 4:16] = 255
    with pytest.raises(NucleiError, match="uint8"):
        free_id(labels)
    with pytest.raises(NucleiError, match="holds no nucleus more"):
        split(labels, (1, 10), (18, 10))


def test_joined_nuclei_are_one_piece_and_nothing_else_changes():
    """Against brute force: the bridge is made of background only, and of no pixel off the straight ways across."""
    rng = np.random.default_rng(4)
    for _ in range(40):
        labels = np.zeros((50, 60), np.uint16)
        labels[ellipse(labels.shape, (25, 18), (rng.uniform(6, 12), rng.uniform(6, 12)))] = 4
        right = ellipse(labels.shape, (25 + rng.integers(-4, 5), 42), (rng.uniform(6, 12), rng.uniform(7, 12)))
        labels[right & (labels == 0)] = 2
        labels[45:48, 5:9] = 7
        a, b = np.argwhere(labels == 4), np.argwhere(labels == 2)
        to = np.linalg.norm(a[:, None] - b[None], axis=2)
        edit = join(labels, 4, 2, most_gap=20)
        now = edit.apply(labels)
        kept = 4 if len(a) >= len(b) else 2
        assert edit.touched == (kept,)
        assert pieces(now == kept) == 1
        assert set(np.unique(now)) == {0, 7, kept}
        filled = np.argwhere((now == kept) & (labels == 0))
        for pixel in filled:
            ways = np.linalg.norm(a - pixel, axis=1).min() + np.linalg.norm(b - pixel, axis=1).min()
            assert ways <= to.min() + 1 + 1e-6
        assert ((labels > 0) <= (now > 0)).all()
        if to.min() <= np.sqrt(2):
            assert not len(filled)


def test_far_apart_or_with_another_between_they_stay_two():
    labels = np.zeros((30, 60), np.uint8)
    labels[10:20, 5:15] = 1
    labels[10:20, 18:28] = 2
    labels[10:20, 45:55] = 3
    with pytest.raises(NucleiError, match="17 px apart"):
        join(labels, 2, 3)
    with pytest.raises(NucleiError, match="one nucleus"):
        join(labels, 2, 2)
    np.testing.assert_array_equal(join(labels, 1, 2).apply(labels)[10:20, 5:28], np.ones((10, 23)))
    labels[0:30, 16] = 9
    with pytest.raises(NucleiError, match="lies between"):
        join(labels, 1, 2)
    with pytest.raises(NucleiError, match="not there"):
        join(labels, 1, 77)
