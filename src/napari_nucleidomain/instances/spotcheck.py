"""How good a result is without anything to compare it with: a person judges a random sample by eye.

Two short passes. First some nuclei drawn at random are each right or wrong: that gives the precision. Then some squares
drawn at random are looked through for nuclei without a right outline: that gives the nuclei missed. Both together
give the object F1 as a comparison with complete outlines would (IoU above 0.5), with 95 % intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from napari_nucleidomain.contracts import NucleiError

Answer = Literal["right", "wrong", "unsure"]
NUCLEI, FIELDS = 50, 20
# Nuclei found that a square holds on average, and the fewest squares that say anything of the rest.
_IN_FIELD, LEAST_FIELDS = 3.0, 5
_Z = 1.959964


@dataclass(frozen=True)
class Estimate:
    """A value with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """What a check by eye says.

    Attributes
    ----------
    right, wrong, unsure : int
        Answers; those unsure are left out of the estimates.
    precision : Estimate or None
        Share of the nuclei found that are right; None before the first answer.
    missed : Estimate or None
        Nuclei of the whole result's area without a right outline; None where too few squares were looked through.
    f1 : Estimate or None
        Object F1; None without `missed`.
    counted, fields : int
        Nuclei without a right outline in the squares looked through, and how many squares those were.
    """

    right: int
    wrong: int
    unsure: int
    precision: Estimate | None
    missed: Estimate | None
    f1: Estimate | None
    counted: int
    fields: int


@dataclass
class SpotCheck:
    """A check under way or done; everything needed to go on with it, and to say how it was drawn.

    Attributes
    ----------
    seed : int
    nuclei : int
        All nuclei of the result.
    ids : list of int
        The nuclei drawn, in the order in which they are shown.
    answers : list of {"right", "wrong", "unsure"} or None
    fields : list of [y0, y1, x0, x1]
        The squares drawn, half open, in pixels of the labels.
    held : list of int
        Nuclei found whose middle lies in each square.
    counts : list of int or None
        Nuclei whose middle lies in each square and that have no right outline; None: not looked through yet.
    all_fields : int
        Squares that the whole was divided into.
    """

    seed: int
    nuclei: int
    ids: list[int]
    answers: list[Answer | None] = field(default_factory=list)
    fields: list[list[int]] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    counts: list[int | None] = field(default_factory=list)
    all_fields: int = 0

    def to_json(self) -> dict[str, Any]:
        """As a dict of plain values."""
        return asdict(self)

    @staticmethod
    def from_json(content: dict[str, Any]) -> SpotCheck:
        """Back from `to_json`.

        Raises
        ------
        NucleiError
            Something is missing or does not fit together.
        """
        try:
            check = SpotCheck(**content)
            fits = len(check.ids) == len(check.answers)
            fits = fits and len(check.fields) == len(check.held) == len(check.counts)
        except TypeError:
            fits = False
        if not fits:
            raise NucleiError("The check by eye kept with this result is damaged.", "Check anew.")
        return check

    @property
    def done(self) -> bool:
        """Whether nothing is left to judge."""
        return None not in self.answers and None not in self.counts


def draw_check(
    ids: Sequence[int] | np.ndarray,
    centres: np.ndarray,
    shape: Sequence[int],
    *,
    seed: int,
    nuclei: int = NUCLEI,
    fields: int = FIELDS,
    inside: Callable[[np.ndarray], np.ndarray] | None = None,
) -> SpotCheck:
    """Draw what a person shall look at. Every nucleus, and every square, is equally likely.

    Parameters
    ----------
    ids : sequence of int (N,)
        All nuclei of the result.
    centres : ndarray (N, 2)
        Their middles (y, x), in pixels of the labels. Without squares for volumes: (N, 3).
    shape : sequence of int
        Of the labels.
    seed : int
    nuclei, fields : int
        How many to draw; fewer where there are not so many.
    inside : callable, optional
        (M, 2) middles of squares -> which of them lie in what was segmented, (M,) bool.

    Raises
    ------
    NucleiError
        There is no nucleus.
    """
    ids, centres = np.asarray(ids), np.asarray(centres, float)
    if not len(ids):
        raise NucleiError("There is no nucleus to check.", "Find nuclei in Predict first.")
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(ids)[:nuclei]
    check = SpotCheck(seed, len(ids), [int(one) for one in drawn], [None] * len(drawn))
    if len(shape) != 2:
        return check
    squares = _squares(shape, len(ids))
    if inside is not None:
        squares = squares[inside((squares[:, ::2] + squares[:, 1::2] - 1) / 2)]
    check.all_fields = len(squares)
    chosen = squares[rng.permutation(len(squares))[:fields]]
    check.fields = [[int(side) for side in one] for one in chosen]
    check.held = [int(held_in(centres, one).sum()) for one in chosen]
    check.counts = [None] * len(chosen)
    return check


def held_in(centres: np.ndarray, square: Sequence[int] | np.ndarray) -> np.ndarray:
    """Which middles (N, 2) lie in a square [y0, y1, x0, x1]; (N,) bool. Of neighbouring squares one holds it."""
    y0, y1, x0, x1 = square
    pixels = np.floor(np.asarray(centres, float) + 0.5)
    return (pixels[:, 0] >= y0) & (pixels[:, 0] < y1) & (pixels[:, 1] >= x0) & (pixels[:, 1] < x1)


