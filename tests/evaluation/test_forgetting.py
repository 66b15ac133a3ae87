"""General questions: kept, lost or cannot tell, by hand."""

import polars as pl
import pytest

from tuneline.errors import EvaluationError
from tuneline.evaluation.config import GeneralConfig
from tuneline.evaluation.forgetting import check_unseen, judge_forgetting
from tuneline.reports import Certificate, LeakCheck

LIMIT = GeneralConfig(benchmark="general", max_loss=0.1)


def scores(n_right: int, n: int = 60):
    return pl.DataFrame(
        {
            "digest": [f"{i:03}" for i in range(n)],
            "task_score": [float(i < n_right) for i in range(n)],
        }
    )


@pytest.mark.parametrize(
    ("n_right", "verdict"),
    [
        (40, "lost"),  # 20 of 60 fewer than the base: 0.33
        (60, "kept"),
        (59, "kept"),  # 0.017 fewer, at least -0.05
        (55, "cannot tell"),  # 0.083 fewer, down to -0.15: worse, but perhaps within the limit
    ],
)
def test_a_loss_is_held_against_the_limit(n_right: int, verdict: str):
    found = judge_forgetting(scores(n_right), scores(60).reverse(), LIMIT)
    assert found.verdict == verdict
    assert found.blocks == (verdict == "lost")
    assert found.difference.value == pytest.approx((n_right - 60) / 60)
    assert (found.candidate.value, found.base.value) == (n_right / 60, 1.0)


def test_a_loss_beyond_the_limit_that_may_be_chance_blocks_only_where_asked():
    ours = scores(6, 12).with_columns(task_score=1 - pl.col("task_score"))
    base = scores(8, 12)  # 2 of 12 fewer, but most rows changed: 0.17 worse, give or take 0.5
    found = judge_forgetting(ours, base, LIMIT)
    assert (found.verdict, found.blocks) == ("cannot tell", False)
    strict = LIMIT.model_copy(update={"blocks_when_unclear": True})
    assert judge_forgetting(ours, base, strict).blocks
    assert not judge_forgetting(scores(60), scores(60), strict).blocks


def test_a_base_that_knows_next_to_nothing_has_nothing_to_lose():
    assert judge_forgetting(scores(0), scores(0), LIMIT).verdict == "cannot tell"
    assert judge_forgetting(scores(0), scores(6), LIMIT).verdict == "cannot tell"
    assert judge_forgetting(scores(0), scores(30), LIMIT).verdict == "lost"


def test_questions_that_nobody_answered_are_an_error_and_not_a_zero():
    failed = scores(3, 6).with_columns(task_score=pl.lit(None, dtype=pl.Float64))
    with pytest.raises(EvaluationError, match="no question of general was answered by both"):
        judge_forgetting(failed, scores(3, 6), LIMIT)


def test_questions_that_no_leak_check_saw_do_not_count():
    checks = (LeakCheck("train and validation", "general.jsonl", 9, 3, 0, 0, ()),)
    certificate = Certificate(checks, 0.8, "train", "validation", "holdout")
    check_unseen(certificate, ["general.jsonl"])
    for unchecked in (None, certificate):
        with pytest.raises(EvaluationError, match=r"other\.jsonl was never compared"):
            check_unseen(unchecked, ["other.jsonl"])
