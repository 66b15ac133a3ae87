from dataclasses import replace

import pytest
from pydantic import ValidationError

from tuneline.errors import GateError
from tuneline.release.promotion import PromotionGate, decide_promotion
from tuneline.reports import Comparison, Difference, EvalReport, Noise, Score

GATE = PromotionGate()
HOLDOUT = "100 records show a gain in task_score of 0.15 or more with a chance of 80%"


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


def difference(value, low, high, n=100, than=0.0, p=None):
    verdict = "better" if low > than else "worse" if high < than else "cannot tell"
    p_value = p or (0.4 if verdict == "cannot tell" else 0.004)
    return Difference(value, low, high, n, verdict, than, p_value, p_value, 0.15, 240)


def comparison(gain, metrics=(), **slices):
    names = dict.fromkeys(slices, 0.5)
    candidate, baseline = report("candidate", 0.93, **names), report("base", 0.12, **names)
    for one in (candidate, baseline):
        one.scores["all"] |= {name: Score(0.4, 0, 1, 100) for name, _ in metrics}
    asked = {"task_score": gain, **dict(metrics)}
    return Comparison(candidate, baseline, {"all": gain, **slices}, asked)


BETTER = difference(0.81, 0.74, 0.88)


def test_a_gain_beyond_doubt_promotes_and_says_by_how_much():
    decision = decide_promotion(comparison(BETTER), GATE)
    assert (decision.verdict, decision.baseline) == ("promote", "base")
    assert decision.reasons == (
        HOLDOUT,
        "task_score 0.93 against 0.12 of base: +0.81 [0.74, 0.88], p = 0.004, better",
    )


def test_a_gain_that_may_be_chance_is_neither_promoted_nor_refused_and_the_missing_rows_are_named():
    decision = decide_promotion(comparison(difference(0.02, -0.01, 0.05)), GATE)
    assert decision.verdict == "cannot tell"
    assert decision.reasons[-1] == (
        "about 240 more records needed to show a gain in task_score of 0.05, with a chance of 80%"
    )


def test_a_large_holdout_that_shows_no_gain_says_that_it_would_have():
    enough = replace(difference(0.001, -0.01, 0.012), more_rows=0)
    decision = decide_promotion(comparison(enough), GATE)
    assert decision.reasons[-1] == (
        "these 100 records would have shown a gain in task_score of 0.05, with a chance of 80%"
    )


def test_a_holdout_that_can_show_nothing_says_so():
    hopeless = replace(BETTER, detectable=None)
    assert decide_promotion(comparison(hopeless), GATE).reasons[0] == (
        "100 records show no gain in task_score with a chance of 80%, however good the candidate"
    )


def test_the_noise_of_one_model_is_told_beside_the_gain():
    noisy = comparison(difference(0.02, 0.01, 0.03))
    noise = Noise(2, 0.4, {"all": {"task_score": 0.031}})
    told = replace(noisy, baseline=replace(noisy.baseline, noise=noise))
    assert decide_promotion(told, GATE).reasons[-1] == (
        "task_score of base moves by 0.031 when it answers once more"
    )


def test_a_loss_beyond_doubt_is_refused():
    assert decide_promotion(comparison(difference(-0.2, -0.3, -0.1)), GATE).verdict == "refuse"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.11, 0.3, "promote"), (0.05, 0.3, "cannot tell"), (0.01, 0.09, "refuse")],
)
def test_the_difference_is_held_against_the_least_gain(low, high, verdict):
    gate = PromotionGate(min_gain=0.1)
    gain = difference(0.1, low, high, than=0.1)
    assert decide_promotion(comparison(gain), gate).verdict == verdict


def test_a_comparison_against_another_least_gain_is_an_error():
    with pytest.raises(
        GateError, match=r"difference of \+0, the gate asks for \+0.1; compare again"
    ):
        decide_promotion(comparison(BETTER), PromotionGate(min_gain=0.1))


def test_two_equal_models_are_not_promoted():
    assert decide_promotion(comparison(difference(0, 0, 0)), GATE).verdict == "cannot tell"


METRICS_GATE = PromotionGate(metrics={"rougeL": "not worse", "citations": "better"})
SURE = (
    ("rougeL", difference(-0.01, -0.03, 0.01, than=-0.05)),
    ("citations", difference(0.1, 0.02, 0.2)),
)


