"""From predictions to scores per record to a paired comparison."""

from pathlib import Path

import polars as pl
import pytest

from tests.conftest import yes_no_records
from tuneline.errors import EvaluationError
from tuneline.evaluation import holdout
from tuneline.generation import GenerationConfig, Prediction
from tuneline.records import rows_digest
from tuneline.reports import ALL, TASK_SCORE

RECORDS = yes_no_records(4)  # Yes, No, Yes, No
METRIC = {"even": "label_accuracy"}


def scored(tmp_path: Path, name: str, *texts: str | None, tokens: int = 8):
    path = tmp_path / f"{name}.parquet"
    holdout.save_predictions(path, RECORDS, [Prediction(t, 2) for t in texts], 4.0)
    predictions = pl.read_parquet(path)
    scores = holdout.score_records(RECORDS, predictions, METRIC)
    generation = GenerationConfig(max_new_tokens=tokens)
    digest = rows_digest(RECORDS)
    return holdout.report(name, name, scores, predictions, generation, digest), scores


def test_each_record_is_judged_by_its_sources_metric(tmp_path: Path):
    report, scores = scored(tmp_path, "m", "Yes", "Yes", "Yes!", "No")
    assert scores[TASK_SCORE].to_list() == [1.0, 0.0, 1.0, 1.0]
    assert report.scores[ALL][TASK_SCORE].value == 0.75
    assert report.scores["even"] == report.scores[ALL]
    assert report.tokens_per_s == 2.0


def test_a_failed_generation_is_null_in_every_metric(tmp_path: Path):
    report, scores = scored(tmp_path, "m", None, "No", "Yes", "No")
    assert scores.row(0, named=True)["rougeL"] is None
    overall = report.scores[ALL][TASK_SCORE]
    assert (overall.value, overall.n, overall.n_unscored) == (1.0, 3, 1)


def test_differences_are_taken_in_pairs(tmp_path: Path):
    better, better_scores = scored(tmp_path, "candidate", "Yes", "No", "Yes", None)
    base, base_scores = scored(tmp_path, "base", "No", "No", "No", "No")
    comparison = holdout.compare(better, base, better_scores, base_scores)
    # by hand: (1-0, 1-1, 1-0) over the three records that both answered
    assert comparison.differences[ALL].value == pytest.approx(2 / 3)
    assert comparison.differences[ALL].n == 3


def test_scores_of_another_decoding_are_never_compared(tmp_path: Path):
    one, one_scores = scored(tmp_path, "candidate", "Yes", "No", "Yes", "No")
    other, other_scores = scored(tmp_path, "base", "Yes", "No", "Yes", "No", tokens=9)
    with pytest.raises(EvaluationError, match="cannot be compared"):
        holdout.compare(one, other, one_scores, other_scores)


def test_predictions_of_other_rows_and_unknown_metrics_are_refused(tmp_path: Path):
    path = tmp_path / "p.parquet"
    holdout.save_predictions(path, RECORDS[:3], [Prediction("Yes", 1)] * 3, 1.0)
    with pytest.raises(EvaluationError, match="other rows"):
        holdout.score_records(RECORDS, pl.read_parquet(path), METRIC)
    with pytest.raises(EvaluationError, match="unknown metric 'bleurt'; known are exact_match"):
        holdout.score_records(RECORDS[:3], pl.read_parquet(path), {"even": "bleurt"})
