"""Answers on the holdout to scores per record, and a report with intervals."""

from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from tuneline.errors import EvaluationError
from tuneline.evaluation.config import EvaluationConfig
from tuneline.evaluation.latency import latency
from tuneline.evaluation.metric import Metric
from tuneline.evaluation.metrics import chosen_metrics
from tuneline.evaluation.perplexity import perplexity
from tuneline.evaluation.scoring import score_pairs
from tuneline.evaluation.summary import citation_tables, field_tables, label_tables, mean_scores
from tuneline.generation import Likelihood, Prediction
from tuneline.records import Record, rows_digest
from tuneline.reports import ALL, TASK_SCORE, Certificate, EvalReport, Perplexity

PREDICTIONS = "predictions.parquet"
SCORES = "scores.parquet"
REPORT = "report.json"
PREDICTION_COLUMNS = {
    "digest": pl.String,
    "prediction": pl.String,
    "n_tokens": pl.Int64,
    "latency_s": pl.Float64,
    "reference_nll": pl.Float64,
    "reference_tokens": pl.Int64,
}


def certified(records: Sequence[Record], certificate: Certificate | None) -> list[Record]:
    """The holdout's records, if a leak check says that nothing of them was trained on.

    Raises:
        EvaluationError: There is no certificate, it found leaks, or it is about other rows.
    """
    if certificate is None:
        raise EvaluationError("this holdout was never checked for leaks; prepare the data again")
    if not certificate.is_clean:
        leaks = sum(check.remaining for check in certificate.checks)
        raise EvaluationError(
            f"this holdout leaks: {leaks} records of train or validation say what it says; "
            "a score on it would mean nothing, prepare the data again"
        )
    if rows_digest(records) != certificate.holdout_digest:
        raise EvaluationError(
            "the holdout's rows are not those that were checked for leaks; prepare the data again"
        )
    return list(records)


def save_predictions(
    path: Path,
    records: Sequence[Record],
    predictions: Sequence[Prediction],
    generate_s: float,
    engine: str = "",
    references: Sequence[Likelihood] | None = None,
) -> None:
    """Write one row per record: what was answered, how long it took, and by which engine.

    Args:
        path: Parquet file with the columns digest, prediction (null: unscored), n_tokens,
            latency_s, generate_s (seconds of the whole), engine, reference_nll, reference_tokens
            (null: not measured).
        records: What was asked.
        predictions: An answer to each.
        generate_s: Seconds of wall time that all answers took.
        engine: Its identity.
        references: How likely the model finds each reference answer.
    """
    found = references or [Likelihood(None, 0)] * len(records)
    rows = {
        "digest": [record.digest for record in records],
        "prediction": [prediction.text for prediction in predictions],
        "n_tokens": [prediction.n_tokens for prediction in predictions],
        "latency_s": [prediction.latency_s for prediction in predictions],
        "reference_nll": [reference.nll for reference in found],
        "reference_tokens": [None if r.nll is None else r.n_tokens for r in found],
    }
    table = pl.DataFrame(rows, schema=PREDICTION_COLUMNS)
    table = table.with_columns(generate_s=pl.lit(generate_s), engine=pl.lit(engine))
    table.write_parquet(path)


def score_records(
    records: Sequence[Record],
    predictions: pl.DataFrame,
    task_metrics: Mapping[str, str],
    settings: EvaluationConfig | None = None,
) -> pl.DataFrame:
    """Score every record by the general metrics, the profile's, and its source's own.

    Args:
        records: The holdout.
        predictions: As `save_predictions` wrote them, for the same records.
        task_metrics: Source -> the metric that its answers are judged by.
        settings: More metrics, and what they depend on; unset: none.

    Returns:
        One row per record: digest, source, place, prompt, reference, prediction, n_tokens, one
        column per metric, and `task_score`; scores are null where generation failed, where
        another source is judged by the metric, and where it has nothing to judge.

    Raises:
        EvaluationError: Predictions are of other rows, or a metric cannot be computed.
    """
    answers = predictions.select("digest", "prediction", "n_tokens")
    table = _holdout_table(records).join(answers, on="digest", how="left", maintain_order="left")
    if len(predictions) != len(records) or table["n_tokens"].has_nulls():
        raise EvaluationError("the predictions were made on other rows than this holdout")
    settings = settings or EvaluationConfig()
    metrics = chosen_metrics(task_metrics.values(), settings)
    parts = [
        _score_source(part, metrics, {*settings.metrics, task_metrics.get(part["source"][0])})
        for part in table.partition_by("source", maintain_order=True)
    ]
    scored = pl.concat(parts)
    judged = pl.coalesce(
        pl.when(pl.col("source") == source).then(pl.col(metric))
        for source, metric in task_metrics.items()
    )
    return scored.with_columns(judged.alias(TASK_SCORE))


