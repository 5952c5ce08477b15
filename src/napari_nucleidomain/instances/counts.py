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
        """Share of the predictions that match a true nucleus; 1 where there is neither, 0 without predictions."""
        return ratio(self.tp, self.tp + self.fp, self.fn == 0)

    @property
    def recall(self) -> float:
        """Share of the true nuclei that are matched; 1 where there is neither, 0 without true nuclei."""
        return ratio(self.tp, self.tp + self.fn, self.fp == 0)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall: 2 tp / (2 tp + fp + fn); 1 where there are no nuclei at all."""
        return ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn, True)
