"""What a holdout of this size can show: the detectable gain, and the rows that are missing."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from tuneline.significance.certainty import Certainty

TABLED = 1024
"""Differing pairs up to which the wins that reject are kept."""
MOST_ROWS = 10_000_000
"""Rows beyond which nobody asks further."""


def detectable_gain(
    baseline: np.ndarray, certainty: Certainty, n_questions: int = 1
) -> float | None:
    """Least gain over a baseline that its rows show with the wanted power.

    Known before any candidate answers: it rests on the number of rows, the baseline's own scores,
    and the expected correlation. The candidate's scores are taken to vary as the baseline's do,
    right-or-wrong ones as their share asks.

    Args:
        baseline: N scores in [0, 1] of the baseline.
        certainty: Error, power and expected correlation.
        n_questions: Judged together; Holm's first step takes alpha / n_questions.

    Returns:
        A gain in (0, 1], or None where even the best possible candidate would not be told apart.
    """
    from scipy.optimize import brentq

    n, alpha = baseline.size, certainty.alpha / n_questions
    if n < _fewest_pairs(alpha):
        return None
    room = 1 - float(baseline.mean())
    variance_of = _variance_with_gain(baseline, certainty.correlation)
    is_binary = is_right_or_wrong(baseline)

    def excess(gain: float) -> float:
        """Power beyond the wanted one."""
        variance = variance_of(gain)
        if is_binary:
            return sign_test_power(n, gain, variance + gain**2, alpha) - certainty.power
        return _mean_power(n, gain, variance, alpha) - certainty.power

    if room < 1e-6 or excess(room) < 0:
        return None
    return float(brentq(excess, 1e-9, room, xtol=1e-5))


def rows_needed(
    differences: np.ndarray, effect: float, certainty: Certainty, n_questions: int = 1
) -> int:
    """Rows on which a true effect of this size is found with the wanted power.

    Args:
        differences: N paired differences seen; further rows are taken to vary as they do.
        effect: Distance of the true difference from the one tested against, above 0.
        certainty: Error and power.
        n_questions: Judged together.
    """
    alpha = certainty.alpha / n_questions
    variance = float(differences.var(ddof=1)) if differences.size > 1 else 1.0
    is_binary = is_right_or_wrong(np.abs(differences))
    differing = max(effect, float(np.abs(differences).mean()))

    def is_enough(n: int) -> bool:
        if is_binary:
            return sign_test_power(n, effect, differing, alpha) >= certainty.power
        return _mean_power(n, effect, variance, alpha) >= certainty.power

    few, many = 0, _fewest_pairs(alpha)
    while not is_enough(many) and many < MOST_ROWS:
        few, many = many, 2 * many
    while many - few > max(1, many // 200):
        middle = (few + many) // 2
        few, many = (few, middle) if is_enough(middle) else (middle, many)
    return many


def sign_test_power(n: int, gain: float, differing: float, alpha: float) -> float:
    """Chance that the exact sign test (McNemar's) calls the candidate better.

    Args:
        n: Pairs, right or wrong.
        gain: Share of pairs won less share lost, above 0.
        differing: Share of pairs won or lost.
        alpha: Two-sided error.
    """
    from scipy.special import bdtrc

    differing = min(1.0, max(differing, gain))
    spread = 6 * np.sqrt(n * differing * (1 - differing)) + 6
    first, last = max(0, int(n * differing - spread)), min(n, int(n * differing + spread))
    counts = np.arange(first, last + 1, 1 + (last - first) // 1000)
    chances = bdtrc(_wins_to_reject(counts, alpha) - 1, counts, (1 + gain / differing) / 2)
    return float(np.average(chances, weights=_binomial_pmf(counts, n, differing)))


def _wins_to_reject(counts: np.ndarray, alpha: float) -> np.ndarray:
    """Fewest wins of so many differing pairs that the two-sided sign test rejects.

    One more than the pairs where none do.
    """
    if counts[-1] < TABLED:
        tabled: np.ndarray = _tabled_wins(alpha)[counts]
        return tabled
    return _search_wins(counts, alpha)


@lru_cache(maxsize=16)
def _tabled_wins(alpha: float) -> np.ndarray:
    return _search_wins(np.arange(TABLED), alpha)


def _search_wins(counts: np.ndarray, alpha: float) -> np.ndarray:
    """They lie within some wins of the normal approximation."""
    from scipy.special import bdtrc, ndtri

    about = np.floor(counts / 2 - ndtri(alpha / 2) * np.sqrt(counts) / 2)
    wins = np.clip(about[:, None] + np.arange(-4, 6), 1, counts[:, None] + 1)
    rejects = bdtrc(wins - 1, counts[:, None], 0.5) <= alpha / 2
    fewest: np.ndarray = np.take_along_axis(wins, rejects.argmax(axis=1)[:, None], axis=1)[:, 0]
    return fewest


def _binomial_pmf(counts: np.ndarray, n: int, share: float) -> np.ndarray:
    from scipy.special import gammaln, xlog1py, xlogy

    ways = gammaln(n + 1) - gammaln(counts + 1) - gammaln(n - counts + 1)
    pmf: np.ndarray = np.exp(ways + xlogy(counts, share) + xlog1py(n - counts, -share))
    return pmf


def is_right_or_wrong(values: np.ndarray) -> bool:
    """Whether every value is 0 or 1."""
    return bool(np.isin(values, (0.0, 1.0)).all())


def _mean_power(n: int, effect: float, variance: float, alpha: float) -> float:
    """The same for a mean (Connett 1987).

    Sign flips keep the squares of the differences, variance + effect², so that is their variance.
    """
    from scipy.special import ndtr, ndtri

    beyond = effect * np.sqrt(n) + ndtri(alpha / 2) * np.sqrt(variance + effect**2)
    return float(ndtr(beyond / np.sqrt(max(variance, 1e-12))))


def _variance_with_gain(baseline: np.ndarray, correlation: float) -> Callable[[float], float]:
    """Variance of the paired differences as a function of the candidate's gain."""
    ours, mean = float(baseline.std()), float(baseline.mean())
    has_share = is_right_or_wrong(baseline) or ours < 1e-9

    def variance(gain: float) -> float:
        share = min(1.0, mean + gain)
        theirs = float(np.sqrt(share * (1 - share))) if has_share else ours
        return ours**2 + theirs**2 - 2 * correlation * ours * theirs

    return variance


def _fewest_pairs(alpha: float) -> int:
    """Pairs that must differ, all in one direction, before a two-sided sign test rejects."""
    return 1 + int(np.ceil(np.log2(1 / alpha)))
