"""Holm's adjustment against a hand calculation, statsmodels, and what holds for any p-values."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from tuneline.significance import holm

P_VALUES = st.dictionaries(st.text(max_size=3), st.floats(0, 1), min_size=1, max_size=8)


def test_holm_equals_a_hand_calculation():
    """0.01 * 4, 0.02 * 3, max(0.06, 0.03 * 2), max(0.06, 0.5)."""
    given_values = {"d": 0.5, "a": 0.01, "c": 0.03, "b": 0.02}
    assert holm(given_values) == pytest.approx({"d": 0.5, "a": 0.04, "c": 0.06, "b": 0.06})
    assert list(holm(given_values)) == ["d", "a", "c", "b"]
    assert holm({}) == {}


@settings(max_examples=10)  # 0.1 s each, in statsmodels
@given(P_VALUES)
def test_holm_equals_statsmodels(p_values):
    expected = multipletests(list(p_values.values()), method="holm")[1]
    assert list(holm(p_values).values()) == pytest.approx(list(expected))


@given(P_VALUES)
def test_adjusting_keeps_the_ranks_and_never_lowers_a_p_value(p_values):
    adjusted = holm(p_values)
    for one in p_values:
        assert p_values[one] <= adjusted[one] <= 1
        for other in p_values:
            assert p_values[one] > p_values[other] or adjusted[one] <= adjusted[other]


@given(P_VALUES, st.floats(0, 1))
def test_one_question_more_never_lowers_a_p_value(p_values, another):
    more = holm({**p_values, "one more": another})
    assert all(more[name] >= p for name, p in holm(p_values).items())
