"""Win rate, and how far those who judge agree, each with its 95 % interval."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from tuneline.reports import Agreement, ComparisonVerdict, WinRate

Said = Literal["candidate", "baseline", "same", "both_bad"]
"""A verdict when the sides are known again."""
Outcome = Literal["candidate", "baseline", "tie"]
OUTCOMES: tuple[Outcome, ...] = ("candidate", "baseline", "tie")
OUTCOME_OF: Mapping[Said, Outcome] = {
    "candidate": "candidate", "baseline": "baseline", "same": "tie", "both_bad": "tie",
}  # fmt: skip
VALUES: Mapping[Outcome, float] = {"candidate": 1.0, "baseline": 0.0, "tie": 0.5}
Z = 1.959963984540054
"""Quantile of the normal distribution: 95 %, two-sided."""
N_RESAMPLES = 10_000
SEED = 0


def win_rate(by_pair: Mapping[str, Sequence[Said]]) -> WinRate:
    """Share of prompts that the candidate wins, ties counted half.

    Args:
        by_pair: Pair -> what all who judged it said, at least one; at least one pair.
    """
    counts = Counter(said for all_said in by_pair.values() for said in all_said)
    values = [
        float(np.mean([VALUES[outcome_of(said)] for said in all_said]))
        for all_said in by_pair.values()
    ]
    value = float(np.mean(values))
    low, high = wilson(value, len(values))
    return WinRate(
        value=value,
        low=low,
        high=high,
        n=len(values),
        wins=counts["candidate"],
        losses=counts["baseline"],
        same=counts["same"],
        both_bad=counts["both_bad"],
        verdict=_verdict(low, high),
    )


def wilson(mean: float, n: int) -> tuple[float, float]:
    """Wilson's interval (1927) for the mean of n values in [0, 1].

    Exact in form for wins and losses. A tie of 0.5 varies less than a win or a loss would, so with
    ties the interval is at most too wide.
    """
    centre = (mean + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(mean * (1 - mean) / n + Z**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def agree(first: str, second: str, outcomes: Sequence[tuple[Outcome, Outcome]]) -> Agreement:
    """How two judges agree, beyond what chance would give (Cohen 1960).

    Args:
        first: Name of one.
        second: Name of the other.
        outcomes: (first's, second's) of each pair that both judged, at least one.
    """
    from sklearn.metrics import confusion_matrix

    table = confusion_matrix(*zip(*outcomes, strict=True), labels=list(OUTCOMES))
    share = float(np.trace(table) / table.sum())
    low, high = wilson(share, len(outcomes))
    kappa = _kappas(table[None])[0]
    if np.isnan(kappa):
        return Agreement(first, second, len(outcomes), share, low, high, None)
    interval = _kappa_interval(table)
    return Agreement(first, second, len(outcomes), share, low, high, float(kappa), *interval)


def outcome_of(said: Said) -> Outcome:
    """That both are as good and that neither will do are ties."""
    return OUTCOME_OF[said]


def majority(outcomes: Sequence[Outcome]) -> Outcome:
    """What most say; a tie where nobody is ahead."""
    counts = Counter(outcomes)
    if counts["candidate"] == counts["baseline"]:
        return "tie"
    return "candidate" if counts["candidate"] > counts["baseline"] else "baseline"


def _verdict(low: float, high: float) -> ComparisonVerdict:
    if low > 0.5:
        return "better"
    return "worse" if high < 0.5 else "cannot tell"


def _kappa_interval(table: np.ndarray) -> tuple[float | None, float | None]:
    """Percentile bootstrap over pairs; none where too few resamples have a kappa."""
    rng = np.random.default_rng(SEED)
    cells = rng.multinomial(table.sum(), table.ravel() / table.sum(), size=N_RESAMPLES)
    kappas = _kappas(cells.reshape(-1, *table.shape))
    known = kappas[~np.isnan(kappas)]
    if known.size < N_RESAMPLES / 2:
        return None, None
    low, high = np.quantile(known, (0.025, 0.975))
    return float(low), float(high)


def _kappas(tables: np.ndarray) -> np.ndarray:
    """Kappa of each table (N, k, k) of counts; NaN where chance alone gives full agreement."""
    n = tables.sum(axis=(1, 2))
    observed = np.trace(tables, axis1=1, axis2=2) / n
    expected = (tables.sum(axis=1) * tables.sum(axis=2)).sum(axis=1) / n**2
    with np.errstate(invalid="ignore", divide="ignore"):
        kappas: np.ndarray = np.where(expected < 1, (observed - expected) / (1 - expected), np.nan)
    return kappas
