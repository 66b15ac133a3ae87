"""The gate's numbers from the issue and by hand, and its words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneline.quantization.config import Limit
from tuneline.quantization.gate import judge_variant, lower_bound, prompts_needed, upper_bound
from tuneline.reports import AnswerShares
from tuneline.significance import paired_difference

LIMITS = {"all": Limit()}


def shares(different: int, n: int, unstable: int = 0, lost: int = 0) -> AnswerShares:
    """`different` answers beyond the noise, of which `lost` turned from right to wrong."""
    scores = [0.0] * lost + [1.0] * (n - lost)
    difference = paired_difference(scores, [1.0] * n, threshold=-0.05)
    total = different + unstable
    return AnswerShares(n - total, 0, total, unstable, different, difference)


@pytest.mark.parametrize(
    ("k", "n", "passes"),
    [(4, 100, True), (5, 100, False), (12, 200, True), (13, 200, False), (38, 500, True)],
)
def test_4_of_100_and_12_of_200_different_answers_pass(k: int, n: int, passes: bool):
    verdict = judge_variant({"all": shares(k, n)}, LIMITS)
    assert (verdict.verdict == "pass") is passes


def test_the_bounds_are_those_of_clopper_and_pearson():
    """0 of n: 1 - 0.05^(1/n); the rule of three says 3 / n."""
    assert upper_bound(0, 29) == pytest.approx(1 - 0.05 ** (1 / 29))
    assert lower_bound(29, 29) == pytest.approx(0.05 ** (1 / 29))
    assert (upper_bound(0, 0), lower_bound(0, 0)) == (1.0, 0.0)


def test_a_share_beyond_doubt_above_the_limit_fails():
    verdict = judge_variant({"all": shares(30, 100)}, LIMITS)
    assert verdict.verdict == "fail"
    assert "30 of 100 answers differ: at least 22.5%" in verdict.reasons[0]


def test_too_few_prompts_cannot_tell_and_say_how_many_would():
    verdict = judge_variant({"all": shares(0, 12)}, LIMITS)
    assert verdict.verdict == "cannot tell"
    assert "at most 22.1% do" in verdict.reasons[0]
    assert "with this share 29 prompts would pass" in verdict.reasons[0]


def test_a_share_at_the_limit_is_passed_by_no_number_of_prompts():
    assert prompts_needed(0.10, 0.10) is None
    verdict = judge_variant({"all": shares(10, 100)}, LIMITS)
    assert verdict.verdict == "cannot tell"
    assert "no number of prompts would pass" in verdict.reasons[0]


@given(st.integers(0, 30), st.sampled_from([0.05, 0.1, 0.2]))
def test_the_prompts_needed_pass_and_fewer_do_not(k: int, limit: float):
    share = k / 400
    needed = prompts_needed(share, limit)
    if needed is not None:
        assert upper_bound(-int(-share * needed // 1), needed) <= limit + 1e-9
    else:
        assert share > limit / 2


def test_prompts_that_the_reference_changes_itself_tell_nothing():
    """5 of 100 would not do; where 3 of them are noise, 2 of 97 do."""
    verdict = judge_variant({"all": shares(2, 100, unstable=3)}, LIMITS)
    assert verdict.verdict == "pass"
    assert "2 of 97 answers differ; 3 more tell nothing" in verdict.reasons[0]


def test_a_reference_that_never_repeats_itself_cannot_tell():
    assert judge_variant({"all": shares(0, 100, unstable=100)}, LIMITS).verdict == "cannot tell"


def test_a_lost_score_fails_although_few_answers_differ():
    verdict = judge_variant({"all": shares(0, 100, lost=20)}, LIMITS)
    assert verdict.verdict == "fail"
    assert "loses more than 0.05 beyond doubt" in verdict.reasons[1]


def test_each_task_has_its_own_limit():
    limits = {"all": Limit(), "clauses": Limit(max_different=0.02, margin=0.05)}
    slices = {"all": shares(4, 200), "clauses": shares(4, 100)}
    verdict = judge_variant(slices, limits)
    assert verdict.verdict == "cannot tell"
    assert any(reason.startswith("clauses: 4 of 100 answers differ") for reason in verdict.reasons)
    assert judge_variant(slices, LIMITS).verdict == "pass"


def test_all_is_judged_also_where_only_a_task_has_a_limit():
    verdict = judge_variant({"all": shares(30, 100), "b": shares(0, 100)}, {"b": Limit()})
    assert verdict.verdict == "fail"


def test_a_limited_task_without_prompts_cannot_tell():
    verdict = judge_variant({"all": shares(0, 100)}, {"absent": Limit()})
    assert verdict.verdict == "cannot tell"
    assert "absent: none of the prompts is of this source" in verdict.reasons
