"""Intervals for the mean of scores or of paired differences."""

import numpy as np

N_RESAMPLES = 10_000
SEED = 0
CELLS = 2_000_000
"""Most numbers drawn at a time: 16 MB."""


def wilson(values: np.ndarray, alpha: float) -> tuple[float, float]:
    """Wilson's interval (1927) of a share; honest at 0 of n and at n of n.

    Args:
        values: N scores, each 0 or 1.
        alpha: Share of such intervals that miss the truth.
    """
    from scipy.stats import binomtest

    result = binomtest(int(values.sum()), values.size)
    interval = result.proportion_ci(1 - alpha, method="wilson")
    return float(interval.low), float(interval.high)


def bootstrap(values: np.ndarray, alpha: float) -> tuple[float, float]:
    """Percentile bootstrap of the mean: 10,000 resamples with a fixed seed (Koehn 2004).

    The order of the values changes nothing, and the interval of -values is its mirror image.

    Args:
        values: N numbers.
        alpha: Share of such intervals that miss the truth, where N is large.
    """
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    from scipy.stats import bootstrap as resample

    ordered, sign = oriented(values)
    result = resample(
        (ordered,),
        np.mean,
        n_resamples=N_RESAMPLES,
        batch=max(1, CELLS // values.size),
        confidence_level=1 - alpha,
        method="percentile",
        rng=np.random.default_rng(SEED),
    )
    interval = result.confidence_interval
    low, high = sorted((sign * float(interval.low), sign * float(interval.high)))
    return low, high


def oriented(values: np.ndarray) -> tuple[np.ndarray, int]:
    """The values or their negatives, sorted, and the sign: the same for values and -values.

    What is then drawn with a fixed seed depends on neither the rows' order nor on which of two
    models is called the baseline.
    """
    plain, negated = np.sort(values), np.sort(-values)
    differs = np.flatnonzero(plain != negated)
    if differs.size and plain[differs[0]] > negated[differs[0]]:
        return negated, -1
    return plain, 1
