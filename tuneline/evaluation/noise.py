"""Noise floor: how far one model's scores move when it answers the same records once more."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from tuneline.reports import ALL, Noise


def noise_floor(scores: pl.DataFrame, repeats: Sequence[pl.DataFrame]) -> Noise:
    """Largest move of every mean, and the share of answers that changed.

    Greedy answers change with the batch that they are made in, because 16-bit sums round
    differently.

    Args:
        scores: Scores per record as `score_records` gave them; what is reported.
        repeats: The same of at least one repeat, rows in the same order.
    """
    told = scores["prediction"]
    changed = [told.ne_missing(table["prediction"]).to_numpy() for table in repeats]
    before = _means(scores)
    after = [_means(table) for table in repeats]
    moved = {
        part: {
            metric: max(abs(other[part][metric] - mean) for other in after)
            for metric, mean in means.items()
            if all(metric in other[part] for other in after)
        }
        for part, means in before.items()
    }
    return Noise(len(repeats), float(np.any(changed, axis=0).mean()), moved)


def _means(scores: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Slice -> metric -> mean over the records that have a score by it."""
    metrics = [name for name, kind in scores.schema.items() if kind == pl.Float64]
    parts = {part["source"][0]: part for part in scores.partition_by("source")}
    return {
        name: {
            m: float(part[m].drop_nulls().to_numpy().mean())
            for m in metrics
            if part[m].is_not_null().any()
        }
        for name, part in {ALL: scores, **parts}.items()
    }
