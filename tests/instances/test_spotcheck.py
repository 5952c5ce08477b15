"""The check by eye against brute force and by simulated persons who know the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, hypergeom

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.samples import load_sample
from napari_nucleidomain.instances.classical import fit_classical, segment_classical
from napari_nucleidomain.instances.spotcheck import SpotCheck, draw_check, held_in, judge, sentence, wilson

from .checker import Checker


@pytest.fixture(scope="module")
def checkers():
    """Otsu + watershed on real H&E against its outlines, and on fluorescence with one nucleus in five taken away."""
    made = []
    rng = np.random.default_rng(0)
    for name, lost in (("hne", 0.0), ("fluorescence", 0.2)):
        sample = load_sample(name)
        found = segment_classical(sample.image, fit_classical(sample.image, sample.rgb))[0]
        ids = np.unique(found)[1:]
        found[np.isin(found, rng.choice(ids, int(lost * len(ids)), replace=False))] = 0
        made.append(Checker(found, sample.labels))
    return made


def test_wilsons_interval_by_brute_force():
    """Ends solve (hits/n - p)² = z² p (1 - p) / n; the exact binomial chance of covering stays near 95 %."""
    for n in (10, 50, 200):
        for hits in range(n + 1):
            for end in wilson(hits, n):
                assert (hits / n - end) ** 2 == pytest.approx(1.959964**2 * end * (1 - end) / n, abs=1e-9)
        ends = np.array([wilson(hits, n) for hits in range(n + 1)])
        covered = [
            binom.pmf(np.arange(n + 1), n, p)[(ends[:, 0] <= p) & (p <= ends[:, 1])].sum()
            for p in np.linspace(0.02, 0.98, 97)
        ]
        assert np.mean(covered) > 0.945
        assert np.min(covered) > 0.83


def test_a_sample_of_most_of_them_is_surer_and_of_all_certain():
    assert wilson(3, 4, population=4) == (0.75, 0.75)
    for population in (60, 100, 400):
        covered = []
        for good in range(population // 5, population + 1, 7):
            hits = np.arange(51)
            ends = np.array([wilson(int(k), 50, population=population) for k in hits])
            inside = (ends[:, 0] <= good / population + 1e-12) & (good / population <= ends[:, 1] + 1e-12)
            covered.append(hypergeom.pmf(hits, population, good, 50)[inside].sum())
        assert np.mean(covered) > 0.93
    plain, small = wilson(40, 50), wilson(40, 50, population=80)
    assert small[1] - small[0] < 0.7 * (plain[1] - plain[0])


def test_200_simulated_persons_are_right_about_95_times_in_100(checkers):
    for checker in checkers:
        verdicts = [checker.look(seed) for seed in range(200)]
        for name in ("precision", "f1"):
            truth = getattr(checker, name)
            estimates = [getattr(one, name) for one in verdicts]
            covered = np.mean([one.low - 1e-9 <= truth <= one.high + 1e-9 for one in estimates])
            assert 0.9 <= covered <= 1.0, (name, covered)
            assert abs(np.mean([one.value for one in estimates]) - truth) < 0.02
        # The missed nuclei are counted without bias, and the interval is no empty promise.
        assert np.mean([one.missed.value for one in verdicts]) == pytest.approx(len(checker.missed), rel=0.1)
        assert np.mean([one.f1.high - one.f1.low for one in verdicts]) < 0.3


def test_who_looks_at_everything_knows_it(checkers):
    verdict = checkers[0].look(1, nuclei=10_000, fields=10_000)
    assert (verdict.f1.low, verdict.f1.value, verdict.f1.high) == pytest.approx((checkers[0].f1,) * 3)
    assert verdict.missed.value == pytest.approx(len(checkers[0].missed))


def test_squares_share_the_image_and_every_nucleus_lies_in_one(checkers):
    checker = checkers[0]
    check = checker.draw(3, fields=10_000)
    seen = np.zeros(checker.shape, int)
    for y0, y1, x0, x1 in check.fields:
        seen[y0:y1, x0:x1] += 1
    assert (seen == 1).all()
    assert sum(check.held) == len(checker.ids)
    assert len(check.fields) == check.all_fields
    assert np.sum([held_in(checker.centres, one) for one in check.fields], axis=0).tolist() == [1] * len(checker.ids)
    half = checker.draw(3, fields=10_000, inside=lambda middles: middles[:, 1] < checker.shape[1] / 2)
    assert max(one[2] for one in half.fields) < checker.shape[1] / 2
    assert half.all_fields < check.all_fields


def test_the_same_seed_draws_the_same_and_another_another(checkers):
    first, again, other = (checkers[0].draw(seed) for seed in (5, 5, 6))
    assert first == again
    assert first.ids != other.ids
    assert len(set(first.ids)) == len(first.ids) == min(50, len(checkers[0].ids))
    assert SpotCheck.from_json(first.to_json()) == first
    with pytest.raises(NucleiError, match="damaged"):
        SpotCheck.from_json({"seed": 1, "ids": [1]})
    with pytest.raises(NucleiError, match="no nucleus"):
        draw_check([], np.zeros((0, 2)), (9, 9), seed=0)


def test_what_is_said_while_it_goes_on():
    check = draw_check(np.arange(1, 201), np.random.default_rng(0).uniform(0, 300, (200, 2)), (300, 300), seed=0)
    assert sentence(judge(check)) == ""
    check.answers[:12] = ["right"] * 9 + ["wrong"] * 2 + ["unsure"]
    verdict = judge(check)
    assert verdict.f1 is None
    assert verdict.missed is None
    said = sentence(verdict)
    assert said.startswith("9 of 11 nuclei right: 82 % (95 % interval 5")
    assert "1 unsure left out" in said
    check.counts[:20] = [0] * 20
    verdict = judge(check)
    assert verdict.missed.value == verdict.missed.low == 0 < verdict.missed.high
    assert verdict.f1.low < 9 / 10 < verdict.f1.high
    check.answers[:12] = ["wrong"] * 12
    assert judge(check).f1.value == 0
    assert judge(check).f1.high > 0


def test_volumes_are_asked_about_nuclei_only():
    check = draw_check([1, 2, 3], np.zeros((3, 3)), (5, 20, 20), seed=0)
    check.answers = ["right", "right", "wrong"]
    verdict = judge(check)
    assert verdict.precision.value == pytest.approx(2 / 3)
    assert verdict.f1 is None
    assert check.done
