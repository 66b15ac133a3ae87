"""How often chance alone makes a mean difference as large as the one seen."""

import numpy as np

from tuneline.significance.intervals import CELLS, SEED, oriented

N_FLIPS = 9_999
"""Random sign flips: p-values move by at most 0.002 around 0.05 (one standard error)."""
MAX_EXACT = 14
"""Differing pairs up to which all 2**k flips are counted."""
TOLERANCE = 1e-9
"""Sums of scores closer than this are equal; they differ by rounding."""


def sign_flip_p(differences: np.ndarray) -> float:
    """Two-sided p-value of the paired permutation test (Fisher 1935; Koehn 2004 for texts).

    If the two models are the same, each pair could as well be the other way round. Equal pairs
    have no say. Exact where all differing pairs weigh the same (the sign test, McNemar's exact
    test) and where few differ; else Monte Carlo with a fixed seed, where (b + 1) / (m + 1) counts
    the data themselves, so that the error stays at most alpha (Phipson and Smyth 2010).

    Args:
        differences: N paired differences.

    Returns:
        A p-value in (0, 1]; 1 where no pair differs.
    """
    differing, _ = oriented(differences[np.abs(differences) > TOLERANCE])
    if differing.size == 0:
        return 1.0
    if np.ptp(np.abs(differing)) <= TOLERANCE:
        return _sign_test(int((differing > 0).sum()), differing.size)
    total = float(differing.sum())
    if differing.size <= MAX_EXACT:
        n, counted = 2**differing.size, 0
        sums = _all_flips(differing)
        upper, lower = _tails(sums, total)
    else:
        n, counted = N_FLIPS, 1
        rng = np.random.default_rng(SEED)
        upper = lower = 0
        for start in range(0, n, step := max(1, CELLS // differing.size)):
            more = _tails(_random_flips(differing, min(step, n - start), rng), total)
            upper, lower = upper + more[0], lower + more[1]
    return float(min(1.0, 2 * (min(upper, lower) + counted) / (n + counted)))


def _tails(sums: np.ndarray, total: float) -> tuple[int, int]:
    """Sums at least and at most as high as the one seen."""
    return int((sums >= total - TOLERANCE).sum()), int((sums <= total + TOLERANCE).sum())


def _sign_test(n_positive: int, n: int) -> float:
    from scipy.stats import binomtest

    return float(binomtest(n_positive, n).pvalue)


def _all_flips(differences: np.ndarray) -> np.ndarray:
    k = differences.size
    kept = (np.arange(2**k)[:, None] >> np.arange(k)) & 1
    return _flipped(differences, kept)


def _random_flips(differences: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    width = -(-differences.size // 8)
    drawn = rng.integers(0, 256, (n, width), dtype=np.uint8)
    return _flipped(differences, np.unpackbits(drawn, axis=1, count=differences.size))


def _flipped(differences: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Sums with the sign of every pair that is not kept turned; (flips, pairs) of 0 and 1."""
    sums: np.ndarray = 2 * (kept.astype(float) @ differences) - differences.sum()
    return sums
