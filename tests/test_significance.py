"""Intervals and verdicts against published values, the normal approximation, and no difference."""

import math

import numpy as np
import pytest

from tuneline import significance
from tuneline.significance import paired_difference, score

Z = 1.959963984540054
"""97.5 % quantile of the standard normal distribution."""


@pytest.fixture
def few_resamples(monkeypatch):
    monkeypatch.setattr(significance, "N_RESAMPLES", 1000)


def binary(successes: int, n: int) -> list[float]:
    return [1.0] * successes + [0.0] * (n - successes)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17, table I, method 3 (score, no correction).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        # By hand: 0/n gives [0, z2/(n+z2)], n/n its mirror image, n/2n is centred on 1/2 with
        # half width z * sqrt(n/2 + z2/4) / (n + z2); z2 = 3.8415.
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
    ],
)
def test_wilsons_interval_equals_published_values(successes, n, low, high):
    result = score(binary(successes, n))
    assert result.value == successes / n
    assert (result.low, result.high) == pytest.approx((low, high), abs=6e-5)
    assert (result.n, result.n_unscored) == (n, 0)


def test_unscored_records_are_counted_and_are_no_zeros():
    result = score([1.0, None, 1.0, None])
    assert (result.value, result.n, result.n_unscored) == (1.0, 2, 2)
    with pytest.raises(ValueError, match="no record is scored"):
        score([None, None])
    with pytest.raises(ValueError, match="no record is scored"):
        score([])


def test_graded_scores_get_the_normal_interval_where_there_are_many():
    values = np.random.default_rng(3).beta(2, 5, 4000)
    half = Z * values.std() / math.sqrt(values.size)
    result = score(values.tolist())
    assert result.value == pytest.approx(values.mean())
    # The percentiles of 10,000 resamples are themselves off by about 2 % of the half width.
    assert result.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert result.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_a_paired_difference_gets_the_normal_interval_where_there_are_many():
    generator = np.random.default_rng(4)
    baseline = generator.random(3000)
    candidate = np.clip(baseline + generator.normal(0.01, 0.05, 3000), 0, 1)
    differences = candidate - baseline
    half = Z * differences.std() / math.sqrt(differences.size)
    result = paired_difference(candidate.tolist(), baseline.tolist())
    assert result.value == pytest.approx(differences.mean())
    assert result.low == pytest.approx(differences.mean() - half, abs=0.1 * half)
    assert result.high == pytest.approx(differences.mean() + half, abs=0.1 * half)
    assert result.verdict == "better"


def test_pairs_tell_apart_what_means_alone_cannot():
    """Records differ by 0.6, models by 0.01 on each: unpaired intervals would overlap."""
    baseline = [0.2, 0.8] * 50
    candidate = [b + 0.01 + 0.001 * (i % 3) for i, b in enumerate(baseline)]
    assert paired_difference(candidate, baseline).verdict == "better"
    assert paired_difference(baseline, candidate).verdict == "worse"
    assert score(candidate).low < score(baseline).high


def test_equal_answers_cannot_be_told_apart():
    result = paired_difference([0.4, 0.9], [0.4, 0.9])
    assert (result.value, result.low, result.high) == (0.0, 0.0, 0.0)
    assert result.verdict == "cannot tell"


@pytest.mark.parametrize("n", [1, 3, 5])
def test_a_handful_of_records_cannot_tell_even_if_all_agree(n: int):
    """Sign test: all of n records better by chance, two-sided, is 2 / 2**n; 0.0625 at n = 5."""
    assert paired_difference([1.0] * n, [0.0] * n).verdict == "cannot tell"


def test_the_same_scores_give_the_same_interval_every_time():
    generator = np.random.default_rng(5)
    one, other = generator.random(50).tolist(), generator.random(50).tolist()
    assert paired_difference(one, other) == paired_difference(one, other)


def test_a_record_unscored_for_either_model_is_left_out_of_the_pair():
    result = paired_difference([1.0, None, 0.5, 0.0], [0.5, 0.0, None, 0.0])
    assert (result.n, result.value) == (2, 0.25)


def test_what_cannot_be_compared_is_an_error():
    with pytest.raises(ValueError, match="argument 2 is longer"):
        paired_difference([1.0], [1.0, 0.0])
    with pytest.raises(ValueError, match="no record is scored for both models"):
        paired_difference([1.0, None], [None, 1.0])
    with pytest.raises(ValueError, match="no record is scored for both models"):
        paired_difference([], [])


@pytest.mark.parametrize("kind", ["graded", "right or wrong"])
@pytest.mark.usefixtures("few_resamples")
def test_two_equal_models_are_seldom_told_apart(kind: str):
    """A/A: alpha/2 = 2.5 % "better". 300 runs of 120 records: 7.5 expected.

    The slack is the 99.9 % quantile of Binomial(300, 0.025), which is 17; the seed is fixed.
    """
    generator = np.random.default_rng(6)
    verdicts = []
    for _ in range(300):
        one, other = generator.random((2, 120))
        if kind == "right or wrong":
            one, other = (one < 0.6).astype(float), (other < 0.6).astype(float)
        verdicts.append(paired_difference(one.tolist(), other.tolist()).verdict)
    assert verdicts.count("better") <= 17
    assert verdicts.count("worse") <= 17
    assert verdicts.count("cannot tell") >= 270


@pytest.mark.usefixtures("few_resamples")
def test_a_real_gain_is_found():
    """0.75 against 0.6 right on 300 records: standard error 0.038, power about 0.98."""
    generator = np.random.default_rng(7)
    found = [
        paired_difference(
            (generator.random(300) < 0.75).astype(float).tolist(),
            (generator.random(300) < 0.6).astype(float).tolist(),
        ).verdict
        for _ in range(40)
    ]
    assert found.count("better") >= 35
    assert found.count("worse") == 0
