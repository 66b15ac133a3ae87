"""Error rates of whole tests that are looked at 30 times, counted over 1,000 runs each."""

import math

import numpy as np
import pytest

from benchmarks.ab_testing import (
    ALPHA,
    LOOKS,
    RUNS,
    Traffic,
    arm,
    ever_wrong,
    ever_wrong_naively,
    power,
    simulate,
)
from tuneline.release.ab.sequential import (
    MIN_EVIDENCE,
    effective_counts,
    half_width,
    log_e_value,
    mixture_scale,
)


def test_of_1000_tests_without_effect_at_most_alpha_ever_say_there_is_one():
    looks = simulate(Traffic((25, 25), 0.5), seed=0)
    assert looks.gain.shape == (LOOKS, RUNS)
    assert 0.24 < ever_wrong_naively(looks) < 0.36
    for min_effect in (0.02, 0.08, 0.2):
        assert ever_wrong(looks, min_effect) <= ALPHA


def test_users_that_come_again_and_resemble_themselves_are_not_taken_for_new_ones():
    looks = simulate(Traffic((15, 15), 0.4, alike=0.6, returning=0.2, requests=3), seed=1)
    assert ever_wrong(looks, 0.06) <= ALPHA
    assert ever_wrong(looks, 0.06, variance=looks.between_requests) > 4 * ALPHA


def test_rare_outcomes_keep_the_level_once_enough_users_carry_the_variance():
    looks = simulate(Traffic((40, 24), 0.04, alike=0.1, requests=4), seed=2)
    assert (looks.evidence[-1] >= MIN_EVIDENCE).mean() > 0.8
    assert ever_wrong(looks, 0.02) <= ALPHA


def test_before_that_there_is_no_interval_because_it_would_be_wrong():
    looks = simulate(Traffic((40, 4), 0.04), seed=2)
    wide = half_width(looks.variance, ALPHA, mixture_scale(0.02, ALPHA))
    assert (np.abs(looks.gain) > wide).any(axis=0).mean() > 2 * ALPHA
    assert ever_wrong(looks, 0.02) == 0


def test_a_gain_is_found_in_most_tests_and_the_interval_holds_it_in_all_but_alpha():
    looks = simulate(Traffic((25, 25), 0.4, gain=0.15), seed=3)
    assert ever_wrong(looks, 0.15) > 0.9
    assert ever_wrong(looks, 0.15, truth=0.15) <= ALPHA


def test_looking_at_will_costs_less_than_twice_the_traffic_of_a_fixed_test():
    measured = power(1.0, runs=2000)
    assert 1 < measured["traffic_for_80_percent"] < 2
    assert measured["median_traffic_until_found"] < measured["traffic_for_80_percent"]


@pytest.mark.parametrize(("limit", "alike"), [(0.05, 0.3), (0.02, 0.5)])
def test_a_rate_right_at_its_limit_is_seldom_called_kept_or_broken(limit, alike):
    """Every `pass` and every `fail` would be wrong by a hair here."""
    rng, runs = np.random.default_rng(4), 100
    prior = (1.0, (1 - limit) / limit)
    wrong = np.zeros(runs, dtype=bool)
    traffic = Traffic((40, 40), limit, alike=alike, returning=0.1, requests=2)
    for sums, counts in arm(rng, 40, limit, traffic, runs):
        for run in range(runs):
            successes, n = effective_counts(sums[run], counts[run])
            wrong[run] |= log_e_value(successes, n, limit, prior) >= -math.log(ALPHA)
    assert wrong.mean() <= ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / runs)


def test_a_right_split_is_almost_never_called_wrong_and_a_wrong_one_is():
    rng, prior = np.random.default_rng(5), (10.0, 90.0)
    looks = np.cumsum(rng.binomial(500, 0.1, (RUNS, LOOKS)), axis=1)
    n = 500 * np.arange(1, LOOKS + 1)
    evidence = [
        max(log_e_value(s, t, 0.1, prior) for s, t in zip(run, n, strict=True))
        for run in looks[:200]
    ]
    assert np.mean(np.array(evidence) >= math.log(1000)) <= 0.01
    lossy = np.cumsum(rng.binomial(500, 0.08, LOOKS))
    assert log_e_value(lossy[-1], n[-1], 0.1, prior) >= math.log(1000)
