"""The gate as a list of checks, and what follows from it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tuneline.release.promotion import Decision
from tuneline.reports import GateVerdict

EVALUATION, REGRESSIONS, FORGETTING = "evaluation", "regressions", "forgetting"
APPROVAL, CHAMPION = "approval", "champion"
DECIDED = {EVALUATION, REGRESSIONS, FORGETTING}
"""Checks whose sentences and verdict a decision has already."""


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One thing that a release is held to."""

    name: str
    result: GateVerdict
    found: str
    """What was found, with its numbers and the limit."""
    way_out: str = ""
    """What would change the result; empty where it passes."""
    is_required: bool = True
    """Whether a result other than `pass` keeps the release from promotion; else it is told only."""

    @property
    def blocks(self) -> bool:
        """Whether this keeps the release from promotion."""
        return self.is_required and self.result != "pass"


def apply(decision: Decision, checks: Sequence[GateCheck]) -> Decision:
    """The verdict with every check: one that fails refuses, else one that is open is a doubt."""
    blocking = [check for check in checks if check.blocks and check.name not in DECIDED]
    reasons = tuple(f"{check.name}: {check.result}, {check.found}" for check in blocking)
    verdict = decision.verdict
    if any(check.result == "fail" for check in blocking):
        verdict = "refuse"
    elif blocking and verdict == "promote":
        verdict = "cannot tell"
    return replace(decision, verdict=verdict, reasons=decision.reasons + reasons)


def baseline_check(measured_against: str | None, champion: str | None) -> GateCheck:
    """Whether a release was measured against what it would replace.

    Args:
        measured_against: Release name of the champion at that time; None where there was none.
        champion: Release name of the champion now.
    """
    if measured_against == champion:
        found = f"measured against {champion}, the champion" if champion else "no champion yet"
        return GateCheck(CHAMPION, "pass", found)
    return GateCheck(
        CHAMPION,
        "cannot tell",
        f"measured against {measured_against or 'the base model'}, but the champion is "
        f"{champion or 'none'} now",
        "retrain, so that it is measured against the champion of today",
    )


def approval_check(is_asked: bool, approved_by: str | None, release: str) -> GateCheck:
    """Whether a person said yes, where the profile asks for one."""
    if approved_by:
        return GateCheck(APPROVAL, "pass", f"approved by {approved_by}")
    if not is_asked:
        return GateCheck(APPROVAL, "pass", "gate.approval asks for none")
    return GateCheck(
        APPROVAL,
        "cannot tell",
        "nobody has approved it yet",
        f'answer in the Prefect UI, or run `tuneline approve {release} --reason "..."`',
    )
