"""How long answers took."""

from collections.abc import Sequence

import numpy as np

from tuneline.reports import Latency

PERCENTILES = (50, 95, 99)


def latency(seconds: Sequence[float]) -> Latency | None:
    """Percentiles, each a latency that was measured (the nearest rank); None of no answer.

    Args:
        seconds: Of each answer, from the start of its batch to its last token.
    """
    if not seconds:
        return None
    found = np.percentile(np.array(seconds), PERCENTILES, method="inverted_cdf")
    p50, p95, p99 = (float(value) for value in found)
    return Latency(p50, p95, p99, len(seconds))
