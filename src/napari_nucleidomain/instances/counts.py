"""Counts of matched nuclei, and ratios that know what to say where there is nothing."""

from __future__ import annotations

from dataclasses import dataclass


def ratio(part: float, whole: float, both_empty: bool) -> float:
    """`part / whole`; 1 where both images are empty, else 0 where `whole` is 0."""
    if whole:
        return float(part / whole)
    return 1.0 if both_empty else 0.0


@dataclass(frozen=True)
class ObjectCounts:
    """Matched nuclei (tp), predictions without a match (fp) and true nuclei without one (fn)."""

    tp: int
    fp: int
    fn: int

    @property
    def precision(self) -> float:
        return ratio(self.tp, self.tp + self.fp, self.fn == 0)

    @property
    def recall(self) -> float:
        return ratio(self.tp, self.tp + self.fn, self.fp == 0)

    @property
    def f1(self) -> float:
        return ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn, True)
