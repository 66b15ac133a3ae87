"""What was measured of a candidate, held to each limit of the gate. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from tuneline.release.checks import EVALUATION, FORGETTING, REGRESSIONS, GateCheck
from tuneline.release.promotion import Decision, PromotionGate, Verdict
from tuneline.reports import (
    Certificate,
    Comparison,
    EvalReport,
    Forgetting,
    GateVerdict,
    QuantizationReport,
    Recommendation,
)

EVALUATED: dict[Verdict, GateVerdict] = {
    "promote": "pass",
    "refuse": "fail",
    "cannot tell": "cannot tell",
}
FORGOT: dict[str, GateVerdict] = {"kept": "pass", "lost": "fail", "cannot tell": "cannot tell"}


@dataclass(frozen=True, slots=True)
class LicenseFinding:
    """What is known of one licence."""

    name: str
    result: GateVerdict
    found: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was measured of a candidate."""

    decision: Decision
    """Of the scores and slices alone, against the baseline."""
    comparison: Comparison
    forgetting: Forgetting | None
    certificate: Certificate | None
    quantizations: QuantizationReport | None
    licenses: tuple[LicenseFinding, ...]


def check_all(evidence: Evidence, gate: PromotionGate) -> tuple[GateCheck, ...]:
    """Every check but a person's approval, which comes after all of them.

    Args:
        evidence: What was measured.
        gate: Limits of the profile.
    """
    return (
        _evaluation(evidence.decision),
        _regressions(evidence.comparison, gate.max_regression_share),
        _forgetting(evidence.forgetting),
        _leakage(evidence.certificate),
        *(_license(found) for found in evidence.licenses),
        *_targets(evidence.quantizations, gate.targets),
        _latency(evidence.comparison.candidate, gate.max_p95_latency_s),
    )


def _evaluation(decision: Decision) -> GateCheck:
    result = EVALUATED[decision.verdict]
    found = f"{decision.verdict} against {decision.baseline}: {'; '.join(decision.reasons)}"
    ways: dict[GateVerdict, str] = {
        "pass": "",
        "fail": "a candidate that gains more, or loses less where the reasons name a loss",
        "cannot tell": "more holdout records, or a larger gain",
    }
    return GateCheck(EVALUATION, result, found, ways[result])


def _regressions(comparison: Comparison, limit: float | None) -> GateCheck:
    listed, baseline = comparison.regressions, comparison.baseline.name
    if listed is None:
        found, way = "they were not listed", "measure the candidate again"
        return GateCheck(REGRESSIONS, "cannot tell", found, way, limit is not None)
    count = f"{listed.n} of {listed.n_right} rows that {baseline} has right ({listed.share:.1%})"
    if limit is None:
        return GateCheck(REGRESSIONS, "pass", f"{count}; gate.max_regression_share sets no limit")
    if listed.share <= limit:
        return GateCheck(REGRESSIONS, "pass", f"{count}; at most {limit:.1%} are allowed")
    found = f"{count}; only {limit:.1%} are allowed"
    way = "read the list, and train on records like them"
    return GateCheck(REGRESSIONS, "fail", found, way)


def _forgetting(found: Forgetting | None) -> GateCheck:
    if found is None:
        return GateCheck(
            FORGETTING,
            "cannot tell",
            "the profile asks no general questions",
            "name a benchmark in evaluation.general",
            is_required=False,
        )
    change = found.difference
    text = (
        f"{found.benchmark} changes by {change.value:+.2f} [{change.low:.2f}, {change.high:.2f}], "
        f"n={change.n}; it may lose {found.max_loss:.2f}"
    )
    result = FORGOT[found.verdict]
    ways: dict[GateVerdict, str] = {
        "pass": "",
        "fail": "a lower learning rate, fewer steps, or general records among the training data",
        "cannot tell": "more general questions",
    }
    is_required = found.blocks or result == "pass"
    return GateCheck(FORGETTING, result, text, ways[result], is_required)


def _leakage(certificate: Certificate | None) -> GateCheck:
    if certificate is None:
        way = "prepare the data again: every split is certified"
        return GateCheck("leakage", "cannot tell", "there is no leakage certificate", way)
    n_dropped = sum(check.found for check in certificate.checks)
    n_left = sum(check.remaining for check in certificate.checks)
    found = (
        f"{len(certificate.checks)} comparisons at Jaccard {certificate.threshold:g}: "
        f"{n_dropped} leaks dropped, {n_left} left"
    )
    if certificate.is_clean:
        return GateCheck("leakage", "pass", found)
    return GateCheck("leakage", "fail", found, "prepare the data again and measure again")


def _license(found: LicenseFinding) -> GateCheck:
    ways: dict[GateVerdict, str] = {
        "pass": "",
        "fail": "use another, or add it to allowed_licenses",
        "cannot tell": "read it, and set what holds in the profile",
    }
    is_required = found.result != "cannot tell"
    return GateCheck(found.name, found.result, found.found, ways[found.result], is_required)


def _targets(report: QuantizationReport | None, required: Sequence[str]) -> list[GateCheck]:
    """One check per kind of machine that the profile quantizes for."""
    if report is None or not report.recommendations:
        return [
            GateCheck(
                f"quantization for {name}",
                "cannot tell",
                "no variant was compared",
                "name variants in quantization.variants",
            )
            for name in required
        ]
    return [_target(found, report, found.target in required) for found in report.recommendations]


def _target(found: Recommendation, report: QuantizationReport, is_required: bool) -> GateCheck:
    name = f"quantization for {found.target}"
    if found.variant is not None:
        return GateCheck(name, "pass", f"{found.variant}: {found.reason}", "", is_required)
    is_open = any(v.gate is not None and v.gate.verdict == "cannot tell" for v in report.variants)
    result: GateVerdict = "cannot tell" if is_open else "fail"
    way = "more prompts (quantization.max_prompts)" if is_open else "more or wider variants"
    return GateCheck(name, result, found.reason, way, is_required)


def _latency(candidate: EvalReport, limit_s: float | None) -> GateCheck:
    latency = candidate.latency
    if latency is None:
        found, way = "it was not measured", "measure the candidate again"
        return GateCheck("latency", "cannot tell", found, way, limit_s is not None)
    found = f"p95 {latency.p95_s:.2f} s over {latency.n} answers"
    if limit_s is None:
        return GateCheck("latency", "pass", f"{found}; gate.max_p95_latency_s sets no limit")
    if latency.p95_s <= limit_s:
        return GateCheck("latency", "pass", f"{found}; at most {limit_s:g} s are allowed")
    return GateCheck(
        "latency",
        "fail",
        f"{found}; only {limit_s:g} s are allowed",
        "a smaller model, fewer evaluation.generation.max_new_tokens, or a higher limit",
    )
