"""Does the challenger keep a guardrail? Bounds that hold at every look."""

from collections.abc import Callable

import numpy as np

from tuneline.release.ab.config import Guardrail
from tuneline.release.ab.report import GuardrailStatus, GuardrailVerdict
from tuneline.release.ab.sequential import (
    MIN_EVIDENCE,
    clustered_mean,
    effective_counts,
    half_width,
    mixture_scale,
    rate_interval,
)

MEAN_PRECISION = 0.1
"""A mean's interval is at its best when it is this share of the limit wide to each side."""


def check_guardrail(
    guard: Guardrail,
    values: np.ndarray,
    users: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    alpha: float,
) -> GuardrailStatus:
    """Hold a rule against the challenger's requests.

    Args:
        guard: The rule.
        values: Shape (requests,); the rule's field.
        users: Same shape; number of the user of each request, from 0.
        alpha: Chance of ever giving a wrong `pass` or `fail`.
    """
    if values.size == 0:
        return GuardrailStatus(guard.rule, "cannot tell", f"no request has '{guard.field}'")
    if guard.kind == "rate" and not np.isin(values, (0.0, 1.0)).all():
        return GuardrailStatus(
            guard.rule, "cannot tell", f"'{guard.field}' holds other values than 0 and 1"
        )
    return CHECKS[guard.kind](guard, values, users, alpha)


def _check_quantile(
    guard: Guardrail, values: np.ndarray, users: np.ndarray, alpha: float
) -> GuardrailStatus:
    """`p95 <= limit` says that at most 5 % of all requests lie above the limit: a rate."""
    observed = float(np.quantile(values, guard.quantile, method="inverted_cdf"))
    if guard.is_upper:
        beyond, allowed, side = values > guard.limit, 1 - guard.quantile, "above"
    else:
        beyond, allowed, side = values < guard.limit, guard.quantile, "below"
    low, high, seen = _rate_bounds(beyond, users, alpha, allowed)
    reason = f"{seen} {side} {guard.limit:g}; {100 * allowed:g} % may be"
    return GuardrailStatus(guard.rule, _verdict(low, high, allowed, True), reason, observed)


def _check_rate(
    guard: Guardrail, values: np.ndarray, users: np.ndarray, alpha: float
) -> GuardrailStatus:
    low, high, reason = _rate_bounds(values, users, alpha, guard.limit)
    observed = float(values.mean())
    return GuardrailStatus(
        guard.rule, _verdict(low, high, guard.limit, guard.is_upper), reason, observed
    )


def _check_mean(
    guard: Guardrail, values: np.ndarray, users: np.ndarray, alpha: float
) -> GuardrailStatus:
    mean = clustered_mean(*per_user(values, users))
    observed = float(mean.value)
    if not float(mean.evidence) >= MIN_EVIDENCE:
        reason = f"{observed:g} so far, carried by {float(mean.evidence):.0f} users"
        return GuardrailStatus(guard.rule, "cannot tell", reason, observed)
    scale = mixture_scale(MEAN_PRECISION * (abs(guard.limit) or 1.0), alpha)
    half = float(half_width(mean.variance, alpha, scale))
    low, high = observed - half, observed + half
    reason = f"{observed:g} [{low:g}, {high:g}] over {values.size:,} requests"
    return GuardrailStatus(
        guard.rule, _verdict(low, high, guard.limit, guard.is_upper), reason, observed
    )


CHECKS: dict[str, Callable[[Guardrail, np.ndarray, np.ndarray, float], GuardrailStatus]] = {
    "quantile": _check_quantile,
    "rate": _check_rate,
    "mean": _check_mean,
}
"""Kind of a guardrail -> how it is checked."""


def per_user(values: np.ndarray, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum and count of each user that has any request."""
    counts = np.bincount(users)
    seen = counts > 0
    return np.bincount(users, weights=values)[seen], counts[seen].astype(float)


def _rate_bounds(
    events: np.ndarray, users: np.ndarray, alpha: float, limit: float
) -> tuple[float, float, str]:
    """Bounds of a rate, and both in words.

    The mixture has its mean at the limit, where the bounds have to be narrow.
    """
    successes, n = effective_counts(*per_user(events.astype(float), users))
    low, high = rate_interval(successes, n, alpha, (1.0, (1 - limit) / limit))
    interval = f"{100 * events.mean():.2f} % [{100 * low:.2f}, {100 * high:.2f}]"
    worth = "" if round(n) == events.size else f" (worth {n:,.0f} independent ones)"
    return low, high, f"{interval} of {events.size:,} requests{worth}"


def _verdict(low: float, high: float, limit: float, is_upper: bool) -> GuardrailVerdict:
    if not is_upper:
        low, high, limit = -high, -low, -limit
    if high <= limit:
        return "pass"
    return "fail" if low > limit else "cannot tell"
