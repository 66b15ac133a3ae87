"""Generate on the holdout, score per record, report with intervals, compare in pairs."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from tuneline.errors import EvaluationError
from tuneline.evaluation.latency import latency
from tuneline.evaluation.metrics import METRICS
from tuneline.evaluation.perplexity import perplexity
from tuneline.generation import GenerationConfig, Likelihood, Prediction
from tuneline.records import Record, rows_digest
from tuneline.reports import ALL, TASK_SCORE, Certificate, Comparison, EvalReport, Perplexity
from tuneline.significance import paired_difference, score

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
    records: Sequence[Record], predictions: pl.DataFrame, task_metrics: Mapping[str, str]
) -> pl.DataFrame:
    """Score every record by every metric.

    Args:
        records: The holdout.
        predictions: As `save_predictions` wrote them, for the same records.
        task_metrics: Source -> the metric that its answers are judged by.

    Returns:
        One row per record: digest, source, place, prompt, reference, prediction, n_tokens, one
        column per metric, and `task_score`; scores are null where generation failed.

    Raises:
        EvaluationError: Predictions are of other rows, or a metric is not known.
    """
    answers = predictions.select("digest", "prediction", "n_tokens")
    table = _holdout_table(records).join(answers, on="digest", how="left", maintain_order="left")
    if len(predictions) != len(records) or table["n_tokens"].has_nulls():
        raise EvaluationError("the predictions were made on other rows than this holdout")
    for metric in task_metrics.values():
        if metric not in METRICS:
            raise EvaluationError(f"unknown metric {metric!r}; known are {', '.join(METRICS)}")
    parts = [_score_source(part) for part in table.partition_by("source", maintain_order=True)]
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


def _score_source(table: pl.DataFrame) -> pl.DataFrame:
    """Add one column per metric to the rows of one source."""
    is_scored = table["prediction"].is_not_null().to_list()
    answered = table.filter(pl.col("prediction").is_not_null())
    columns = []
    for name, metric in METRICS.items():
        scores = metric.score(answered["prediction"].to_list(), answered["reference"].to_list())
        values = iter(scores)
        filled = [next(values) if scored else None for scored in is_scored]
        columns.append(pl.Series(name, filled, dtype=pl.Float64))
    return table.with_columns(columns)


def report(
    name: str,
    model: str,
    scores: pl.DataFrame,
    predictions: pl.DataFrame,
    generation: GenerationConfig,
    rows: str,
) -> EvalReport:
    """Summarise per-record scores: every slice, every metric, with intervals.

    Args:
        name: How people call the model.
        model: Digest of the artifact that answered.
        scores: From `score_records`.
        predictions: What was scored.
        generation: How the answers were generated.
        rows: Digest of the holdout's rows.
    """
    decoding = f"{generation.decoding}, {predictions['engine'][0]}"
    seconds = float(predictions["generate_s"][0])
    is_answered = pl.col("prediction").is_not_null()
    return EvalReport(
        model=model,
        name=name,
        holdout_digest=rows,
        identities={m: METRICS[m].identity(m, decoding, rows) for m in METRICS},
        scores={
            slice_name: {m: score(part[m].to_list()) for m in [TASK_SCORE, *METRICS]}
            for slice_name, part in _slices(scores)
            if part[TASK_SCORE].is_not_null().any()
        },
        tokens_per_s=round(float(predictions["n_tokens"].sum()) / max(seconds, 1e-9), 1),
        latency=latency(predictions.filter(is_answered)["latency_s"].to_list()),
        perplexity=_perplexities(scores, predictions),
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


def compare(
    candidate: EvalReport,
    baseline: EvalReport,
    candidate_scores: pl.DataFrame,
    baseline_scores: pl.DataFrame,
) -> Comparison:
    """Paired differences of `task_score`, over all records and per source.

    Raises:
        EvaluationError: The two were not measured in the same way on the same rows.
    """
    for metric, identity in candidate.identities.items():
        if baseline.identities.get(metric) != identity:
            raise EvaluationError(
                f"{metric} of {candidate.name} and {baseline.name} cannot be compared: "
                f"{identity} against {baseline.identities.get(metric)}"
            )
    other = baseline_scores.select("digest", pl.col(TASK_SCORE).alias("baseline"))
    paired = candidate_scores.join(other, on="digest", how="left", maintain_order="left")
    differences = {
        name: paired_difference(part[TASK_SCORE].to_list(), part["baseline"].to_list())
        for name, part in _slices(paired)
        if name in candidate.scores and name in baseline.scores
    }
    return Comparison(candidate, baseline, differences)


def _slices(table: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    yield ALL, table
    for part in table.partition_by("source", maintain_order=True):
        yield part["source"][0], part
