"""Did the candidate forget what the base model knew? Paired scores on general questions."""

import polars as pl

from tuneline.errors import EvaluationError
from tuneline.evaluation.config import GeneralConfig
from tuneline.reports import TASK_SCORE, Certificate, Difference, Forgetting, ForgettingVerdict
from tuneline.significance import paired_difference, score


def judge_forgetting(
    candidate: pl.DataFrame, base: pl.DataFrame, config: GeneralConfig
) -> Forgetting:
    """Hold the paired difference against the limit.

    Args:
        candidate: Scores per question as `score_records` gave them.
        base: Scores of the same questions in any order.
        config: The limit.

    Raises:
        EvaluationError: No question was answered by both models.
    """
    other = base.select("digest", pl.col(TASK_SCORE).alias("base"))
    paired = candidate.join(other, on="digest", how="left").sort("digest")
    ours, theirs = paired[TASK_SCORE], paired["base"]
    if not (ours.is_not_null() & theirs.is_not_null()).any():
        raise EvaluationError(f"no question of {config.benchmark} was answered by both models")
    difference = paired_difference(ours.to_list(), theirs.to_list())
    scores = score(ours.to_list()), score(theirs.to_list())
    verdict = _verdict(difference, scores[1].value, config.max_loss)
    is_blocking = verdict == "lost" or (verdict == "cannot tell" and config.blocks_when_unclear)
    return Forgetting(config.benchmark, *scores, difference, config.max_loss, verdict, is_blocking)


def _verdict(difference: Difference, base: float, max_loss: float) -> ForgettingVerdict:
    """What the difference says; a base score of no more than `max_loss` cannot lose more."""
    if base <= max_loss:
        return "cannot tell"
    if difference.value < -max_loss and difference.high < 0:
        return "lost"
    return "kept" if difference.low >= -max_loss else "cannot tell"


def check_unseen(certificate: Certificate | None, files: list[str]) -> None:
    """General questions count only where a leak check says that none was trained on.

    Args:
        certificate: Of the splits that the candidate learned from.
        files: The benchmark's files.

    Raises:
        EvaluationError: A file was not compared with train and validation.
    """
    checked = {check.hidden for check in certificate.checks} if certificate else set()
    if missing := sorted(set(files) - checked):
        raise EvaluationError(
            f"{missing[0]} was never compared with the training data; prepare the data again"
        )
