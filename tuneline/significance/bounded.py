"""Score test of a mean difference of scores in [0, 1] against any value, and its interval.

Differences lie in [-1, 1]. If their mean were `mean`, how would they most likely be spread? The
most likely distribution on the values seen and on -1 and 1 (empirical likelihood, Owen 2001) has
a variance; the mean seen is measured in its standard errors. Rows not seen may thus lose or gain
everything: where none of n rows changed, the interval is not 0 but z² / (n + z²) wide each way.
For right-or-wrong scores this is Tango's test and interval (1998).
"""

import numpy as np


def score_test_p(differences: np.ndarray, mean: float) -> float:
    """Two-sided p-value of the true mean difference being `mean`.

    Args:
        differences: N paired differences in [-1, 1].
        mean: Between -1 and 1, both excluded.
    """
    from scipy.special import ndtr

    return float(2 * ndtr(-abs(_standardised(differences, mean))))


def score_interval(differences: np.ndarray, alpha: float) -> tuple[float, float]:
    """The mean differences that `score_test_p` does not reject."""
    from scipy.optimize import brentq
    from scipy.special import ndtri

    z = -float(ndtri(alpha / 2))
    observed = float(differences.mean())
    edge = 1 - 1e-9

    def lower(mean: float) -> float:
        return _standardised(differences, mean) - z

    def upper(mean: float) -> float:
        return _standardised(differences, mean) + z

    low = -1.0 if lower(-edge) <= 0 else float(brentq(lower, -edge, min(observed, edge)))
    high = 1.0 if upper(edge) >= 0 else float(brentq(upper, max(observed, -edge), edge))
    return low, high


def _standardised(differences: np.ndarray, mean: float) -> float:
    """Standard errors by which the mean seen exceeds `mean`, under the likeliest spread."""
    from scipy.optimize import brentq

    gap = float(differences.mean()) - mean
    if abs(gap) < 1e-12:
        return 0.0
    side = 1.0 if gap > 0 else -1.0
    distances = side * (differences - mean)  # their mean is positive; it has to become 0
    edge = 1 + side * mean  # how far below the mean a difference can lie

    def pull(tilt: float) -> float:
        return float((distances / (1 + tilt * distances)).sum())

    most = (1 - 1e-9) / edge
    tilt = float(brentq(pull, 0.0, most)) if pull(most) < 0 else most
    weights = 1 / (1 + tilt * distances) / differences.size
    unseen = max(0.0, 1 - float(weights.sum()))
    variance = float(weights @ distances**2) + unseen * edge**2
    return side * abs(gap) * float(np.sqrt(differences.size / variance))
