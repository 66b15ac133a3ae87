"""What keeps a candidate from promotion beside the gate itself."""

from dataclasses import replace

import pytest

from tests.release.test_promotion import BETTER, comparison
from tuneline.release.guards import guard
from tuneline.release.promotion import PromotionGate, decide_promotion
from tuneline.reports import Difference, Forgetting, Look, Regressions, Score

GATE = PromotionGate()
FRESH, WORN = Look(0, 50, 50), Look(2, 51, 50)
LISTED = replace(comparison(BETTER), regressions=Regressions(3, 40, 0.5, "digest"))


def forgetting(verdict, blocks):
    scores = Score(0.5, 0.4, 0.6, 60), Score(0.7, 0.6, 0.8, 60)
    return Forgetting(
        "general", *scores, Difference(-0.2, -0.3, -0.1, 60, "worse"), 0.05, verdict, blocks
    )


def guarded(compared=LISTED, gate=GATE, forgotten=None, look=FRESH):
    return guard(decide_promotion(compared, gate), compared, gate, forgotten, look)


def test_nothing_to_object_leaves_the_verdict_and_says_what_was_seen():
    decision = guarded(forgotten=forgetting("kept", False))
    assert decision.verdict == "promote"
    assert "3 of 40 rows (7.5%) that base has right are no longer right" in decision.reasons
    assert decision.reasons[-1] == (
        "general: 0.50 against 0.70 of base, -0.20 [-0.30, -0.10], n=60: "
        "a loss of more than 0.05 is ruled out"
    )


@pytest.mark.parametrize(("limit", "verdict"), [(0.08, "promote"), (0.07, "refuse"), (0, "refuse")])
def test_more_regressions_than_the_gate_allows_refuse(limit, verdict):
    decision = guarded(gate=PromotionGate(max_regression_share=limit))
    assert decision.verdict == verdict
    assert any("are regressions, more than" in r for r in decision.reasons) == (verdict == "refuse")


def test_a_clear_loss_on_general_questions_refuses_and_says_so():
    decision = guarded(forgotten=forgetting("lost", True))
    assert decision.verdict == "refuse"
    assert decision.reasons[-1] == "forgot more on general than 0.05"


@pytest.mark.parametrize(("blocks", "verdict"), [(False, "promote"), (True, "refuse")])
def test_an_unclear_loss_refuses_only_by_setting(blocks, verdict):
    decision = guarded(forgotten=forgetting("cannot tell", blocks))
    assert decision.verdict == verdict
    assert any("cannot tell whether it is worse by more than 0.05" in r for r in decision.reasons)


def test_a_worn_holdout_is_said_with_the_way_to_a_fresh_one_and_refuses_nothing():
    decision = guarded(look=WORN)
    assert decision.verdict == "promote"
    assert "look 51, 50 were planned" in decision.reasons[-1]
    assert "data.split.holdout_generation to 3" in decision.reasons[-1]
    assert not any("worn" in reason for reason in guarded().reasons)


def test_a_guard_never_turns_a_refusal_into_a_promotion():
    worse = replace(LISTED, differences={"all": Difference(-0.2, -0.3, -0.1, 100, "worse")})
    assert guarded(worse, forgotten=forgetting("kept", False)).verdict == "refuse"
