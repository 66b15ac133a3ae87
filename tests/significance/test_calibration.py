"""Simulated comparisons: false verdicts at most as often as stated, real gains found as predicted.

Every limit is the stated rate and the 99.9 % quantile of a binomial around it; the seeds are fixed.
Fewer resamples than in use make each comparison faster and no less cautious: (b + 1) / (m + 1) is
valid for any m.
"""

import numpy as np
import pytest
from scipy.stats import binom

from tuneline.significance import (
    Certainty,
    detectable_gain,
    intervals,
    judged_together,
    paired_difference,
    permutation,
)
from tuneline.significance.differences import judge

CERTAINTY = Certainty()
KINDS = ("right or wrong", "nearly always right", "graded", "mostly zero")
N_RUNS = 120


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(intervals, "N_RESAMPLES", 999)
    monkeypatch.setattr(permutation, "N_FLIPS", 999)


def right_or_wrong(rng, n: int, share: float, gain: float = 0.0):
    """Correlated by 0.5, as `Certainty` expects: shares of both right, one right, none right."""
    better = share + gain
    both = better * share + 0.5 * np.sqrt(better * (1 - better) * share * (1 - share))
    shares = [both, better - both, share - both, 1 - better - share + both]
    cell = rng.choice(4, n, p=shares)
    return (cell < 2).astype(float), np.isin(cell, (0, 2)).astype(float)


def graded(rng, n: int, gain: float = 0.0):
    row, own = rng.normal(0, 0.1, n), rng.normal(0, 0.1, (2, n))
    return np.clip(0.4 + row + own[0] + gain, 0, 1), np.clip(0.4 + row + own[1], 0, 1)


def mostly_zero(rng, n: int):
    one, other = rng.beta(2, 2, (2, n)) * (rng.random((2, n)) < 0.15)
    return one, other


def equal_models(kind: str, rng, n: int):
    if kind == "graded":
        return graded(rng, n)
    if kind == "mostly zero":
        return mostly_zero(rng, n)
    return right_or_wrong(rng, n, 0.5 if kind == "right or wrong" else 0.9)


def verdict(pair, threshold: float = 0.0) -> str:
    candidate, baseline = pair
    return judge(candidate - baseline, CERTAINTY.alpha, threshold).verdict


@pytest.mark.parametrize("kind", KINDS)
def test_equal_models_are_called_better_at_most_as_often_as_stated(kind: str):
    """A/A, 4 kinds * 3 sizes * 120 = 1,440 comparisons; alpha / 2 = 2.5 % on either side."""
    rng = np.random.default_rng(11)
    verdicts = [verdict(equal_models(kind, rng, n)) for n in (12, 40, 160) for _ in range(N_RUNS)]
    most = binom.ppf(0.999, len(verdicts), CERTAINTY.alpha / 2)  # 19 of 360
    assert verdicts.count("better") <= most
    assert verdicts.count("worse") <= most


def test_of_many_metrics_one_is_called_different_no_more_often_than_of_one():
    """Eight equal metrics at once: without Holm a third of all comparisons would name one."""
    rng = np.random.default_rng(12)
    named = alone = 0
    for _ in range(100):
        pairs = {str(m): graded(rng, 40) for m in range(8)}
        each = {m: paired_difference(c.tolist(), b.tolist()) for m, (c, b) in pairs.items()}
        alone += any(d.verdict != "cannot tell" for d in each.values())
        named += any(d.verdict != "cannot tell" for d in judged_together(each).values())
    assert alone > 100 * 0.2
    assert named <= binom.ppf(0.999, 100, CERTAINTY.alpha)


@pytest.mark.parametrize("threshold", [-0.05, 0.05])
@pytest.mark.parametrize("n", [40, 160])
def test_a_difference_at_the_threshold_is_seldom_called_better_than_it(n: int, threshold: float):
    rng = np.random.default_rng(13)
    pairs = [right_or_wrong(rng, n, 0.6, threshold) for _ in range(300)]
    verdicts = [verdict(pair, threshold=threshold) for pair in pairs]
    # the score test is approximate: between 1 % and 4 % in Tango 1998
    assert verdicts.count("better") <= binom.ppf(0.999, 300, 0.04)


def test_losses_that_a_small_holdout_has_not_seen_are_not_ruled_out():
    """5 % of rows lose all: 30 rows show none with 0.95 ** 30 = 21 %, and yet prove nothing."""
    rng = np.random.default_rng(14)
    baseline = np.full(30, 0.9)
    passed = sum(
        verdict((np.where(rng.random(30) < 0.056, 0.0, baseline), baseline), threshold=-0.05)
        == "better"
        for _ in range(200)
    )
    assert passed == 0


@pytest.mark.parametrize(
    ("kind", "n"), [("right or wrong", 60), ("right or wrong", 200), ("graded", 50)]
)
def test_the_detectable_gain_is_found_with_the_power_that_was_declared(kind: str, n: int):
    """250 runs at power 0.8: standard error 0.025; 3.3 of them, and 0.02 for the approximation."""
    rng = np.random.default_rng(15)

    def run(gain: float):
        return (
            right_or_wrong(rng, n, 0.5, gain) if kind == "right or wrong" else graded(rng, n, gain)
        )

    declared = [detectable_gain(run(0.0)[1], CERTAINTY) for _ in range(40)]
    gain = float(np.median([g for g in declared if g is not None]))
    found = sum(verdict(run(gain)) == "better" for _ in range(250)) / 250
    assert found == pytest.approx(CERTAINTY.power, abs=3.3 * 0.025 + 0.02)