def _holdout_table(records: Sequence[Record]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "digest": [r.digest for r in records],
            "source": [r.source for r in records],
            "place": [r.place for r in records],
            "prompt": [r.prompt_text for r in records],
            "reference": [r.reference for r in records],
        }
    )


def _score_source(
    table: pl.DataFrame, metrics: Mapping[str, Metric], named: Container[str | None]
) -> pl.DataFrame:
    """Add one column per metric to the rows of one source, null where it is not asked for."""
    answered = table.filter(pl.col("prediction").is_not_null())
    asked = {name: m for name, m in metrics.items() if m.is_general or name in named}
    scores = score_pairs(asked, answered["prediction"].to_list(), answered["reference"].to_list())
    columns = [pl.Series(name, values, dtype=pl.Float64) for name, values in scores.items()]
    scored = answered.select("digest").with_columns(columns)
    joined = table.join(scored, on="digest", how="left", maintain_order="left")
    missing = [pl.lit(None, pl.Float64).alias(name) for name in metrics if name not in asked]
    return joined.with_columns(missing).select(*table.columns, *metrics)


def report(
    name: str,
    model: str,
    scores: pl.DataFrame,
    predictions: pl.DataFrame,
    settings: EvaluationConfig,
    rows: str,
    task_metrics: Mapping[str, str],
    alpha: float = 0.05,
) -> EvalReport:
    """Summarise per-record scores: every slice, every metric, with intervals.

    Args:
        name: How people call the model.
        model: Digest of the artifact that answered.
        scores: From `score_records`.
        predictions: What was scored.
        settings: How the answers were generated and scored.
        rows: Digest of the holdout's rows.
        task_metrics: Source -> the metric that its answers are judged by.
        alpha: Intervals hold 1 - alpha.
    """
    metrics = chosen_metrics(task_metrics.values(), settings)
    decoding = f"{settings.generation.decoding}, {predictions['engine'][0]}"
    references = scores["reference"].to_list()
    seconds = float(predictions["generate_s"][0])
    is_answered = pl.col("prediction").is_not_null()
    return EvalReport(
        model=model,
        name=name,
        holdout_digest=rows,
        identities={
            m: metric.identity(m, decoding, rows, references) for m, metric in metrics.items()
        },
        scores={
            slice_name: mean_scores(part, metrics, task_metrics, alpha)
            for slice_name, part in _slices(scores)
            if part[TASK_SCORE].is_not_null().any()
        },
        tokens_per_s=round(float(predictions["n_tokens"].sum()) / max(seconds, 1e-9), 1),
        latency=latency(predictions.filter(is_answered)["latency_s"].to_list()),
        perplexity=_perplexities(scores, predictions),
        n_empty=int((predictions["prediction"].str.strip_chars() == "").sum()),
        labels=label_tables(scores, task_metrics),
        fields=field_tables(scores, metrics),
        citations=citation_tables(scores, metrics, settings),
    )


def _perplexities(scores: pl.DataFrame, predictions: pl.DataFrame) -> dict[str, Perplexity]:
    """Slice -> perplexity of its reference answers; none where they were not measured."""
    references = predictions.select("digest", "reference_nll", "reference_tokens").drop_nulls()
    measured = scores.select("digest", "source").join(references, on="digest", how="inner")
    found = {
        name: perplexity(part["reference_nll"].to_list(), part["reference_tokens"].to_list())
        for name, part in _slices(measured)
    }
    return {name: value for name, value in found.items() if value is not None}


def _slices(table: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    yield ALL, table
    for part in table.partition_by("source", maintain_order=True):
        yield part["source"][0], part
