"""From predictions to scores per record to a paired comparison."""

import dataclasses
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import yes_no_records
from tuneline.errors import EvaluationError
from tuneline.evaluation import holdout
from tuneline.generation import GenerationConfig, Prediction
from tuneline.records import Message, Record, rows_digest
from tuneline.reports import ALL, TASK_SCORE, Certificate, LeakCheck

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


def two_sources() -> list[Record]:
    """Two records judged as labels, two by exact match."""
    rows = [("even", "Is 0 even?", "Yes"), ("even", "Is 1 even?", "No")]
    rows += [("clauses", "租金？", "壹仟元"), ("clauses", "期限？", "一年")]
    return [
        Record((Message("user", q), Message("assistant", a)), source, f"{source}.jsonl", line)
        for line, (source, q, a) in enumerate(rows, 1)
    ]


def evaluated(name: str, texts: list[str | None], tmp_path: Path):
    records, path = two_sources(), tmp_path / f"{name}.parquet"
    holdout.save_predictions(path, records, [Prediction(t, 2) for t in texts], 2.0)
    predictions = pl.read_parquet(path)
    metrics = {"even": "label_accuracy", "clauses": "exact_match"}
    scores = holdout.score_records(records, predictions.reverse(), metrics)
    digest = rows_digest(records)
    return holdout.report(name, name, scores, predictions, GenerationConfig(), digest), scores


def test_every_source_is_judged_by_its_own_metric(tmp_path: Path):
    report, scores = evaluated("m", ["Yes, it is.", "No.", "壹仟元。", "一年"], tmp_path)
    # By hand: a label may be followed by more, an exact match may not.
    assert scores["task_score"].to_list() == [1.0, 1.0, 0.0, 1.0]
    assert scores["place"].to_list() == [r.place for r in two_sources()]
    assert {name: s[TASK_SCORE].value for name, s in report.scores.items()} == {
        "all": 0.75, "even": 1.0, "clauses": 0.5
    }  # fmt: skip
    assert report.tokens_per_s == 4.0, "4 answers of 2 tokens in 2 seconds"


def test_differences_are_taken_per_source_too(tmp_path: Path):
    ours, our_scores = evaluated("candidate", ["Yes", "No", "壹仟元", "二年"], tmp_path)
    theirs, their_scores = evaluated("base", ["No", "No", "no", "一年"], tmp_path)
    shuffled = their_scores.reverse()
    differences = holdout.compare(ours, theirs, our_scores, shuffled).differences
    # By hand: (1-0, 1-1) and (1-0, 0-1).
    assert {name: (d.value, d.n) for name, d in differences.items()} == {
        "all": (0.25, 4), "even": (0.5, 2), "clauses": (0.0, 2)
    }  # fmt: skip


def test_a_source_whose_answers_all_failed_is_left_out_of_report_and_comparison(tmp_path: Path):
    ours, our_scores = evaluated("candidate", ["Yes", "No", None, None], tmp_path)
    theirs, their_scores = evaluated("base", ["No", "No", "no", "一年"], tmp_path)
    assert set(ours.scores) == {"all", "even"}
    assert ours.scores[ALL][TASK_SCORE].n_unscored == 2
    comparison = holdout.compare(ours, theirs, our_scores, their_scores)
    assert {name: d.n for name, d in comparison.differences.items()} == {"all": 2, "even": 2}


def test_predictions_for_other_records_of_the_same_number_are_refused(tmp_path: Path):
    path = tmp_path / "p.parquet"
    holdout.save_predictions(path, two_sources(), [Prediction("Yes", 1)] * 4, 1.0)
    with pytest.raises(EvaluationError, match="other rows"):
        holdout.score_records(RECORDS, pl.read_parquet(path), METRIC)


def test_an_identity_that_the_other_report_lacks_is_refused(tmp_path: Path):
    ours, our_scores = evaluated("candidate", ["Yes", "No", "壹仟元", "二年"], tmp_path)
    theirs, their_scores = evaluated("base", ["No", "No", "no", "一年"], tmp_path)
    fewer = {m: i for m, i in theirs.identities.items() if m != "bleu"}
    theirs = dataclasses.replace(theirs, identities=fewer)
    with pytest.raises(EvaluationError, match="bleu of candidate and base cannot be compared"):
        holdout.compare(ours, theirs, our_scores, their_scores)


def certificate(remaining: int = 0, rows=RECORDS) -> Certificate:
    check = LeakCheck("train", "holdout", 10, 4, found=1, remaining=remaining, examples=())
    return Certificate((check,), 0.8, "train", "validation", rows_digest(rows))


def test_only_a_holdout_with_a_clean_certificate_of_its_rows_is_measured_on():
    assert holdout.certified(RECORDS, certificate()) == RECORDS
    with pytest.raises(EvaluationError, match="never checked for leaks"):
        holdout.certified(RECORDS, None)
    with pytest.raises(EvaluationError, match="this holdout leaks: 2 records"):
        holdout.certified(RECORDS, certificate(remaining=2))
    with pytest.raises(EvaluationError, match="not those that were checked"):
        holdout.certified(RECORDS[:3], certificate())
