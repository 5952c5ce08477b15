"""How long a run has worked and how that divides over its stages."""

from __future__ import annotations

import time


class WorkClock:
    """Seconds of work, pauses left out, carried over from earlier processes of the same run.

    Parameters
    ----------
    before : float
        Seconds worked by earlier processes.
    started : float, optional
        `time.monotonic()` value at which this process began to count.
    """

    def __init__(self, before: float = 0.0, started: float | None = None) -> None:
        self._before = before
        self._since = time.monotonic() if started is None else started
        self._paused_at: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds worked so far."""
        end = self._paused_at if self._paused_at is not None else time.monotonic()
        return self._before + end - self._since

    def add(self, seconds: float) -> None:
        """Count seconds of an earlier process."""
        self._before += seconds

    def pause(self) -> None:
        """Stop counting."""
        if self._paused_at is None:
            self._paused_at = time.monotonic()

    def resume(self) -> None:
        """Count again."""
        if self._paused_at is not None:
            self._since += time.monotonic() - self._paused_at
            self._paused_at = None


class Plan:
    """Weights of the stages: what part of the whole each one is."""

    def __init__(self, shares: dict[str, float] | None = None) -> None:
        self.shares = dict(shares or {})

    def before(self, name: str) -> float:
        """Part of the whole that lies before a stage, in [0, 1]."""
        total = sum(self.shares.values())
        if name not in self.shares or not total:
            return 0.0
        names = list(self.shares)
        return sum(self.shares[n] for n in names[: names.index(name)]) / total

    def share(self, name: str) -> float:
        """Part of the whole that a stage is."""
        total = sum(self.shares.values())
        return self.shares.get(name, 0.0) / total if total else 1.0

    def of_rest(self, name: str) -> float:
        """A stage's part of itself and all after it: what it gets of the time that remains."""
        rest = 1.0 - self.before(name)
        return self.share(name) / rest if rest > 0 and name in self.shares else 1.0
