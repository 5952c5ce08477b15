"""Undo and redo across clicks and regions, without a viewer."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_nucleidomain.widgets.points_history import History, state_of


def _state(n, regions=()):
    return state_of(np.arange(2 * n, dtype=float).reshape(n, 2), regions)


def test_undo_and_redo_walk_over_both_layers():
    box = np.array([[0, 0], [0, 9], [9, 9], [9, 0]], float)
    history = History(_state(0))
    assert history.record(_state(1))
    assert history.record(_state(1, [box]))
    assert history.record(_state(2, [box]))
    assert history.undo() == _state(1, [box])
    assert history.undo() == _state(1)
    assert history.redo() == _state(1, [box])
    assert history.record(_state(3, [box]))
    assert history.redo() is None, "a new step ends what could be taken again"


def test_nothing_changed_is_no_step():
    history = History(_state(2))
    assert not history.record(_state(2))
    assert not history.can_undo
    assert history.undo() is None


def test_a_state_keeps_its_own_arrays():
    points = np.zeros((1, 2))
    history = History(state_of(points, []))
    points[:] = 5
    assert history.now.points.tolist() == [[0, 0]]


@given(st.lists(st.integers(0, 6), min_size=1, max_size=30))
def test_all_the_way_back_and_forth(counts):
    history, seen = History(_state(0)), [_state(0)]
    for n in counts:
        if history.record(_state(n)):
            seen.append(_state(n))
    back = [history.now]
    while history.can_undo:
        back.append(history.undo())
    assert back == seen[::-1]
    while history.can_redo:
        history.redo()
    assert history.now == seen[-1]
