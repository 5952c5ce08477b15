"""Undo and redo across clicks and regions of one image. No Qt and no napari."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

_MOST_STEPS = 500


@dataclass(frozen=True)
class State:
    """Clicks (N, D) and the corners (V, D) of each region, as they were at one moment. Arrays are never changed."""

    points: np.ndarray
    regions: tuple[np.ndarray, ...] = ()

    def same_points(self, other: State) -> bool:
        """Whether no click differs."""
        return self.points.shape == other.points.shape and bool(np.array_equal(self.points, other.points))

    def same_regions(self, other: State) -> bool:
        """Whether no region differs."""
        return len(self.regions) == len(other.regions) and all(
            a.shape == b.shape and np.array_equal(a, b) for a, b in zip(self.regions, other.regions, strict=True)
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and self.same_points(other) and self.same_regions(other)

    __hash__ = None  # type: ignore[assignment]


def state_of(points: np.ndarray, regions: Sequence[np.ndarray]) -> State:
    """A copy of what is there now."""
    return State(np.array(points, dtype=np.float64), tuple(np.array(one, dtype=np.float64) for one in regions))


@dataclass
class History:
    """The states an image's clicks and regions went through.

    Whole states are kept, not differences: 2,000 clicks are 32 kB, and nothing can come out of step. Regions that
    did not change are shared between states.
    """

    now: State
    _before: list[State] = field(default_factory=list)
    _after: list[State] = field(default_factory=list)

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._before)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to take again."""
        return bool(self._after)

    def record(self, state: State) -> bool:
        """Note a new state as one step; False when nothing changed."""
        if state == self.now:
            return False
        self._before.append(self.now)
        del self._before[:-_MOST_STEPS]
        self._after.clear()
        self.now = state
        return True

    def undo(self) -> State | None:
        """Go one step back; None when there is none."""
        return self._move(self._before, self._after)

    def redo(self) -> State | None:
        """Go one step forward again; None when there is none."""
        return self._move(self._after, self._before)

    def _move(self, source: list[State], target: list[State]) -> State | None:
        if not source:
            return None
        target.append(self.now)
        self.now = source.pop()
        return self.now
