"""Error rates of whole tests that are looked at 30 times, counted over 1,000 runs each."""

import math

import numpy as np
import pytest

from tuneline.release.ab.sequential import (
    MIN_EVIDENCE,
    clustered_mean,
    effective_counts,
    half_width,
    log_e_value,
    mixture_scale,
)

ALPHA, LOOKS, RUNS = 0.05, 30, 1000
SINGLE_LOOK = 1.96


def arm(rng, per_look, rate, alike, returning, requests, runs=RUNS):
    """Sums and counts per user at each look: users arrive, and earlier ones come again.

    `alike` is the correlation of two requests of one user.
    """
    users = per_look * LOOKS
    share = (1 - alike) / alike if alike else 0
    own = rng.beta(rate * share, (1 - rate) * share, (runs, users)) if alike else rate
    own = np.broadcast_to(own, (runs, users))
    sums, counts = np.zeros((runs, users)), np.zeros((runs, users))
    for look in range(LOOKS):
        known = per_look * look
        new = np.zeros((runs, users), dtype=int)
        new[:, known : known + per_look] = requests
        if returning:
            new[:, :known] = rng.poisson(returning, (runs, known))
        counts += new
        sums += rng.binomial(new, own)
        yield sums[:, : known + per_look], counts[:, : known + per_look]


def looked_at(seed, per_look, rate, *, gain=0.0, alike=0.0, returning=0.0, requests=1):
    """Gain, its variance between users, that between requests, and evidence: (looks, runs) each."""
    rng = np.random.default_rng(seed)
    seen = []
    arms = (
        arm(rng, n, r, alike, returning, requests)
        for n, r in zip(per_look, (rate, rate + gain), strict=True)
    )
    for sides in zip(*arms, strict=True):
        ours, theirs = (clustered_mean(*side) for side in sides)
        between_requests = sum(
            mean.value * (1 - mean.value) / counts.sum(axis=-1)
            for mean, (_, counts) in zip((ours, theirs), sides, strict=True)
        )
        evidence = np.minimum(ours.evidence, theirs.evidence)
        gains, variance = theirs.value - ours.value, ours.variance + theirs.variance
        seen.append((gains, variance, between_requests, evidence))
    return (np.array(part) for part in zip(*seen, strict=True))


def ever_excludes_zero(gain, variance, evidence, min_effect):
    wide = half_width(variance, ALPHA, mixture_scale(min_effect, ALPHA))
    return float(((np.abs(gain) > wide) & (evidence >= MIN_EVIDENCE)).any(axis=0).mean())


def test_of_1000_tests_without_effect_at_most_alpha_ever_say_there_is_one():
    gain, variance, _, evidence = looked_at(0, (25, 25), 0.5)
    naive = (np.abs(gain) > SINGLE_LOOK * np.sqrt(variance)).any(axis=0).mean()
    assert 0.24 < naive < 0.36
    for min_effect in (0.02, 0.08, 0.2):
        assert ever_excludes_zero(gain, variance, evidence, min_effect) <= ALPHA


def test_users_that_come_again_and_resemble_themselves_are_not_taken_for_new_ones():
    gain, variance, naive, evidence = looked_at(
        1, (15, 15), 0.4, alike=0.6, returning=0.2, requests=3
    )
    assert ever_excludes_zero(gain, variance, evidence, 0.06) <= ALPHA
    assert ever_excludes_zero(gain, naive, evidence, 0.06) > 4 * ALPHA


def test_rare_outcomes_keep_the_level_once_enough_users_carry_the_variance():
    gain, variance, _, evidence = looked_at(2, (40, 24), 0.04, alike=0.1, requests=4)
    assert (evidence[-1] >= MIN_EVIDENCE).mean() > 0.8
    assert ever_excludes_zero(gain, variance, evidence, 0.02) <= ALPHA


def test_before_that_there_is_no_interval_because_it_would_be_wrong():
    gain, variance, _, evidence = looked_at(2, (40, 4), 0.04)
    wide = half_width(variance, ALPHA, mixture_scale(0.02, ALPHA))
    assert (np.abs(gain) > wide).any(axis=0).mean() > 2 * ALPHA
    assert ever_excludes_zero(gain, variance, evidence, 0.02) == 0


def test_a_gain_is_found_in_most_tests_and_the_interval_holds_it_in_all_but_alpha():
    gain, variance, _, evidence = looked_at(3, (25, 25), 0.4, gain=0.15)
    assert ever_excludes_zero(gain, variance, evidence, 0.15) > 0.9
    assert ever_excludes_zero(gain - 0.15, variance, evidence, 0.15) <= ALPHA


@pytest.mark.parametrize(("limit", "alike"), [(0.05, 0.3), (0.02, 0.5)])
def test_a_rate_right_at_its_limit_is_seldom_called_kept_or_broken(limit, alike):
    """Every `pass` and every `fail` would be wrong by a hair here."""
    rng, runs = np.random.default_rng(4), 100
    prior = (1.0, (1 - limit) / limit)
    wrong = np.zeros(runs, dtype=bool)
    for sums, counts in arm(rng, 40, limit, alike, 0.1, 2, runs):
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
