"""Intervals against published numbers, and error rates by simulation."""

import numpy as np
import pytest

from tuneline import significance
from tuneline.significance import paired_difference, score


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Wilson 1927, by hand: (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n), z = 1.959964
        (0, 10, 0.0, 0.27753),
        (10, 10, 0.72247, 1.0),
        (5, 10, 0.23659, 0.76341),
    ],
)
def test_binary_scores_get_wilsons_interval(successes, n, low, high):
    result = score([1.0] * successes + [0.0] * (n - successes))
    assert (result.low, result.high) == pytest.approx((low, high), abs=1e-4)


def test_the_bootstrap_agrees_with_the_normal_approximation_on_many_records():
    values = np.random.default_rng(1).beta(2, 3, 2000)
    result = score(values.tolist())
    half = 1.959964 * values.std() / len(values) ** 0.5
    assert result.low == pytest.approx(values.mean() - half, abs=0.002)
    assert result.high == pytest.approx(values.mean() + half, abs=0.002)


def test_a_failed_generation_is_unscored_and_not_a_zero():
    result = score([1.0, None, 1.0])
    assert (result.value, result.n, result.n_unscored) == (1.0, 2, 1)
    assert paired_difference([1.0, None], [0.0, 1.0]).n == 1


def test_nothing_scored_is_an_error():
    with pytest.raises(ValueError, match="no record is scored"):
        score([None])
    with pytest.raises(ValueError, match="for both"):
        paired_difference([None, 1.0], [1.0, None])


def test_two_equal_models_are_called_better_in_at_most_five_percent(monkeypatch):
    """300 A/A comparisons of 100 records: 2.5 % expected, 5 % is over 2.7 sigma away."""
    monkeypatch.setattr(significance, "N_RESAMPLES", 400)
    random = np.random.default_rng(7)
    verdicts = [
        paired_difference(
            random.integers(0, 2, 100).tolist(), random.integers(0, 2, 100).tolist()
        ).verdict
        for _ in range(300)
    ]
    assert verdicts.count("better") <= 15
    assert verdicts.count("worse") <= 15
