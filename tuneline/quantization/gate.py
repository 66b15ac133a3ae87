"""May a variant stand in for its reference? Pure, with the reasons in words."""

from collections.abc import Mapping

import numpy as np

from tuneline.quantization.config import Limit
from tuneline.reports import ALL, AnswerShares, Difference, GateVerdict, VariantVerdict

CONFIDENCE = 0.95
"""One-sided."""
MAX_PROMPTS = 5_000
"""Beyond so many, the prompts needed are not counted."""

Finding = tuple[GateVerdict, str]


def judge_variant(
    slices: Mapping[str, AnswerShares], limits: Mapping[str, Limit]
) -> VariantVerdict:
    """Hold a variant's answers and scores against the limits.

    For every limited slice, the upper bound of the share of different answers beyond the noise
    floor must not exceed the limit, and the task score must lose less than the margin beyond
    doubt. One failure fails; else one doubt is a doubt.

    Args:
        slices: `all` and every source.
        limits: Slice -> its limit; `all` has the default one where it is not named.
    """
    findings: list[Finding] = []
    for name, limit in {ALL: Limit(), **limits}.items():
        if name in slices:
            findings += [
                _prefixed(name, _judge_answers(slices[name], limit)),
                _prefixed(name, _judge_score(slices[name].difference, limit)),
            ]
        else:
            findings.append(("cannot tell", f"{name}: none of the prompts is of this source"))
    verdicts = [verdict for verdict, _ in findings]
    worst: GateVerdict = next((v for v in ("fail", "cannot tell") if v in verdicts), "pass")
    return VariantVerdict(worst, tuple(reason for _, reason in findings))


def upper_bound(k: int, n: int) -> float:
    """One-sided 95 % upper bound of a share, of which k of n were seen (Clopper & Pearson 1934)."""
    from scipy.stats import binomtest

    if n == 0:
        return 1.0
    test = binomtest(k, n, alternative="less")
    return float(test.proportion_ci(CONFIDENCE, method="exact").high)


def lower_bound(k: int, n: int) -> float:
    """One-sided 95 % lower bound of a share, of which k of n were seen (Clopper & Pearson 1934)."""
    from scipy.stats import binomtest

    if n == 0:
        return 0.0
    test = binomtest(k, n, alternative="greater")
    return float(test.proportion_ci(CONFIDENCE, method="exact").low)


def prompts_needed(share: float, limit: float) -> int | None:
    """Fewest prompts of which `share` may differ so that the upper bound keeps the limit.

    None where no number up to `MAX_PROMPTS` does.
    """
    from scipy.stats import beta

    n = np.arange(1, MAX_PROMPTS + 1)
    k = np.ceil(np.round(share * n, 9))
    with np.errstate(invalid="ignore"):
        fits = np.flatnonzero(beta.ppf(CONFIDENCE, k + 1, n - k) <= limit)
    return int(n[fits[0]]) if fits.size else None


def _judge_answers(shares: AnswerShares, limit: Limit) -> Finding:
    k, n = shares.different_beyond_noise, shares.n_stable
    noise = f"; {shares.unstable} more tell nothing, the reference changes them itself"
    seen = f"{k} of {n} answers differ{noise if shares.unstable else ''}"
    high, low = upper_bound(k, n), lower_bound(k, n)
    bound = f"at most {high:.1%} do, with 95 % confidence"
    allowed = f"the limit is {limit.max_different:.0%}"
    if high <= limit.max_different:
        return "pass", f"{seen}: {bound}, and {allowed}"
    if low > limit.max_different:
        return "fail", f"{seen}: at least {low:.1%} do, with 95 % confidence, and {allowed}"
    needed = prompts_needed(k / n, limit.max_different) if n else None
    more = (
        f"with this share {needed} prompts would pass"
        if needed
        else "with this share no number of prompts would pass"
    )
    return "cannot tell", f"{seen}: {bound}, and {allowed}; {more}"


def _judge_score(difference: Difference | None, limit: Limit) -> Finding:
    if difference is None:
        return "cannot tell", "no prompt is scored for both models"
    interval = (
        f"the score changes by {difference.value:+.3f} "
        f"[{difference.low:+.3f}, {difference.high:+.3f}]"
    )
    if difference.verdict == "better":
        return "pass", f"{interval}: it loses less than {limit.margin} beyond doubt"
    if difference.verdict == "worse":
        return "fail", f"{interval}: it loses more than {limit.margin} beyond doubt"
    more = difference.more_rows
    needed = f"; about {more} more prompts would tell" if more else ""
    return "cannot tell", f"{interval}: whether it loses less than {limit.margin} is open{needed}"


def _prefixed(name: str, finding: Finding) -> Finding:
    verdict, reason = finding
    return verdict, f"{name}: {reason}"
