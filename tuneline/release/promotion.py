"""Does a candidate replace its baseline? A pure decision over reports."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tuneline.errors import GateError
from tuneline.reports import ALL, TASK_SCORE, Comparison, Difference, EvalReport, Score

Verdict = Literal["promote", "refuse", "cannot tell"]


class PromotionGate(BaseModel):
    """What a candidate has to show before it is promoted."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    min_gain: float = Field(default=0.0, ge=-1, le=1)
    """The 95 % interval of the gain in task_score must lie above this."""
    max_slice_loss: float = Field(default=0.05, ge=0, le=1)
    """A slice that is worse beyond doubt may lose this much task_score, no more."""
    min_scored_fraction: float = Field(default=0.95, ge=0, le=1)
    """Share of the holdout that the candidate must have answered without a failure."""
    max_regression_share: float | None = Field(default=None, ge=0, le=1)
    """Of the rows that the baseline has right, the share that the candidate may have wrong; unset:
    they are counted and listed for a person, and refuse nothing."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's verdict and what it rests on."""

    verdict: Verdict
    reasons: tuple[str, ...]
    """Plain sentences with numbers: the gain, each slice, and what speaks against promotion."""
    baseline: str
    """Name of the model that the candidate was compared with."""


def decide_promotion(comparison: Comparison, gate: PromotionGate) -> Decision:
    """Promote, refuse, or say that the holdout is too small to tell.

    A gain whose interval lies above `min_gain` promotes; one whose interval lies at or below it
    refuses; else nobody can tell. Too many failed answers, or a slice that is worse beyond doubt
    by more than `max_slice_loss`, refuse whatever the gain.

    Raises:
        GateError: A metric or a slice is missing, or the reports are not about the same rows
            and metrics.
    """
    _check_comparable(comparison)
    gain = _difference(comparison, ALL)
    objections = [*_failed_answers(comparison.candidate, gate), *_slice_losses(comparison, gate)]
    reasons = (_gain_sentence(comparison, gain), *_slice_sentences(comparison), *objections)
    if objections or gain.high <= gate.min_gain:
        return Decision("refuse", reasons, comparison.baseline.name)
    verdict: Verdict = "promote" if gain.low > gate.min_gain else "cannot tell"
    return Decision(verdict, reasons, comparison.baseline.name)


def _check_comparable(comparison: Comparison) -> None:
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


def _identity(report: EvalReport, metric: str) -> str:
    if metric not in report.identities:
        raise GateError(f"{report.name} report has no identity of '{metric}'; measure it again")
    return report.identities[metric]


def _score(report: EvalReport, slice_name: str) -> Score:
    if slice_name not in report.scores:
        raise GateError(f"{report.name} report has no slice '{slice_name}'; measure it again")
    if TASK_SCORE not in report.scores[slice_name]:
        raise GateError(
            f"{report.name} report has no '{TASK_SCORE}' for slice '{slice_name}'; measure it again"
        )
    return report.scores[slice_name][TASK_SCORE]


def _difference(comparison: Comparison, slice_name: str) -> Difference:
    _score(comparison.candidate, slice_name)
    _score(comparison.baseline, slice_name)
    if slice_name not in comparison.differences:
        raise GateError(f"the comparison has no difference for slice '{slice_name}'; compare again")
    return comparison.differences[slice_name]


def _slices(comparison: Comparison) -> Iterator[tuple[str, Difference]]:
    names = {*comparison.candidate.scores, *comparison.baseline.scores, *comparison.differences}
    return ((name, _difference(comparison, name)) for name in sorted(names - {ALL}))


def _failed_answers(report: EvalReport, gate: PromotionGate) -> Iterator[str]:
    score = _score(report, ALL)
    total = score.n + score.n_unscored
    if total == 0:
        raise GateError(f"{report.name} report holds no record; measure it on a holdout")
    if score.n / total < gate.min_scored_fraction:
        yield (
            f"only {score.n} of {total} answers of {report.name} could be scored, "
            f"fewer than {gate.min_scored_fraction:.0%}"
        )


def _slice_losses(comparison: Comparison, gate: PromotionGate) -> Iterator[str]:
    for name, loss in _slices(comparison):
        if loss.high < 0 and loss.value < -gate.max_slice_loss:
            yield f"slice {name} loses {-loss.value:.2f}, more than {gate.max_slice_loss:.2f}"


def _gain_sentence(comparison: Comparison, gain: Difference) -> str:
    ours, theirs = _score(comparison.candidate, ALL), _score(comparison.baseline, ALL)
    return (
        f"{TASK_SCORE} {ours.value:.2f} against {theirs.value:.2f} of {comparison.baseline.name}: "
        f"{_interval(gain)}, {gain.verdict}"
    )


def _slice_sentences(comparison: Comparison) -> Iterator[str]:
    for name, change in _slices(comparison):
        yield f"slice {name}: {change.verdict} ({_interval(change)}, n={change.n})"


def _interval(difference: Difference) -> str:
    return f"{difference.value:+.2f} [{difference.low:.2f}, {difference.high:.2f}]"
