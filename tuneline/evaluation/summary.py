"""Scores per record to means with intervals, and to what stands behind them."""

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from tuneline.evaluation.citations import count_citations
from tuneline.evaluation.config import EvaluationConfig
from tuneline.evaluation.json_answers import field_scores
from tuneline.evaluation.labels import label_table
from tuneline.evaluation.metric import Metric
from tuneline.evaluation.statutes import load_statutes
from tuneline.reports import TASK_SCORE, FieldScore, LabelTable, Score
from tuneline.significance import score


def mean_scores(
    part: pl.DataFrame,
    metrics: Mapping[str, Metric],
    task_metrics: Mapping[str, str],
    alpha: float = 0.05,
) -> dict[str, Score]:
    """Mean of `task_score` and of every metric over a slice, with intervals.

    A metric that only some sources are judged by is about their records alone. A metric that
    judges none of the answers is left out.
    """
    scores = {}
    for name in [TASK_SCORE, *metrics]:
        if (mean := _mean(_asked(part, name, metrics, task_metrics), name, alpha)) is not None:
            scores[name] = mean
    return scores


def label_tables(scores: pl.DataFrame, task_metrics: Mapping[str, str]) -> dict[str, LabelTable]:
    """Source judged by label_accuracy -> its classes."""
    parts = _answered(scores, "label_accuracy", task_metrics)
    return {source: label_table(*_texts(part)) for source, part in parts.items()}


def field_tables(
    scores: pl.DataFrame, metrics: Mapping[str, Metric]
) -> dict[str, dict[str, FieldScore]]:
    """Source with JSON references -> field -> accuracy, where json_fields is computed."""
    if "json_fields" not in metrics:
        return {}
    judged = scores.filter(pl.col("json_fields").is_not_null())
    parts = judged.partition_by("source", maintain_order=True)
    return {part["source"][0]: field_scores(*_texts(part)) for part in parts}


def citation_tables(
    scores: pl.DataFrame, metrics: Mapping[str, Metric], settings: EvaluationConfig
) -> dict[str, dict[str, int]]:
    """Source -> verdict -> citations in its answers, where citations are looked up."""
    if "citations" not in metrics or settings.statutes is None:
        return {}
    statutes = load_statutes(settings.statutes)
    answered = scores.filter(pl.col("prediction").is_not_null())
    counts = {
        part["source"][0]: count_citations(part["prediction"].to_list(), statutes)
        for part in answered.partition_by("source", maintain_order=True)
    }
    return {source: found for source, found in counts.items() if found}


def _asked(
    part: pl.DataFrame, name: str, metrics: Mapping[str, Metric], task_metrics: Mapping[str, str]
) -> pl.DataFrame:
    """The records that a metric is about: of sources judged by it, or with a score by it."""
    if name == TASK_SCORE or metrics[name].is_general or name not in task_metrics.values():
        return part
    is_scored = pl.col(name).is_not_null().any().over("source")
    return part.filter(is_scored | pl.col("source").is_in(_sources(name, task_metrics)))


def _mean(part: pl.DataFrame, name: str, alpha: float) -> Score | None:
    is_judged = pl.col(name).is_not_null() | pl.col("prediction").is_null()
    judged = part.filter(is_judged)
    if not judged[name].is_not_null().any():
        return None
    return replace(score(judged[name].to_list(), alpha), n_not_judged=len(part) - len(judged))


def _answered(
    scores: pl.DataFrame, name: str, task_metrics: Mapping[str, str]
) -> dict[str, pl.DataFrame]:
    is_asked = pl.col("source").is_in(_sources(name, task_metrics))
    answered = scores.filter(is_asked & pl.col("prediction").is_not_null())
    return {p["source"][0]: p for p in answered.partition_by("source", maintain_order=True)}


def _sources(name: str, task_metrics: Mapping[str, str]) -> list[str]:
    return [source for source, metric in task_metrics.items() if metric == name]


def _texts(part: pl.DataFrame) -> tuple[list[str], list[str]]:
    return part["prediction"].to_list(), part["reference"].to_list()
