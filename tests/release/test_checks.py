"""The gate's checks over hand-made reports."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.release.test_guards import forgetting
from tests.release.test_promotion import BETTER, comparison
from tuneline.release.checks import GateCheck, apply, approval_check, baseline_check
from tuneline.release.evidence import Evidence, LicenseFinding, check_all
from tuneline.release.promotion import Decision, PromotionGate
from tuneline.reports import (
    Certificate,
    Latency,
    LeakCheck,
    QuantizationReport,
    QuantizedVariant,
    Recommendation,
    Regressions,
    Score,
    VariantVerdict,
)

GATE = PromotionGate()
PROMOTE = Decision("promote", ("task_score +0.81",), "base")
RESULTS = st.sampled_from(["pass", "fail", "cannot tell"])


def certificate(remaining=0):
    check = LeakCheck("train", 80, "holdout", 20, found=3, remaining=remaining, examples=())
    return Certificate((check,), 0.7, "t", "v", "h")


def evidence(**changes):
    whole = comparison(BETTER)
    candidate = replace(whole.candidate, latency=Latency(0.4, 1.2, 1.9, 100))
    measured = replace(whole, candidate=candidate, regressions=Regressions(3, 40, 0.5, "digest"))
    licenses = (LicenseFinding("licence of the data", "pass", "cc-by-4.0"),)
    whole = Evidence(PROMOTE, measured, None, certificate(), None, licenses)
    return replace(whole, **changes)


def found(name, gate=GATE, **changes):
    return next(check for check in check_all(evidence(**changes), gate) if check.name == name)


def quantized(verdict, chosen=None):
    variant = QuantizedVariant(
        "nf4", 105, 20, Score(0.7, 0.6, 0.8, 10), 9, 0, 1, gate=VariantVerdict(verdict, ())
    )
    advice = (Recommendation("gpu-8gb", chosen, "nothing fits: nf4 fails the gate"),)
    return QuantizationReport((variant,), 10, 0.6, recommendations=advice)


def test_a_candidate_with_nothing_against_it_passes_and_what_was_not_asked_is_said():
    checks = check_all(evidence(), GATE)
    assert not any(check.blocks for check in checks)
    assert apply(PROMOTE, checks) == PROMOTE
    assert found("forgetting").found == "the profile asks no general questions"


def test_every_check_that_does_not_pass_says_what_would_change_it():
    bad = evidence(
        decision=Decision("cannot tell", (), "base"),
        certificate=certificate(2),
        forgetting=forgetting("lost", True),
        quantizations=quantized("fail"),
        licenses=(LicenseFinding("licence of the data", "fail", "cc-by-nc-4.0"),),
    )
    gate = PromotionGate(max_p95_latency_s=1, max_regression_share=0.07, targets=("gpu-8gb",))
    checks = check_all(bad, gate)
    assert len(checks) == 7
    assert all(check.blocks and check.way_out for check in checks)


@pytest.mark.parametrize(("limit", "result"), [(None, "pass"), (1.2, "pass"), (1.19, "fail")])
def test_latency_is_held_to_its_limit_only_where_one_is_set(limit, result):
    check = found("latency", PromotionGate(max_p95_latency_s=limit))
    assert (check.result, check.blocks) == (result, result == "fail")
    assert "p95 1.20 s over 100 answers" in check.found


def test_a_latency_that_was_not_measured_is_no_pass():
    unknown = comparison(BETTER)
    assert not found("latency", comparison=unknown).blocks
    assert found("latency", PromotionGate(max_p95_latency_s=1), comparison=unknown).blocks


@pytest.mark.parametrize(("limit", "result"), [(None, "pass"), (0.08, "pass"), (0.07, "fail")])
def test_regressions_are_held_to_their_limit_only_where_one_is_set(limit, result):
    check = found("regressions", PromotionGate(max_regression_share=limit))
    assert check.result == result
    assert check.found.startswith("3 of 40 rows that base has right (7.5%)")


def test_a_leak_that_is_left_fails_with_its_number():
    check = found("leakage", certificate=certificate(2))
    assert check.blocks
    assert check.found == "1 comparisons at Jaccard 0.7: 3 leaks dropped, 2 left"


@pytest.mark.parametrize(
    ("verdict", "chosen", "result"),
    [("fail", None, "fail"), ("cannot tell", None, "cannot tell"), ("pass", "nf4", "pass")],
)
def test_a_machine_needs_a_variant_only_where_the_gate_names_it(verdict, chosen, result):
    told = found("quantization for gpu-8gb", quantizations=quantized(verdict, chosen))
    assert (told.result, told.blocks) == (result, False)
    gate = PromotionGate(targets=("gpu-8gb",))
    asked = found("quantization for gpu-8gb", gate, quantizations=quantized(verdict, chosen))
    assert asked.blocks == (result != "pass")
    assert found("quantization for gpu-8gb", gate).found == "no variant was compared"


def test_an_unclear_licence_is_told_and_a_forbidden_one_refuses():
    unclear = (LicenseFinding("licence of the data", "cannot tell", "cc-by-nc-4.0"),)
    assert not found("licence of the data", licenses=unclear).blocks
    forbidden = (LicenseFinding("licence of the data", "fail", "cc-by-nc-4.0"),)
    checks = check_all(evidence(licenses=forbidden), GATE)
    decision = apply(PROMOTE, checks)
    assert decision.verdict == "refuse"
    assert decision.reasons[-1] == "licence of the data: fail, cc-by-nc-4.0"


def test_a_release_that_was_measured_against_another_champion_is_not_promoted():
    assert not baseline_check(None, None).blocks
    assert not baseline_check("v1.0-lawyer-20250401", "v1.0-lawyer-20250401").blocks
    stale = baseline_check("v1.0-lawyer-20250401", "v1.1-lawyer-20250408")
    assert stale.blocks
    assert "champion is v1.1-lawyer-20250408 now" in stale.found


def test_approval_is_open_until_somebody_gives_it():
    assert not approval_check(False, None, "v1.0-lawyer-20250401").blocks
    asked = approval_check(True, None, "v1.0-lawyer-20250401")
    assert (asked.result, asked.blocks) == ("cannot tell", True)
    assert "tuneline approve v1.0-lawyer-20250401" in asked.way_out
    assert not approval_check(True, "ann", "v1.0-lawyer-20250401").blocks


@given(st.lists(st.tuples(RESULTS, st.booleans())), st.sampled_from(["promote", "refuse"]))
def test_only_required_checks_move_the_verdict_and_never_to_promote(results, verdict):
    checks = [GateCheck(f"c{i}", r, "", "", must) for i, (r, must) in enumerate(results)]
    decided = apply(Decision(verdict, (), "base"), checks).verdict
    required = {r for r, must in results if must}
    if verdict == "refuse" or "fail" in required:
        assert decided == "refuse"
    else:
        assert decided == ("cannot tell" if "cannot tell" in required else "promote")
