"""Does a candidate replace its baseline? A pure decision over reports."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tuneline.errors import GateError
from tuneline.release.comparable import (
    check_comparable,
    metric_difference,
    score_of,
    slice_differences,
)
from tuneline.release.reasons import (
    holdout_sentence,
    metric_sentence,
    noise_sentence,
    p_text,
    rows_sentence,
    slice_sentence,
)
from tuneline.reports import ALL, TASK_SCORE, Comparison, Difference, EvalReport
from tuneline.significance import Certainty

Verdict = Literal["promote", "refuse", "cannot tell"]
Demand = Literal["better", "not worse"]


class PromotionGate(BaseModel):
    """What a candidate has to show before it is promoted."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    min_gain: float = Field(default=0.0, gt=-1, lt=1)
    """The gain in task_score must exceed this beyond doubt."""
    metrics: dict[str, Demand] = {}
    """Metrics beyond task_score: `better` beyond doubt, or `not worse` beyond doubt by more than
    `max_metric_loss`. All are judged together with task_score, by Holm."""
    max_metric_loss: float = Field(default=0.05, gt=0, lt=1)
    """Loss that counts as `not worse`."""
    max_slice_loss: float = Field(default=0.05, ge=0, le=1)
    """A slice that is worse beyond doubt, by Holm over all slices, may lose this much task_score,
    no more."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """Two-sided error of each verdict; intervals hold 1 - alpha. A candidate that is no better is
    promoted at most alpha / 2 of the time."""
    power: float = Field(default=0.8, ge=0.5, lt=1)
    """Share of real gains that are to be found, for the detectable gain and the rows needed."""
    wanted_gain: float = Field(default=0.05, gt=0, lt=1)
    """Gain beyond `min_gain` for which the rows needed are counted."""
    expected_correlation: float = Field(default=0.5, ge=0, lt=1)
    """Between two models' scores of the same rows, for the detectable gain; 0 expects the least."""
    min_scored_fraction: float = Field(default=0.95, ge=0, le=1)
    """Share of the holdout that the candidate must have answered without a failure."""
    max_regression_share: float | None = Field(default=None, ge=0, le=1)
    """Of the rows that the baseline has right, the share that the candidate may have wrong; unset:
    they are counted and listed for a person, and refuse nothing."""
    max_p95_latency_s: float | None = Field(default=None, gt=0)
    """Seconds in which 95 % of the candidate's answers must be there, as the holdout was answered;
    unset: told, and refuses nothing."""
    targets: tuple[str, ...] = ()
    """Machines of `quantization.targets` for which a variant must pass; others are told only."""
    approval: bool = False
    """Whether a person has to approve a candidate that passes everything else."""
    approval_timeout_h: float = Field(default=72.0, gt=0)
    """Hours after which a candidate that nobody approved is refused."""

    @field_validator("metrics")
    @classmethod
    def _task_score_has_min_gain(cls, metrics: dict[str, Demand]) -> dict[str, Demand]:
        if TASK_SCORE in metrics:
            raise ValueError(f"{TASK_SCORE} is always asked for; `min_gain` says how much")
        return metrics

    @property
    def certainty(self) -> Certainty:
        """How sure verdicts have to be."""
        return Certainty(self.alpha, self.power, self.wanted_gain, self.expected_correlation)

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Metric -> the difference that it has to exceed, `task_score` first."""
        asked = {
            metric: 0.0 if demand == "better" else -self.max_metric_loss
            for metric, demand in self.metrics.items()
        }
        return {TASK_SCORE: self.min_gain, **asked}


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

    Every metric of the gate that exceeds what is asked of it, beyond doubt, promotes. One that
    falls short of it beyond doubt refuses; so do too many failed answers, and a slice that is worse
    beyond doubt by more than `max_slice_loss`, whatever the gain. Else nobody can tell.

    Raises:
        GateError: A metric or a slice is missing, or the reports are not about the same rows
            and metrics, or were compared by another gate.
    """
    check_comparable(comparison)
    asked = {m: metric_difference(comparison, m, than) for m, than in gate.thresholds.items()}
    objections = [*_failed_answers(comparison.candidate, gate), *_slice_losses(comparison, gate)]
    reasons = (*_evidence(comparison, asked, gate), *objections)
    verdicts = {difference.verdict for difference in asked.values()}
    verdict: Verdict = "promote" if verdicts == {"better"} else "cannot tell"
    if objections or "worse" in verdicts:
        verdict = "refuse"
    return Decision(verdict, reasons, comparison.baseline.name)


def _evidence(
    comparison: Comparison, asked: Mapping[str, Difference], gate: PromotionGate
) -> Iterator[str]:
    """What the holdout could show, what each metric and slice tells, and what is missing."""
    n = score_of(comparison.baseline, ALL).n
    yield holdout_sentence(TASK_SCORE, asked[TASK_SCORE], n, gate.certainty)
    for metric, difference in asked.items():
        yield metric_sentence(comparison, metric, difference)
        if difference.verdict == "cannot tell":
            yield rows_sentence(metric, difference, gate.certainty)
        if noise := noise_sentence(comparison, metric):
            yield noise
    for name, change in slice_differences(comparison):
        yield slice_sentence(name, change, gate.max_slice_loss)


def _failed_answers(report: EvalReport, gate: PromotionGate) -> Iterator[str]:
    score = score_of(report, ALL)
    total = score.n + score.n_unscored
    if total == 0:
        raise GateError(f"{report.name} report holds no record; measure it on a holdout")
    if score.n / total < gate.min_scored_fraction:
        yield (
            f"only {score.n} of {total} answers of {report.name} could be scored, "
            f"fewer than {gate.min_scored_fraction:.0%}"
        )


def _slice_losses(comparison: Comparison, gate: PromotionGate) -> Iterator[str]:
    for name, loss in slice_differences(comparison):
        if loss.verdict == "worse" and loss.value < -gate.max_slice_loss:
            yield (
                f"slice {name} loses {-loss.value:.2f}, more than {gate.max_slice_loss:.2f} "
                f"({p_text(loss)})"
            )
