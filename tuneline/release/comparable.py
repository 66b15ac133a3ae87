"""What a comparison has to hold before it can be decided on; what it lacks is an error, not 0."""

from collections.abc import Iterator

from tuneline.errors import GateError
from tuneline.reports import ALL, TASK_SCORE, Comparison, Difference, EvalReport, Score


def check_comparable(comparison: Comparison) -> None:
    """Refuse reports that are not about the same rows and metrics.

    Raises:
        GateError: They are not.
    """
    candidate, baseline = comparison.candidate, comparison.baseline
    if candidate.holdout_digest != baseline.holdout_digest:
        raise GateError(
            f"{candidate.name} was measured on holdout {candidate.holdout_digest[:12]}, "
            f"{baseline.name} on {baseline.holdout_digest[:12]}; measure both on one holdout"
        )
    for metric in sorted({*candidate.identities, *baseline.identities}):
        ours, theirs = (_identity(report, metric) for report in (candidate, baseline))
        if ours != theirs:
            raise GateError(
                f"{metric} is '{ours}' for {candidate.name} but '{theirs}' for "
                f"{baseline.name}; measure both with the same settings"
            )


def score_of(report: EvalReport, part: str, metric: str = TASK_SCORE) -> Score:
    """A model's score of one slice.

    Raises:
        GateError: The report has no such slice or metric.
    """
    if part not in report.scores:
        raise GateError(f"{report.name} report has no slice '{part}'; measure it again")
    if metric not in report.scores[part]:
        raise GateError(
            f"{report.name} report has no '{metric}' for slice '{part}'; measure it again"
        )
    return report.scores[part][metric]


def slice_difference(comparison: Comparison, part: str) -> Difference:
    """Difference of `task_score` in one slice.

    Raises:
        GateError: A score or the difference is missing.
    """
    score_of(comparison.candidate, part)
    score_of(comparison.baseline, part)
    if part not in comparison.differences:
        raise GateError(f"the comparison has no difference for slice '{part}'; compare again")
    return comparison.differences[part]


def slice_differences(comparison: Comparison) -> Iterator[tuple[str, Difference]]:
    """Differences of `task_score` per source, by name.

    Raises:
        GateError: One that a report has is missing elsewhere.
    """
    names = {*comparison.candidate.scores, *comparison.baseline.scores, *comparison.differences}
    return ((name, slice_difference(comparison, name)) for name in sorted(names - {ALL}))


def metric_difference(comparison: Comparison, metric: str, threshold: float) -> Difference:
    """Difference of a metric of the gate over all records.

    Raises:
        GateError: It is missing, or was tested against another difference than the gate's.
    """
    if metric == TASK_SCORE:
        found = slice_difference(comparison, ALL)
    elif metric in comparison.metrics:
        found = comparison.metrics[metric]
    else:
        raise GateError(f"the comparison has no difference of '{metric}'; compare again")
    if found.threshold != threshold:
        raise GateError(
            f"{metric} was tested against a difference of {found.threshold:+g}, "
            f"the gate asks for {threshold:+g}; compare again"
        )
    return found


def _identity(report: EvalReport, metric: str) -> str:
    if metric not in report.identities:
        raise GateError(f"{report.name} report has no identity of '{metric}'; measure it again")
    return report.identities[metric]
