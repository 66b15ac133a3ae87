"""Promote the challenger, keep the champion, or go on? A pure decision over a report."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tuneline.release.ab.report import ABReport

Verdict = Literal["promote", "keep", "cannot tell"]
MAX_MISASSIGNED_FRACTION = 0.01
"""Of the requests in the test; above that, what answered is not what was assigned."""


@dataclass(frozen=True, slots=True)
class ABDecision:
    """Verdict of a test and what it rests on."""

    verdict: Verdict
    reasons: tuple[str, ...]
    is_broken: bool = False
    """The assignment itself is wrong: more data does not help."""


def decide_ab_test(report: ABReport) -> ABDecision:
    """The verdict at any look, at the error rate of the test as a whole.

    A broken assignment decides nothing. A guardrail that fails keeps the champion, and so does an
    interval below `min_effect`. The challenger is promoted where its interval lies above 0 and
    every guardrail passes. Else nobody can tell yet.
    """
    broken = tuple(_broken(report))
    reasons = (*broken, _gain_sentence(report), *_guard_sentences(report))
    if broken:
        return ABDecision("cannot tell", reasons, is_broken=True)
    verdicts = {guard.verdict for guard in report.guardrails}
    low, high = report.now.low, report.now.high
    if "fail" in verdicts:
        return ABDecision("keep", reasons)
    if low is None or high is None:
        return ABDecision("cannot tell", reasons)
    if high < report.config.min_effect:
        return ABDecision("keep", reasons)
    if low > 0 and verdicts <= {"pass"}:
        return ABDecision("promote", reasons)
    return ABDecision("cannot tell", reasons)


def _broken(report: ABReport) -> Iterator[str]:
    ratio, rows = report.ratio, report.rows
    if ratio.is_wrong:
        yield (
            f"{ratio.observed:.2%} of the users saw the challenger where {ratio.expected:.2%} "
            f"should (p = {ratio.p_value:.1g}, sample ratio mismatch): users are lost or assigned "
            "by another rule; mend that and start a new test"
        )
    n = rows.n_misassigned + rows.n_used
    if n and rows.n_misassigned / n > MAX_MISASSIGNED_FRACTION:
        yield (
            f"{rows.n_misassigned:,} of {n:,} requests were answered by another variant than the "
            "assignment says; let every service use it, with the test's salt"
        )


def _gain_sentence(report: ABReport) -> str:
    now, config = report.now, report.config
    if now.gain is None:
        return f"no request with '{config.metric}' for both variants yet"
    if now.low is None or now.high is None:
        return (
            f"gain in {config.metric} {now.gain:+.4g} over {now.measured:,} requests, by too few "
            "users for an interval"
        )
    interval = f"{now.gain:+.4g} [{now.low:+.4g}, {now.high:+.4g}]"
    if now.high < config.min_effect:
        meaning = f"less than the {config.min_effect:g} that a change is worth"
    else:
        meaning = "better" if now.low > 0 else "it may be none"
    return (
        f"gain in {config.metric} {interval} ({1 - config.alpha:.0%} at all looks, "
        f"{now.measured:,} requests): {meaning}"
    )


def _guard_sentences(report: ABReport) -> Iterator[str]:
    return (f"{guard.rule}: {guard.verdict} ({guard.reason})" for guard in report.guardrails)
