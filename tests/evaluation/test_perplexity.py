"""Perplexity over records: a ratio of sums, with an interval that holds what it says."""

import math

import numpy as np
import pytest
from scipy.stats import bootstrap

from tuneline.evaluation.perplexity import perplexity


def test_every_token_counts_the_same_whatever_record_it_is_in():
    # by hand: (2 ln 2 + 6 ln 4) / 8 = 14 ln 2 / 8
    found = perplexity([2 * math.log(2), 6 * math.log(4)], [2, 6])
    assert found is not None
    assert found.value == pytest.approx(2 ** (14 / 8))
    assert (found.n, found.n_tokens) == (2, 8)


def test_records_that_agree_leave_no_doubt_and_one_record_says_nothing():
    found = perplexity([3.0, 6.0, 9.0], [1, 2, 3])
    assert found is not None
    assert found.low == pytest.approx(found.value) == pytest.approx(found.high)
    assert perplexity([3.0], [1]) is None
    assert perplexity([], []) is None


def sample(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Records of 5-60 tokens whose tokens share how hard the record is; the true mean is 1.5."""
    tokens = rng.integers(5, 60, n)
    return tokens * rng.gamma(3, 0.5, n), tokens


def test_the_interval_is_that_of_the_bootstrap():
    nll, tokens = sample(np.random.default_rng(0), 400)
    found = perplexity(nll.tolist(), tokens.tolist())
    resampled = bootstrap(
        (nll, tokens),
        lambda n, t, axis: np.exp(n.sum(axis) / t.sum(axis)),
        paired=True,
        rng=np.random.default_rng(1),
        method="percentile",
    ).confidence_interval
    assert found is not None
    assert (found.low, found.high) == pytest.approx((resampled.low, resampled.high), rel=0.01)


def test_the_interval_holds_the_truth_in_95_of_100_samples():
    rng = np.random.default_rng(2)
    found = [perplexity(*(part.tolist() for part in sample(rng, 60))) for _ in range(1000)]
    covered = sum(f is not None and f.low <= math.exp(1.5) <= f.high for f in found)
    assert 920 <= covered <= 975  # 950 expected, standard error 7; a ratio is a little skewed
