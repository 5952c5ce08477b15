"""When scores on the way are due, and whether there is time for them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from napari_nucleidomain.contracts import RunContext, Step


class CheckMarks:
    """Shares of a stage at which a score is due, as long as scores take little of the whole.

    Parameters
    ----------
    run : RunContext
    at : sequence of float
        Shares of the stage's steps, rising.
    share : float
        Of the training's time (so far, or all that the person gave) that scores on the way may take; `math.inf`: all.

    Attributes
    ----------
    passed : int
        Marks of the present stage that are behind; belongs into a checkpoint.
    """

    def __init__(self, run: RunContext, at: Sequence[float], share: float) -> None:
        self._run, self._at, self._share = run, at, share
        self._cost = 0.0
        self.passed = 0

    def due(self, step: Step) -> bool:
        """Whether a mark was reached that is not passed yet."""
        if step.index == 0:
            self.passed = 0
        return self._reached(step) > self.passed

    def take(self, step: Step) -> bool:
        """Pass the marks reached; whether there is time to score."""
        self.passed = self._reached(step)
        return self._share == math.inf or self._cost <= self._share * max(
            self._run.seconds, 60.0 * (self._run.minutes or 0.0)
        )

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Work on a score, which counts."""
        began = time.perf_counter()
        yield
        self._cost += time.perf_counter() - began

    def _reached(self, step: Step) -> int:
        return sum(step.fraction >= mark for mark in self._at)
