"""What keeps a candidate from promotion whatever it gains; pure, as the gate itself."""

from collections.abc import Iterator
from dataclasses import replace

from tuneline.release.promotion import Decision, PromotionGate
from tuneline.reports import Comparison, Difference, Forgetting, Look, Regressions


def guard(
    decision: Decision,
    comparison: Comparison,
    gate: PromotionGate,
    forgetting: Forgetting | None,
    look: Look,
) -> Decision:
    """Add to the gate's verdict what regressions, general questions and the holdout's age say.

    Args:
        decision: The gate's.
        comparison: What it decided on.
        gate: Limits.
        forgetting: None where the profile asks no general questions.
        look: A worn holdout is said, and refuses nothing.
    """
    remarks = [*_regressions(comparison), *_forgetting(forgetting), *_wear(look)]
    objections = [*_too_many(comparison, gate), *_forgotten(forgetting)]
    reasons = (*decision.reasons, *remarks, *objections)
    return replace(decision, reasons=reasons, verdict="refuse" if objections else decision.verdict)


def _regressions(comparison: Comparison) -> Iterator[str]:
    if found := comparison.regressions:
        yield f"{_count(found)} that {comparison.baseline.name} has right are no longer right"


def _too_many(comparison: Comparison, gate: PromotionGate) -> Iterator[str]:
    found, limit = comparison.regressions, gate.max_regression_share
    if found and limit is not None and found.share > limit:
        yield f"{_count(found)} are regressions, more than {limit:.1%}"


def _count(found: Regressions) -> str:
    return f"{found.n} of {found.n_right} rows ({found.share:.1%})"


def _forgetting(found: Forgetting | None) -> Iterator[str]:
    if found is None:
        return
    said = {
        "kept": f"a loss of more than {found.max_loss:.2f} is ruled out",
        "lost": f"worse by more than {found.max_loss:.2f}",
        "cannot tell": f"cannot tell whether it is worse by more than {found.max_loss:.2f}",
    }
    yield (
        f"{found.benchmark}: {found.candidate.value:.2f} against {found.base.value:.2f} of base, "
        f"{_interval(found.difference)}, n={found.difference.n}: {said[found.verdict]}"
    )


def _forgotten(found: Forgetting | None) -> Iterator[str]:
    if found and found.blocks:
        may = "" if found.verdict == "lost" else "may have "
        yield f"{may}forgot more on {found.benchmark} than {found.max_loss:.2f}"


def _wear(look: Look) -> Iterator[str]:
    if look.is_worn:
        yield wear_sentence(look)


def wear_sentence(look: Look) -> str:
    """That a holdout is worn, and how to get a fresh one."""
    return (
        f"the holdout is worn: this is look {look.number}, {look.max_looks} were planned, and "
        "some gain is luck by now; set data.split.holdout_generation to "
        f"{look.generation + 1} to hold out fresh records"
    )


def _interval(difference: Difference) -> str:
    return f"{difference.value:+.2f} [{difference.low:.2f}, {difference.high:.2f}]"
