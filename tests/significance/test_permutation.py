"""Sign flips against hand counts, McNemar's exact test and scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import permutation_test
from statsmodels.stats.contingency_tables import mcnemar

from tuneline.significance import permutation
from tuneline.significance.permutation import sign_flip_p

DIFFERENCES = st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), max_size=30).map(np.array)


def test_a_handful_of_pairs_is_counted_by_hand():
    """Of 8 sign patterns of (0.1, 0.2, 0.4) one sums to 0.7 and two to 0.5 or more."""
    assert sign_flip_p(np.array([0.1, 0.2, 0.4])) == 2 * 1 / 8
    assert sign_flip_p(np.array([-0.1, 0.2, 0.4])) == 2 * 2 / 8
    assert sign_flip_p(np.array([0.0, 0.0])) == 1.0


@pytest.mark.parametrize(("won", "lost"), [(6, 0), (9, 2), (3, 3), (40, 21), (300, 250)])
def test_right_or_wrong_pairs_get_mcnemars_exact_test(won: int, lost: int):
    expected = mcnemar([[50, won], [lost, 7]], exact=True).pvalue
    pairs = np.array([1.0] * won + [-1.0] * lost + [0.0] * 57)
    assert sign_flip_p(pairs) == pytest.approx(expected)


@pytest.mark.parametrize("n", [4, 9, 13])
def test_few_graded_pairs_get_scipys_exact_test(n: int):
    values = np.random.default_rng(n).normal(0.3, 0.4, n)
    expected = permutation_test((values,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_p(values) == pytest.approx(expected.pvalue)


def test_many_graded_pairs_get_what_scipys_random_flips_give():
    """Standard error of either at p = 0.1 is 2 * sqrt(0.05 * 0.95 / 9999) = 0.0044; 4 of both."""
    values = np.random.default_rng(3).normal(0.03, 0.2, 120)
    expected = permutation_test(
        (values,), np.sum, permutation_type="samples", n_resamples=9_999, rng=1
    )
    assert 0.02 < expected.pvalue < 0.3
    assert sign_flip_p(values) == pytest.approx(expected.pvalue, abs=4 * 0.0044 * 2**0.5)


def test_random_flips_count_the_data_themselves_and_never_give_zero(monkeypatch):
    """A hundred different gains: no flip comes near, (0 + 1) / (999 + 1), both sides."""
    monkeypatch.setattr(permutation, "N_FLIPS", 999)
    assert sign_flip_p(np.linspace(0.1, 0.2, 100)) == 2 / 1000


def test_flips_drawn_in_blocks_are_all_drawn(monkeypatch):
    monkeypatch.setattr(permutation, "N_FLIPS", 999)
    monkeypatch.setattr(permutation, "CELLS", 1000)
    assert sign_flip_p(np.linspace(0.1, 0.2, 100)) == 2 / 1000
    assert sign_flip_p(np.linspace(-0.2, 0.21, 100)) > 0.5


@given(DIFFERENCES)
def test_neither_order_nor_direction_nor_equal_pairs_change_the_p_value(differences):
    p_value = sign_flip_p(differences)
    assert 0 < p_value <= 1
    assert sign_flip_p(-differences) == p_value
    assert sign_flip_p(differences[::-1]) == p_value
    assert sign_flip_p(np.append(differences, 0.0)) == p_value
