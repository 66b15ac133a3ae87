"""Gather what the gate looks at, decide, and show the checks."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tasks import preflight
from tasks.artifacts import Row, show_table, show_text
from tasks.measured import Measured
from tuneline.data.prepare import report_of
from tuneline.profile import Profile
from tuneline.registry import Version
from tuneline.release.checks import GateCheck, apply
from tuneline.release.evidence import Evidence, LicenseFinding, check_all
from tuneline.release.guards import guard
from tuneline.release.promotion import Decision, decide_promotion
from tuneline.reports import GateVerdict

RECORD = "gate"
"""Key of a lineage with the checks that its release was registered with."""
LICENSES: dict[str, GateVerdict] = {"ok": "pass", "warning": "cannot tell", "error": "fail"}
"""Level of a pre-flight check -> result."""


class Gated(NamedTuple):
    """What the gate says of a candidate."""

    decision: Decision
    checks: tuple[GateCheck, ...]


def decide(settings: Profile, measured: Measured) -> Gated:
    """Hold what was measured against every limit of the profile, and show the verdict."""
    comparison = measured.comparisons[-1]
    evaluated = decide_promotion(comparison, settings.gate)
    evidence = Evidence(
        decision=evaluated,
        comparison=comparison,
        forgetting=measured.forgetting,
        certificate=report_of(measured.splits).certificate,
        quantizations=measured.quantizations,
        licenses=tuple(_licenses(measured)),
    )
    checks = check_all(evidence, settings.gate)
    guarded = guard(evaluated, comparison, settings.gate, measured.forgetting, measured.look)
    decision = apply(guarded, checks)
    _show(settings.domain, Gated(decision, checks))
    return Gated(decision, checks)


def record(gated: Gated, champion: Version | None, settings: Profile) -> dict[str, Any]:
    """What a release keeps of its gate, for its lineage: `tuneline promote` looks at it later."""
    return {
        "verdict": gated.decision.verdict,
        RECORD: {
            "checks": msgspec.to_builtins(gated.checks),
            "measured_against": champion.release if champion else None,
            "approval": settings.gate.approval,
        },
    }


def stored_checks(lineage: Mapping[str, Any]) -> tuple[GateCheck, ...]:
    """The checks that a release was registered with."""
    if RECORD not in lineage:
        found, way = "the release was registered without its checks", "retrain it"
        return (GateCheck("evaluation", "cannot tell", found, way),)
    checks = lineage[RECORD]["checks"]
    return tuple(msgspec.convert(check, GateCheck) for check in checks)


def gate_rows(checks: Iterable[GateCheck]) -> list[Row]:
    """The checks as a table."""
    return [
        {
            "check": check.name,
            "result": check.result if check.is_required else f"{check.result} (told only)",
            "found": check.found,
            "what would change it": check.way_out,
        }
        for check in checks
    ]


def _licenses(measured: Measured) -> Sequence[LicenseFinding]:
    found = preflight.report_of(measured.checked).checks
    return [
        LicenseFinding(check.name, LICENSES[check.level], check.sentence)
        for check in found
        if check.name.startswith("licence")
    ]


def _show(domain: str, gated: Gated) -> None:
    decision = gated.decision
    reasons = "\n".join(f"- {reason}" for reason in decision.reasons)
    text = f"# Verdict: {decision.verdict}\n\nAgainst {decision.baseline}.\n\n{reasons}"
    show_text(domain, "verdict", text)
    show_table(domain, "gate", gate_rows(gated.checks), "Checks of the gate")
