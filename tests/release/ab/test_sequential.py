import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import binom, norm

from tuneline.release.ab.sequential import (
    best_ratio,
    clustered_mean,
    effective_counts,
    factor,
    half_width,
    log_e_value,
    mixture_scale,
    needed_variance,
    rate_interval,
)


@pytest.mark.parametrize(
    ("se", "tuning", "published"),
    [(0.33341, 1000, 1.56516 - 0.50336), (0.03386, 5000, 0.60675 - 0.50386)],
)
def test_intervals_equal_those_published_for_growthbook(se, tuning, published):
    """Expected values of gbstats 0.8 (SequentialTwoSidedTTest): N = 6461, alpha 5 %."""
    log_alpha = math.log(0.05)
    rho2 = (-2 * log_alpha + math.log(-2 * log_alpha + 1)) / tuning
    scale = se * math.sqrt(6461 * rho2)
    assert half_width(np.array(se**2), 0.05, scale) == pytest.approx(published, rel=2e-4)


@pytest.mark.parametrize("variance", [0.3, 1.0, 7.0])
def test_at_the_edge_of_the_interval_the_mixture_of_likelihoods_is_one_over_alpha(variance):
    """Robbins' martingale by numeric integration over the effects that are mixed."""
    scale, alpha = 1.3, 0.05
    edge = float(half_width(np.array(variance), alpha, scale))
    mixture, _ = quad(
        lambda effect: (
            norm.pdf(effect, scale=scale) * math.exp((edge * effect - effect**2 / 2) / variance)
        ),
        -20,
        20,
    )
    assert mixture == pytest.approx(1 / alpha, rel=1e-6)


def test_the_interval_is_narrowest_against_its_error_where_its_width_is_the_smallest_effect():
    assert best_ratio(0.05) == pytest.approx(8.2, abs=0.05)
    assert factor(0.05) == pytest.approx(3.03, abs=0.01)
    needed = needed_variance(0.02, 0.05)
    scale = mixture_scale(0.02, 0.05)
    assert half_width(np.array(needed), 0.05, scale) == pytest.approx(0.02)
    ratios = [
        half_width(np.array(v * needed), 0.05, scale) / math.sqrt(v * needed)
        for v in (0.5, 0.9, 1.0, 1.1, 2.0)
    ]
    assert min(ratios) == ratios[2]


@given(st.floats(1e-9, 1e3), st.floats(1e-3, 10), st.floats(0.001, 0.4))
def test_an_interval_at_all_looks_is_wider_than_one_at_a_single_look(variance, scale, alpha):
    single = norm.ppf(1 - alpha / 2) * math.sqrt(variance)
    assert half_width(np.array(variance), alpha, scale) > single


def test_the_variance_of_a_mean_is_that_of_means_of_users():
    """One request per user: the textbook variance of a mean."""
    values = np.array([1.0, 0.0, 1.0, 1.0, 0.0])
    mean = clustered_mean(values, np.ones(5))
    assert mean.value == pytest.approx(0.6)
    assert mean.variance == pytest.approx(values.var(ddof=1) / 5)


def test_repeating_every_request_adds_no_information():
    rng = np.random.default_rng(0)
    sums, counts = rng.binomial(3, 0.4, 50).astype(float), np.full(50, 3.0)
    once, tenfold = clustered_mean(sums, counts), clustered_mean(10 * sums, 10 * counts)
    assert tenfold.variance == pytest.approx(once.variance)
    assert tenfold.evidence == pytest.approx(once.evidence)


def test_the_variance_is_that_seen_over_many_draws_of_unequal_users():
    rng = np.random.default_rng(1)
    counts = rng.geometric(0.2, (4000, 200)).astype(float)
    rates = rng.beta(1, 2, counts.shape)
    means = clustered_mean(rng.binomial(counts.astype(int), rates).astype(float), counts)
    assert means.variance.mean() == pytest.approx(means.value.var(), rel=0.06)


def test_one_heavy_user_or_few_events_are_little_evidence():
    sums, counts = np.zeros(1000), np.ones(1000)
    sums[:7] = 1
    assert clustered_mean(sums, counts).evidence == pytest.approx(7, rel=0.05)
    counts[0], sums[0] = 5000, 4000
    assert clustered_mean(sums, counts).evidence < 2
    assert clustered_mean(np.zeros(9), np.ones(9)).evidence == 0


def test_users_that_were_not_seen_yet_change_nothing():
    sums, counts = np.array([1.0, 2.0, 0.0]), np.array([2.0, 2.0, 3.0])
    padded = clustered_mean(np.append(sums, [0, 0]), np.append(counts, [0, 0]))
    plain = clustered_mean(sums, counts)
    assert (padded.value, padded.variance) == (plain.value, plain.variance)


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5])
def test_evidence_against_a_true_rate_is_one_on_average(rate):
    """Exact sum over the binomial distribution."""
    n, prior = 200, (10 * rate, 10 * (1 - rate))
    terms = [
        math.exp(binom.logpmf(s, n, rate) + log_e_value(s, n, rate, prior)) for s in range(n + 1)
    ]
    assert sum(terms) == pytest.approx(1, rel=1e-9)


def test_without_any_event_a_rate_is_bounded_by_the_number_of_trials():
    """0 of n under Beta(1, 99): 99/(99 + n) = alpha (1 - rate)^n, by hand."""
    low, high = rate_interval(0, 500, 0.05, (1.0, 99.0))
    assert low == 0
    assert 99 / (99 + 500) / (1 - high) ** 500 == pytest.approx(20)
    assert high < 0.01
    assert rate_interval(0, 0, 0.05, (1.0, 99.0)) == (0.0, 1.0)


@given(st.integers(0, 300), st.integers(1, 300))
def test_an_interval_of_a_rate_holds_what_was_observed(successes, n):
    successes = min(successes, n)
    low, high = rate_interval(successes, n, 0.05, (1.0, 19.0))
    assert 0 <= low <= successes / n <= high <= 1


def test_requests_of_one_user_that_all_agree_count_once():
    successes, n = effective_counts(np.array([50.0] * 30 + [0.0] * 70), np.full(100, 50.0))
    assert n == pytest.approx(100, rel=0.02)
    assert successes == pytest.approx(30, rel=0.02)


def test_without_any_event_the_users_count_and_not_their_requests():
    assert effective_counts(np.zeros(10), np.full(10, 40.0)) == (0.0, 10.0)
    assert effective_counts(np.zeros(0), np.zeros(0)) == (0.0, 0.0)
