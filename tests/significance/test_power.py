"""What a holdout can show: hand calculations, statsmodels, and what holds for any holdout."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from statsmodels.stats.power import TTestPower

from tuneline.significance import Certainty, detectable_gain, rows_needed
from tuneline.significance.power import _wins_to_reject, sign_test_power

USUAL = Certainty()


def test_the_power_of_the_sign_test_equals_a_hand_calculation():
    """Six pairs, all won: rejected for sure. 8 pairs of which each is won with 0.9: at least 8 of 8
    (7 of 8 has p = 0.07), 0.9 ** 8."""
    assert sign_test_power(6, 1.0, 1.0, 0.05) == pytest.approx(1)
    assert sign_test_power(8, 0.8, 1.0, 0.05) == pytest.approx(0.9**8)
    assert sign_test_power(5, 1.0, 1.0, 0.05) == 0


def test_the_power_of_the_sign_test_sums_over_the_pairs_that_may_differ():
    """30 pairs, each won with 0.35 and lost with 0.1, summed over all outcomes."""
    expected = 0.0
    for differing in range(31):
        wins = np.arange(differing + 1)
        rejects = 2 * binom.sf(wins - 1, differing, 0.5) <= 0.05
        expected += binom.pmf(differing, 30, 0.45) * float(
            binom.pmf(wins[rejects], differing, 0.35 / 0.45).sum()
        )
    assert sign_test_power(30, 0.25, 0.45, 0.05) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.01, 0.0005])
def test_the_wins_that_reject_are_those_of_scipy(alpha: float):
    for counts in (np.arange(1, 400), np.array([5_000, 77_777])):
        expected = binom.isf(alpha / 2, counts, 0.5) + 1
        assert _wins_to_reject(counts, alpha).tolist() == expected.tolist()


def test_a_base_that_has_all_wrong_is_beaten_by_six_right_answers():
    """P(Binomial(100, gain) >= 6) = 0.8 at gain = 0.0779 (scipy's binom.sf(5, 100, 0.0779))."""
    gain = detectable_gain(np.zeros(100), USUAL)
    assert gain == pytest.approx(0.0779, abs=2e-4)
    assert binom.sf(5, 100, gain) == pytest.approx(0.8, abs=1e-3)


def test_graded_scores_show_the_gain_that_statsmodels_gives():
    """Standard deviation of the differences: sqrt(2 (1 - 0.5)) = 1 of the baseline's."""
    baseline = np.random.default_rng(1).beta(4, 4, 300)
    expected = TTestPower().solve_power(nobs=300, alpha=0.05, power=0.8) * baseline.std()
    assert detectable_gain(baseline, USUAL) == pytest.approx(expected, rel=0.02)


def test_the_rows_needed_for_graded_scores_are_those_of_statsmodels():
    differences = np.random.default_rng(2).normal(0, 0.2, 400)
    effect = 0.03 / differences.std(ddof=1)
    expected = TTestPower().solve_power(effect_size=effect, alpha=0.05, power=0.8)
    assert rows_needed(differences, 0.03, USUAL) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("won", [0, 6, 30])
def test_the_rows_needed_give_the_wanted_power_and_fewer_do_not(won: int):
    differences = np.array([1.0] * won + [-1.0] * won + [0.0] * (100 - 2 * won))
    n = rows_needed(differences, 0.05, USUAL)
    differing = max(0.05, 2 * won / 100)
    assert sign_test_power(n, 0.05, differing, 0.05) >= 0.8
    assert sign_test_power(int(n * 0.97), 0.05, differing, 0.05) < 0.81


def test_what_cannot_be_shown_is_said_to_be_so():
    assert detectable_gain(np.zeros(5), USUAL) is None  # no five pairs reach 5 %
    assert detectable_gain(np.ones(500), USUAL) is None  # nothing is left to gain
    assert detectable_gain(np.array([1.0] * 95 + [0.0] * 5), USUAL) is None  # 5 wins at most
    assert detectable_gain(np.array([]), USUAL) is None


@settings(max_examples=25)
@given(st.integers(20, 400), st.floats(0.1, 0.6))
def test_more_rows_show_less_and_more_questions_show_more(n: int, share: float):
    baseline = (np.arange(n) < share * n).astype(float)
    twice = np.concatenate([baseline, baseline])
    few, many = detectable_gain(baseline, USUAL), detectable_gain(twice, USUAL)
    assert many is not None
    assert few is None or many < few
    asked = detectable_gain(twice, USUAL, n_questions=4)
    assert asked is None or many <= asked
