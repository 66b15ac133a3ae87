"""A decision's reasons in words, with the numbers that they rest on."""

from tuneline.release.comparable import score_of
from tuneline.reports import ALL, Comparison, Difference
from tuneline.significance import Certainty


def metric_sentence(comparison: Comparison, metric: str, difference: Difference) -> str:
    """Both scores, their difference, and what it tells."""
    ours = score_of(comparison.candidate, ALL, metric)
    theirs = score_of(comparison.baseline, ALL, metric)
    return (
        f"{metric} {ours.value:.2f} against {theirs.value:.2f} of {comparison.baseline.name}: "
        f"{interval_text(difference)}, {p_text(difference)}, {difference.answer}"
    )


def slice_sentence(name: str, change: Difference, max_loss: float) -> str:
    """What a slice tells, and whether it may have lost too much unseen."""
    unclear = change.verdict == "cannot tell" and change.low < -max_loss
    warning = f"; a loss of more than {max_loss:.2f} is not ruled out" if unclear else ""
    evidence = f"{interval_text(change)}, n={change.n}, {p_text(change)}"
    return f"slice {name}: {change.verdict} ({evidence}){warning}"


def holdout_sentence(metric: str, difference: Difference, n: int, certainty: Certainty) -> str:
    """What the holdout could show, as declared before the candidate answered."""
    chance = f"with a chance of {certainty.power:.0%}"
    if difference.detectable is None:
        return f"{n} records show no gain in {metric} {chance}, however good the candidate"
    return f"{n} records show a gain in {metric} of {difference.detectable:.2f} or more {chance}"


def rows_sentence(metric: str, difference: Difference, certainty: Certainty) -> str:
    """How many records are missing where nobody can tell.

    Not more than a forecast: further records are taken to vary as these do.
    """
    chance = f"with a chance of {certainty.power:.0%}"
    if difference.threshold < 0:
        wanted = f"that {metric} does not lose {-difference.threshold:.2f}"
    else:
        beyond = f" beyond {difference.threshold:.2f}" if difference.threshold else ""
        wanted = f"a gain in {metric} of {certainty.wanted_gain:.2f}{beyond}"
    if difference.more_rows:
        return f"about {difference.more_rows:,} more records needed to show {wanted}, {chance}"
    return f"these {difference.n:,} records would have shown {wanted}, {chance}"


def noise_sentence(comparison: Comparison, metric: str) -> str | None:
    """How far one model moves between repeats; None where nobody asked."""
    moved = {
        report.name: report.noise.moved.get(ALL, {}).get(metric, 0.0)
        for report in (comparison.candidate, comparison.baseline)
        if report.noise is not None
    }
    if not moved:
        return None
    largest = max(moved, key=lambda name: moved[name])
    return f"{metric} of {largest} moves by {moved[largest]:.3f} when it answers once more"


def p_text(difference: Difference) -> str:
    """`p = 0.012`, after Holm where it changed it, and never `0.000`."""
    held = " after Holm" if difference.p_adjusted != difference.p_value else ""
    return f"p {format_p(difference.p_adjusted)}{held}"


def format_p(p_value: float) -> str:
    """`= 0.012` or `< 0.001`."""
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3f}"


def interval_text(difference: Difference) -> str:
    """`+0.81 [0.74, 0.88]`."""
    return f"{difference.value:+.2f} [{difference.low:.2f}, {difference.high:.2f}]"
