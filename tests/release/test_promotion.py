from dataclasses import replace

import pytest
from pydantic import ValidationError

from tuneline.errors import GateError
from tuneline.release.promotion import PromotionGate, decide_promotion
from tuneline.reports import Comparison, Difference, EvalReport, Score

GATE = PromotionGate()


def report(name, value, n_unscored=0, **slices):
    scores = {"all": value, **slices}
    return EvalReport(
        model=f"digest of {name}",
        name=name,
        holdout_digest="holdout",
        identities={"exact_match": "exact_match|v1"},
        scores={s: {"task_score": Score(v, 0, 1, 100, n_unscored)} for s, v in scores.items()},
        tokens_per_s=1.0,
    )


def difference(value, low, high, n=100):
    verdict = "better" if low > 0 else "worse" if high < 0 else "cannot tell"
    return Difference(value, low, high, n, verdict)


def comparison(gain, **slices):
    names = dict.fromkeys(slices, 0.5)
    candidate, baseline = report("candidate", 0.93, **names), report("base", 0.12, **names)
    return Comparison(candidate, baseline, {"all": gain, **slices})


BETTER = difference(0.81, 0.74, 0.88)


def test_a_gain_beyond_doubt_promotes_and_says_by_how_much():
    decision = decide_promotion(comparison(BETTER), GATE)
    assert (decision.verdict, decision.baseline) == ("promote", "base")
    assert decision.reasons == ("task_score 0.93 against 0.12 of base: +0.81 [0.74, 0.88], better",)


def test_a_gain_within_the_noise_is_neither_promoted_nor_refused():
    assert (
        decide_promotion(comparison(difference(0.02, -0.01, 0.05)), GATE).verdict == "cannot tell"
    )


def test_a_loss_beyond_doubt_is_refused():
    assert decide_promotion(comparison(difference(-0.2, -0.3, -0.1)), GATE).verdict == "refuse"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.11, 0.3, "promote"), (0.05, 0.3, "cannot tell"), (0.01, 0.1, "refuse")],
)
def test_the_interval_is_held_against_the_least_gain(low, high, verdict):
    gate = PromotionGate(min_gain=0.1)
    assert decide_promotion(comparison(difference(0.1, low, high)), gate).verdict == verdict


def test_two_equal_models_are_not_promoted():
    assert decide_promotion(comparison(difference(0, 0, 0)), GATE).verdict == "refuse"


def test_a_slice_that_surely_loses_too_much_refuses_a_better_model():
    decision = decide_promotion(comparison(BETTER, deeds=difference(-0.2, -0.3, -0.1)), GATE)
    assert decision.verdict == "refuse"
    assert decision.reasons[1:] == (
        "slice deeds: worse (-0.20 [-0.30, -0.10], n=100)",
        "slice deeds loses 0.20, more than 0.05",
    )


@pytest.mark.parametrize("loss", [difference(-0.2, -0.5, 0.1), difference(-0.04, -0.06, -0.02)])
def test_a_slice_that_may_have_lost_or_lost_little_does_not_refuse(loss):
    assert decide_promotion(comparison(BETTER, deeds=loss), GATE).verdict == "promote"


def test_a_slice_in_the_noise_is_told():
    small = difference(0.02, -0.05, 0.09, n=41)
    decision = decide_promotion(comparison(BETTER, overruling=small), GATE)
    assert decision.reasons[1] == "slice overruling: cannot tell (+0.02 [-0.05, 0.09], n=41)"


def test_failed_answers_refuse_a_better_model():
    half = replace(comparison(BETTER), candidate=report("candidate", 0.93, n_unscored=100))
    decision = decide_promotion(half, GATE)
    assert decision.verdict == "refuse"
    assert "only 100 of 200 answers of candidate could be scored" in decision.reasons[-1]


def test_reports_on_other_rows_are_never_compared():
    other = replace(report("base", 0.1), holdout_digest="another")
    with pytest.raises(GateError, match="measure both on one holdout"):
        decide_promotion(replace(comparison(BETTER), baseline=other), GATE)


def test_scores_of_another_identity_are_never_compared():
    other = replace(report("base", 0.1), identities={"exact_match": "exact_match|v2"})
    with pytest.raises(GateError, match=r"exact_match is 'exact_match\|v1' for candidate"):
        decide_promotion(replace(comparison(BETTER), baseline=other), GATE)


def test_a_missing_metric_is_an_error_and_not_a_zero():
    other = replace(report("base", 0.1), scores={"all": {}})
    with pytest.raises(GateError, match="base report has no 'task_score' for slice 'all'"):
        decide_promotion(replace(comparison(BETTER), baseline=other), GATE)


def test_a_missing_identity_is_an_error():
    other = replace(report("base", 0.1), identities={})
    with pytest.raises(GateError, match="base report has no identity of 'exact_match'"):
        decide_promotion(replace(comparison(BETTER), baseline=other), GATE)


@pytest.mark.parametrize("side", ["candidate", "baseline"])
def test_a_slice_that_one_report_lacks_is_an_error(side):
    whole = comparison(BETTER, deeds=difference(0, 0, 0))
    with pytest.raises(GateError, match="report has no slice 'deeds'"):
        decide_promotion(replace(whole, **{side: report(side, 0.5)}), GATE)


@pytest.mark.parametrize("name", ["all", "deeds"])
def test_a_missing_difference_is_an_error(name):
    whole = comparison(BETTER, deeds=difference(0, 0, 0))
    rest = {k: v for k, v in whole.differences.items() if k != name}
    with pytest.raises(GateError, match=f"no difference for slice '{name}'"):
        decide_promotion(replace(whole, differences=rest), GATE)


def test_a_misspelt_setting_is_an_error():
    with pytest.raises(ValidationError, match="min_gian"):
        PromotionGate(min_gian=0.1)