def _squares(shape: Sequence[int], nuclei: int) -> np.ndarray:
    """The image cut into nearly square parts without gap or overlap, (M, 4) int."""
    side = np.sqrt(np.prod(np.asarray(shape, float)) * _IN_FIELD / nuclei)
    cuts = [np.linspace(0, size, max(1, round(size / side)) + 1).round().astype(int) for size in shape]
    rows, columns = (np.stack([cut[:-1], cut[1:]], axis=1) for cut in cuts)
    return np.concatenate([np.repeat(rows, len(columns), axis=0), np.tile(columns, (len(rows), 1))], axis=1)


def judge(check: SpotCheck) -> Verdict:
    """What the answers given so far say, with 95 % intervals."""
    right, wrong, unsure = (sum(one == kind for one in check.answers) for kind in ("right", "wrong", "unsure"))
    looked = [(count, held) for count, held in zip(check.counts, check.held, strict=True) if count is not None]
    counted = sum(count for count, _ in looked)
    precision = missed = f1 = None
    if right + wrong:
        low, high = wilson(right, right + wrong, population=check.nuclei - unsure)
        precision = Estimate(right / (right + wrong), low, high)
    if len(looked) >= min(LEAST_FIELDS, max(check.all_fields, 1)):
        counts, held = np.array(looked, float).T
        per_found = _missed_per_found(counts, held, check)
        missed = Estimate(*(check.nuclei * part for part in (per_found.value, per_found.low, per_found.high)))
        f1 = _f1(precision, per_found) if precision is not None else None
    return Verdict(right, wrong, unsure, precision, missed, f1, counted, len(looked))


def wilson(hits: int, total: int, *, population: int | None = None, z: float = _Z) -> tuple[float, float]:
    """Interval for a share (Wilson, J. Am. Stat. Assoc. 22, 1927).

    Parameters
    ----------
    hits, total : int
        `total` above 0.
    population : int, optional
        What the sample was drawn from without putting back: the more of it was seen, the narrower.
    """
    share = hits / total
    rest = 1.0 if population is None or population <= 1 else max(0.0, (population - total) / (population - 1))
    if rest == 0:
        return share, share
    n = total / rest
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def _missed_per_found(counts: np.ndarray, held: np.ndarray, check: SpotCheck) -> Estimate:
    """Nuclei missed for each nucleus found: a ratio over the squares, whose scatter widens the interval."""
    from scipy.special import stdtrit

    k, total = len(counts), float(counts.sum())
    seen = k / max(check.all_fields, k)
    # Where the squares hold nothing, only their area says how much of the whole was seen.
    base = float(held.sum()) if held.sum() else check.nuclei * seen
    ratio = total / base
    if seen == 1:
        # The whole image was looked through: nothing is left to chance.
        return Estimate(total / check.nuclei, total / check.nuclei, total / check.nuclei)
    scatter = float(((counts - ratio * held) ** 2).sum()) * k / max(k - 1, 1)
    spread = max(1.0, scatter / total) if total else 1.0
    # Score interval of a Poisson count, for a count that scatters `spread` times as much.
    unit = spread * (1 - seen)
    z = float(stdtrit(max(k - 1, 1), 0.975))
    n = total / unit
    half = z * np.sqrt(n + z * z / 4)
    low, high = (max(0.0, n + z * z / 2 + sign * half) * unit / base for sign in (-1, 1))
    return Estimate(ratio, float(low), float(high))


def _f1(precision: Estimate, missed: Estimate) -> Estimate:
    """F1 = 2P / (1 + P + m) with m missed for each found, and its interval.

    Intervals of log(1 + m) and log P are put together by recovering their variances (Zou and Donner, Stat. Med. 27,
    2008), each side for itself.
    """

    def value(p: float, m: float) -> float:
        return 2 * p / (1 + p + m)

    if precision.value == 0:
        return Estimate(0.0, 0.0, value(precision.high, missed.low))
    x = np.log1p(missed.value) - np.log(precision.value)
    down = np.hypot(_gap(missed.value, missed.low), np.log(precision.high / precision.value))
    with np.errstate(divide="ignore"):
        up = np.hypot(_gap(missed.high, missed.value), np.log(precision.value) - np.log(precision.low))
    low, high = (float(2 / (1 + np.exp(end))) for end in (x + up, x - down))
    return Estimate(value(precision.value, missed.value), low, high)


def _gap(high: float, low: float) -> float:
    """How far log(1 + m) is apart at two values of m."""
    return float(np.log1p(high) - np.log1p(low))


def sentence(verdict: Verdict) -> str:
    """A verdict in words; "" before the first answer."""
    if verdict.precision is None:
        return ""
    p, judged = verdict.precision, verdict.right + verdict.wrong
    share, low, high = (f"{100 * part:.0f}" for part in (p.value, p.low, p.high))
    words = f"{verdict.right} of {judged} nuclei right: {share} % (95 % interval {low} to {high} %)."
    if verdict.unsure:
        words += f" {verdict.unsure} unsure left out."
    if verdict.missed is not None:
        m = verdict.missed
        words += (
            f" In {verdict.fields} squares {verdict.counted} without a right outline:"
            f" about {m.value:,.0f} in all ({m.low:,.0f} to {m.high:,.0f})."
        )
    if verdict.f1 is not None:
        words += f" Object F1 about {verdict.f1.value:.2f} ({verdict.f1.low:.2f} to {verdict.f1.high:.2f})."
    return words
