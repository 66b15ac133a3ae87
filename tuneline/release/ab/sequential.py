"""Intervals that may be looked at as often as one likes.

A confidence sequence covers the truth at all times at once with probability 1 - alpha, so a test
may stop whenever its interval says enough. Users are what is randomised, and one user's requests
resemble each other, so every variance here is taken between users.

Sources: Robbins (1970) for the normal mixture; Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform,
nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49 (2021); Waudby-Smith,
Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic confidence
sequences", Annals of Statistics 52 (2024); Johari, Koomen, Pekelis and Walsh, "Always valid
inference", Operations Research 70 (2022); Lindon and Malek, "Anytime-valid inference for
multinomial count data", NeurIPS 2022.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

MIN_EVIDENCE = 30.0
"""Users of each arm that must carry the variance before the central limit theorem is relied on."""
MIN_EVENT_USERS = 20
"""Users with the rarer outcome, below which their likeness cannot be measured but is assumed."""


@dataclass(frozen=True, slots=True)
class ClusteredMean:
    """Mean per request in one arm; arrays for many arms at once."""

    value: np.ndarray
    variance: np.ndarray
    """Of the value, between users: that of a ratio of two user means, linearised (delta method)."""
    evidence: np.ndarray
    """How many users carry the variance: (sum of r^2)^2 / (sum of r^4) over their residuals r.

    Near the number of users for an even metric, near the number of events for a rare one, and small
    where a few users make most of the requests.
    """


def clustered_mean(sums: np.ndarray, counts: np.ndarray) -> ClusteredMean:
    """Mean over all requests of an arm.

    Args:
        sums: Shape (..., users); sum of the metric over the user's requests.
        counts: Same shape; number of these requests, 0 for a user without any.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        n, users = counts.sum(axis=-1), (counts > 0).sum(axis=-1)
        value = sums.sum(axis=-1) / n
        squares = (sums - value[..., None] * counts) ** 2
        total, fourth = squares.sum(axis=-1), (squares**2).sum(axis=-1)
        variance = users / (users - 1) * total / n**2
        evidence = np.where(fourth > 0, total**2 / fourth, 0.0)
    return ClusteredMean(value, variance, evidence)


def half_width(variance: np.ndarray, alpha: float, scale: float) -> np.ndarray:
    """Half the width of the normal mixture's confidence sequence around an estimate.

    `sqrt(v (1 + 1/x) log((1 + x) / alpha^2))` with `x = scale^2 / v`: the two-sided boundary of
    Howard et al. with intrinsic time 1/v, which is also the asymptotic sequence of Waudby-Smith et
    al. with `x = rho^2 t`, and the mixture test of Johari et al. turned around.

    Args:
        variance: Variance v of the estimate.
        alpha: Chance of ever missing the truth.
        scale: Standard deviation of the effects mixed over; fixed before the test. It moves the
            time at which the interval is at its best, never its validity.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        x = scale**2 / variance
        return np.asarray(np.sqrt(variance * (1 + 1 / x) * np.log((1 + x) / alpha**2)))


@cache
def best_ratio(alpha: float) -> float:
    """The `x` at which `half_width` is smallest against the standard error.

    Its root is where `x - log(1 + x) = -2 log(alpha)`; 8.2 for 5 %.
    """
    from scipy.optimize import brentq

    return float(brentq(lambda x: x - math.log1p(x) + 2 * math.log(alpha), 1e-9, 1e6))


def factor(alpha: float) -> float:
    """Standard errors in the smallest half width: 3.03 for 5 %, where one look takes 1.96."""
    x = best_ratio(alpha)
    return math.sqrt((1 + 1 / x) * math.log((1 + x) / alpha**2))


def needed_variance(min_effect: float, alpha: float) -> float:
    """Variance of the difference at which its interval is `min_effect` wide to each side."""
    return (min_effect / factor(alpha)) ** 2


def mixture_scale(min_effect: float, alpha: float) -> float:
    """The scale for which the interval is at its best when its half width is `min_effect`."""
    return math.sqrt(best_ratio(alpha) * needed_variance(min_effect, alpha))


def log_e_value(successes: float, n: float, rate: float, prior: tuple[float, float]) -> float:
    """Log of the evidence against a rate: a beta mixture of likelihoods over that of the rate.

    Its expectation is 1 at every time where the rate is true, so by Ville's inequality it ever
    reaches log(1/alpha) with probability alpha at most. Exact for independent trials.

    Args:
        successes: May be a fraction, as effective counts are.
        n: Trials.
        rate: In (0, 1).
        prior: Parameters of the beta distribution mixed over; they move power, never validity.
    """
    from scipy.special import betaln, xlog1py, xlogy

    a, b = prior
    mixture = betaln(a + successes, b + n - successes) - betaln(a, b)
    return float(mixture - xlogy(successes, rate) - xlog1py(n - successes, -rate))


def rate_interval(
    successes: float, n: float, alpha: float, prior: tuple[float, float]
) -> tuple[float, float]:
    """Every rate that `log_e_value` has not ruled out at level alpha."""
    from scipy.optimize import brentq

    if n <= 0:
        return 0.0, 1.0

    def excess(rate: float) -> float:
        return log_e_value(successes, n, rate, prior) + math.log(alpha)

    estimate, tiny = successes / n, 1e-12
    low, high = 0.0, 1.0
    if estimate > tiny and excess(tiny) > 0:
        low = brentq(excess, tiny, estimate)
    if estimate < 1 - tiny and excess(1 - tiny) > 0:
        high = brentq(excess, estimate, 1 - tiny)
    return float(low), float(high)


def effective_counts(sums: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Successes and trials that count as independent ones, of 0/1 outcomes in clusters.

    Trials are divided by the design effect, as Korn & Graubard (1998) do for surveys. It is never
    below 1, so chance evenness wins nothing; and where fewer than `MIN_EVENT_USERS` users show the
    rarer outcome, the requests of a user are taken as copies of one another.

    Args:
        sums: Shape (users,); successes of each user.
        counts: Same shape; requests of each user.
    """
    n = float(counts.sum())
    if n == 0:
        return 0.0, 0.0
    mean = clustered_mean(sums, counts)
    rate = float(mean.value)
    binomial = rate * (1 - rate) / n
    effect = float(mean.variance) / binomial if binomial > 0 and len(counts) > 1 else 1.0
    rarer = int(min((sums > 0).sum(), (sums < counts).sum()))
    if rarer < MIN_EVENT_USERS:
        effect = max(effect, float((counts**2).sum()) / n)
    effect = max(effect, 1.0)
    return rate * n / effect, n / effect
