"""Many records, many metrics: each text is cut into words once."""

from collections.abc import Mapping, Sequence

from tuneline.evaluation.metric import Metric

PORTION = 1024
"""Pairs that all metrics score before the next ones; their words are kept that long."""


def score_pairs(
    metrics: Mapping[str, Metric], predictions: Sequence[str], references: Sequence[str]
) -> dict[str, list[float | None]]:
    """Score N pairs by every metric.

    Args:
        metrics: Name -> metric.
        predictions: N model outputs.
        references: N expected answers, in the same order.

    Returns:
        Name -> N scores in [0, 1], None where the metric has nothing to judge.

    Raises:
        ValueError: The lengths differ.
        EvaluationError: A custom metric failed.
    """
    pairs = list(zip(predictions, references, strict=True))
    scores: dict[str, list[float | None]] = {name: [] for name in metrics}
    for start in range(0, len(pairs), PORTION):
        portion = pairs[start : start + PORTION]
        texts, expected = [p for p, _ in portion], [r for _, r in portion]
        for name, metric in metrics.items():
            if metric.is_per_record:
                scores[name] += metric.score(texts, expected)
    for name, metric in metrics.items():
        if not metric.is_per_record:
            scores[name] = list(metric.score(predictions, references))
    return scores