def test_every_metric_of_the_gate_has_to_show_what_is_asked_of_it():
    decision = decide_promotion(comparison(BETTER, SURE), METRICS_GATE)
    assert decision.verdict == "promote"
    assert decision.reasons[2:] == (
        "rougeL 0.40 against 0.40 of base: -0.01 [-0.03, 0.01], p = 0.004, better than -0.05",
        "citations 0.40 against 0.40 of base: +0.10 [0.02, 0.20], p = 0.004, better",
    )


@pytest.mark.parametrize(
    ("rouge", "verdict"),
    [
        (difference(-0.02, -0.08, 0.04, than=-0.05), "cannot tell"),
        (difference(-0.2, -0.3, -0.1, than=-0.05), "refuse"),
    ],
)
def test_a_metric_that_may_have_lost_too_much_stops_a_better_model(rouge, verdict):
    decision = decide_promotion(comparison(BETTER, (("rougeL", rouge), SURE[1])), METRICS_GATE)
    assert decision.verdict == verdict


def test_the_rows_that_are_missing_for_a_margin_are_named():
    unclear = difference(-0.02, -0.08, 0.04, than=-0.05)
    decision = decide_promotion(comparison(BETTER, (("rougeL", unclear), SURE[1])), METRICS_GATE)
    assert decision.reasons[3] == (
        "about 240 more records needed to show that rougeL does not lose 0.05, with a chance of 80%"
    )


def test_a_metric_of_the_gate_that_was_not_compared_is_an_error():
    with pytest.raises(GateError, match="no difference of 'citations'; compare again"):
        decide_promotion(comparison(BETTER, SURE[:1]), METRICS_GATE)


def test_a_p_value_that_holm_changed_says_so_and_a_small_one_is_never_zero():
    held = replace(difference(0.02, 0.001, 0.05, p=0.02), p_adjusted=0.06, verdict="cannot tell")
    assert (
        "p = 0.060 after Holm, cannot tell" in decide_promotion(comparison(held), GATE).reasons[1]
    )
    tiny = difference(0.81, 0.74, 0.88, p=0.0002)
    assert "p < 0.001, better" in decide_promotion(comparison(tiny), GATE).reasons[1]


def test_the_gate_says_how_sure_a_verdict_has_to_be():
    gate = PromotionGate(
        alpha=0.01, power=0.9, wanted_gain=0.1, min_gain=0.02, metrics={"bleu": "better"}
    )
    assert (gate.certainty.alpha, gate.certainty.power) == (0.01, 0.9)
    assert gate.thresholds == {"task_score": 0.02, "bleu": 0.0}
    with pytest.raises(ValidationError, match="task_score is always asked for"):
        PromotionGate(metrics={"task_score": "better"})


def test_a_slice_that_surely_loses_too_much_refuses_a_better_model():
    decision = decide_promotion(comparison(BETTER, deeds=difference(-0.2, -0.3, -0.1)), GATE)
    assert decision.verdict == "refuse"
    assert decision.reasons[2:] == (
        "slice deeds: worse (-0.20 [-0.30, -0.10], n=100, p = 0.004)",
        "slice deeds loses 0.20, more than 0.05 (p = 0.004)",
    )


def test_a_slice_that_is_worse_as_one_of_many_by_chance_does_not_refuse():
    loss = replace(difference(-0.2, -0.3, -0.1, p=0.02), p_adjusted=0.2, verdict="cannot tell")
    decision = decide_promotion(comparison(BETTER, deeds=loss), GATE)
    assert decision.verdict == "promote"
    assert decision.reasons[2] == (
        "slice deeds: cannot tell (-0.20 [-0.30, -0.10], n=100, p = 0.200 after Holm); "
        "a loss of more than 0.05 is not ruled out"
    )


@pytest.mark.parametrize("loss", [difference(-0.2, -0.5, 0.1), difference(-0.04, -0.06, -0.02)])
def test_a_slice_that_may_have_lost_or_lost_little_does_not_refuse(loss):
    assert decide_promotion(comparison(BETTER, deeds=loss), GATE).verdict == "promote"


def test_a_slice_in_the_noise_is_told():
    small = difference(0.02, -0.05, 0.09, n=41)
    decision = decide_promotion(comparison(BETTER, overruling=small), GATE)
    assert decision.reasons[2] == (
        "slice overruling: cannot tell (+0.02 [-0.05, 0.09], n=41, p = 0.400)"
    )


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
