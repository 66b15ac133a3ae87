"""Rows that a baseline has right and a candidate does not, for a person to read and sign."""

from pathlib import Path

import polars as pl

from tuneline.reports import TASK_SCORE, Regressions
from tuneline.store import file_digest

REGRESSIONS = "regressions.jsonl"
REPORT = "regressions.json"
COLUMNS = (
    *("digest", "source", "place", "prompt", "reference"),
    *("baseline_answer", "candidate_answer", "baseline_score", "candidate_score"),
)


def find_regressions(
    candidate: pl.DataFrame, baseline: pl.DataFrame, right_from: float
) -> pl.DataFrame:
    """Rows whose `task_score` is at least `right_from` for the baseline only.

    A row that the candidate failed to answer is among them, with a null score.

    Args:
        candidate: Scores per record as `score_records` gave them.
        baseline: Scores of the same records in any order.
        right_from: task_score from which an answer counts as right.

    Returns:
        `COLUMNS`, in the order of the digests.
    """
    other = baseline.select(
        "digest", baseline_answer="prediction", baseline_score=pl.col(TASK_SCORE)
    )
    both = candidate.rename({"prediction": "candidate_answer", TASK_SCORE: "candidate_score"})
    both = both.join(other, on="digest", how="left").sort("digest").select(COLUMNS)
    is_right = (pl.col("candidate_score") >= right_from).fill_null(value=False)
    return both.filter((pl.col("baseline_score") >= right_from) & ~is_right)


def save_regressions(
    folder: Path, candidate: pl.DataFrame, baseline: pl.DataFrame, right_from: float
) -> Regressions:
    """Write `regressions.jsonl`, one row a line, and say how many there are; arguments as above."""
    path = folder / REGRESSIONS
    rows = find_regressions(candidate, baseline, right_from)
    rows.write_ndjson(path)
    n_right = int((baseline[TASK_SCORE] >= right_from).sum())
    return Regressions(len(rows), n_right, right_from, file_digest(path))
