"""Candidate against baseline on the same rows: paired differences that are judged together."""

from collections.abc import Mapping

import polars as pl

from tuneline.errors import EvaluationError
from tuneline.reports import ALL, TASK_SCORE, Comparison, Difference, EvalReport
from tuneline.significance import (
    Certainty,
    detectable_gain,
    judged_together,
    paired_difference,
)

ANY_GAIN = {TASK_SCORE: 0.0}


def compare(
    candidate: EvalReport,
    baseline: EvalReport,
    candidate_scores: pl.DataFrame,
    baseline_scores: pl.DataFrame,
    certainty: Certainty | None = None,
    thresholds: Mapping[str, float] = ANY_GAIN,
) -> Comparison:
    """Paired differences of the gate's metrics over all records, and of `task_score` per source.

    The metrics are judged together, and so are the sources: among many one looks better or worse
    by chance.

    Args:
        candidate: Its report.
        baseline: The baseline's.
        candidate_scores: Scores per record as `score_records` gave them.
        baseline_scores: The same of the baseline; rows in any order.
        certainty: How sure verdicts have to be.
        thresholds: Metric that the gate asks for -> the difference that it has to exceed;
            `task_score` among them.

    Raises:
        EvaluationError: The two were not measured in the same way on the same rows, or no record
            has a score by one of the metrics for both.
    """
    _check_identities(candidate, baseline)
    certainty = certainty or Certainty()
    known = [name for name in thresholds if name in baseline_scores.columns]
    theirs = baseline_scores.select("digest", *(pl.col(m).alias(f"{m} of baseline") for m in known))
    paired = candidate_scores.join(theirs, on="digest", how="left", maintain_order="left")

    def difference(rows: pl.DataFrame, part: str, metric: str, n_questions: int) -> Difference:
        if metric not in known or metric not in rows.columns:
            raise EvaluationError(
                f"{metric} is in the gate, but not measured on the holdout; add it to "
                "evaluation.metrics or take it out of gate.metrics"
            )
        try:
            return paired_difference(
                rows[metric].to_list(),
                rows[f"{metric} of baseline"].to_list(),
                certainty,
                threshold=thresholds[metric] if part == ALL else 0.0,
                noise=max(_noise(report, part, metric) for report in (candidate, baseline)),
                n_questions=n_questions,
            )
        except ValueError as error:
            raise EvaluationError(f"{metric} of {part}: {error}") from error

    metrics = judged_together(
        {metric: difference(paired, ALL, metric, len(thresholds)) for metric in thresholds},
        certainty,
    )
    sources = [name for name in candidate.scores if name in baseline.scores and name != ALL]
    by_source = judged_together(
        {
            name: difference(
                paired.filter(pl.col("source") == name), name, TASK_SCORE, len(sources)
            )
            for name in sources
        },
        certainty,
    )
    return Comparison(
        candidate=candidate,
        baseline=baseline,
        differences={ALL: metrics[TASK_SCORE], **by_source},
        metrics=metrics,
        confidence=1 - certainty.alpha,
    )


def detectable_gains(
    baseline_scores: pl.DataFrame, certainty: Certainty, n_metrics: int = 1
) -> dict[str, float | None]:
    """Least gain in `task_score` that each slice shows; to be declared before a candidate answers.

    Args:
        baseline_scores: Scores per record of the baseline.
        certainty: How sure verdicts have to be.
        n_metrics: Metrics that the gate judges together.

    Returns:
        Slice, `all` first -> gain; None where it shows none.
    """
    sources = {
        p["source"][0]: p for p in baseline_scores.partition_by("source", maintain_order=True)
    }
    gains = {ALL: _detectable(baseline_scores, certainty, n_metrics)}
    return gains | {
        name: _detectable(part, certainty, len(sources)) for name, part in sources.items()
    }


def _detectable(rows: pl.DataFrame, certainty: Certainty, n_questions: int) -> float | None:
    return detectable_gain(rows[TASK_SCORE].drop_nulls().to_numpy(), certainty, n_questions)


def _check_identities(candidate: EvalReport, baseline: EvalReport) -> None:
    for metric, identity in candidate.identities.items():
        if baseline.identities.get(metric) != identity:
            raise EvaluationError(
                f"{metric} of {candidate.name} and {baseline.name} cannot be compared: "
                f"{identity} against {baseline.identities.get(metric)}"
            )


def _noise(report: EvalReport, part: str, metric: str) -> float:
    """How far the mean moves when the model answers once more; 0 where nobody asked."""
    return report.noise.moved.get(part, {}).get(metric, 0.0) if report.noise else 0.0
