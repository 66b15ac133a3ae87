"""How sure a score or a difference between two models is: 95 % intervals per record."""

from collections.abc import Sequence

import numpy as np

from tuneline.reports import ComparisonVerdict, Difference, Score

CONFIDENCE = 0.95
N_RESAMPLES = 10_000
SEED = 0
MIN_PAIRS = 6
"""Fewer pairs tell nothing: even if all agree, a sign test stays above 5 %."""


def score(values: Sequence[float | None]) -> Score:
    """Mean of per-record scores with its interval.

    Wilson's interval (1927) where every score is 0 or 1, which stays honest at 0 of n and n of n;
    else the percentile bootstrap over records.

    Args:
        values: N scores in [0, 1]; None where the record is unscored.

    Raises:
        ValueError: No record is scored.
    """
    scored = np.array([value for value in values if value is not None], dtype=float)
    if scored.size == 0:
        raise ValueError("no record is scored")
    is_binary = bool(np.isin(scored, (0.0, 1.0)).all())
    low, high = _wilson(scored) if is_binary else _bootstrap(scored)
    return Score(float(scored.mean()), low, high, scored.size, len(values) - scored.size)


def paired_difference(
    candidate: Sequence[float | None], baseline: Sequence[float | None]
) -> Difference:
    """Mean difference candidate - baseline over the same records, with its bootstrap interval.

    Records are resampled in pairs (Koehn 2004), 10,000 times with a fixed seed; a record that is
    unscored for either model is left out.

    Args:
        candidate: N scores in [0, 1], None where unscored.
        baseline: N scores of the same records in the same order.

    Raises:
        ValueError: The lengths differ, or no record is scored for both.
    """
    pairs = zip(candidate, baseline, strict=True)
    differences = np.array([c - b for c, b in pairs if c is not None and b is not None])
    if differences.size == 0:
        raise ValueError("no record is scored for both models")
    is_too_few = differences.size < MIN_PAIRS and bool(differences.any())
    low, high = (-1.0, 1.0) if is_too_few else _bootstrap(differences)
    value = float(differences.mean())
    return Difference(value, low, high, differences.size, _verdict(low, high))


def _verdict(low: float, high: float) -> ComparisonVerdict:
    if low > 0:
        return "better"
    return "worse" if high < 0 else "cannot tell"


def _wilson(values: np.ndarray) -> tuple[float, float]:
    from scipy.stats import binomtest

    result = binomtest(int(values.sum()), values.size)
    interval = result.proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def _bootstrap(values: np.ndarray) -> tuple[float, float]:
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    from scipy.stats import bootstrap

    result = bootstrap(
        (values,),
        np.mean,
        n_resamples=N_RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(SEED),
    )
    interval = result.confidence_interval
    return float(interval.low), float(interval.high)
