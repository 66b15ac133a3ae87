"""Perplexity of the reference answers over a holdout."""

from collections.abc import Sequence

import numpy as np

from tuneline.reports import Perplexity

CONFIDENCE = 0.95


def perplexity(nlls: Sequence[float], n_tokens: Sequence[int]) -> Perplexity | None:
    """Perplexity per token with an interval over records, since a record's tokens go together.

    The mean -ln p is a ratio of two sums over records; its standard error is that of a ratio
    (Cochran 1977, section 2.11), its quantiles are Student's.

    Args:
        nlls: Sum of -ln p of each record's reference answer.
        n_tokens: Tokens that each sum is over.

    Returns:
        None of fewer than two records, which have no interval.
    """
    if len(nlls) < 2:
        return None
    from scipy.stats import t

    nll, tokens = np.array(nlls, dtype=float), np.array(n_tokens, dtype=float)
    mean = nll.sum() / tokens.sum()
    residuals = nll - mean * tokens
    variance = len(nll) / (len(nll) - 1) * (residuals**2).sum() / tokens.sum() ** 2
    reach = t.ppf((1 + CONFIDENCE) / 2, len(nll) - 1) * np.sqrt(variance)
    low, value, high = np.exp([max(0.0, mean - reach), mean, mean + reach])
    return Perplexity(float(value), float(low), float(high), len(nll), int(tokens.sum()))
