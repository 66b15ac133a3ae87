"""The score test against Tango's closed form, a published interval and hand calculations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from tuneline.significance.bounded import score_interval, score_test_p


def pairs(won: int, lost: int, n: int) -> np.ndarray:
    return np.array([1.0] * won + [-1.0] * lost + [0.0] * (n - won - lost))


def tango_p(won: int, lost: int, n: int, mean: float) -> float:
    """Tango 1998, Statistics in Medicine 17, equations for the restricted estimate and the test."""
    b = -won - lost + (2 * n - won + lost) * mean
    c = -lost * mean * (1 - mean)
    share_lost = (np.sqrt(b**2 - 8 * n * c) - b) / (4 * n)
    z = (won - lost - n * mean) / np.sqrt(n * (2 * share_lost + mean * (1 - mean)))
    return float(2 * ndtr(-abs(z)))


@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 60), st.integers(-9, 9))
def test_right_or_wrong_pairs_get_tangos_test(won: int, lost: int, equal: int, tenths: int):
    n, mean = won + lost + equal, tenths / 10
    if abs((won - lost) / n - mean) > 1e-9:
        expected = tango_p(won, lost, n, mean)
        assert score_test_p(pairs(won, lost, n), mean) == pytest.approx(expected, abs=1e-6)


def test_tangos_interval_is_the_published_one():
    """Airway hyper-responsiveness before and after (Bentur 2009), 1 and 7 of 21 changed.

    Fagerland, Lydersen and Laake 2014, Statistics in Medicine 33, give -0.517 to -0.026.
    """
    assert score_interval(pairs(1, 7, 21), 0.05) == pytest.approx((-0.517, -0.026), abs=6e-4)


def test_what_was_never_seen_may_still_happen():
    """By hand: z2 / (n + z2) where no pair differs; all of 10 won gives [1 - 2 z2/(n+z2), 1]."""
    assert score_interval(pairs(0, 0, 20), 0.05) == pytest.approx((-0.16113, 0.16113), abs=1e-5)
    assert score_interval(pairs(10, 0, 10), 0.05) == pytest.approx((0.44493, 1.0), abs=1e-5)


def test_graded_differences_that_vary_enough_get_the_normal_interval():
    values = np.random.default_rng(1).uniform(-0.8, 0.9, 2000)
    half = 1.959964 * values.std() / np.sqrt(2000)
    low, high = score_interval(values, 0.05)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=half / 50)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20).map(np.array))
def test_the_interval_holds_the_mean_and_is_mirrored_with_the_models(values):
    low, high = score_interval(values, 0.05)
    assert -1 <= low <= values.mean() + 1e-6
    assert values.mean() - 1e-6 <= high <= 1
    assert score_interval(-values, 0.05) == pytest.approx((-high, -low), abs=1e-6)
