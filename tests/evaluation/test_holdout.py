"""From predictions to scores per record to a paired comparison."""

import dataclasses
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import yes_no_records
from tuneline.errors import EvaluationError
from tuneline.evaluation import holdout
from tuneline.evaluation.comparison import compare
from tuneline.evaluation.config import EvaluationConfig
from tuneline.generation import GenerationConfig, Prediction
from tuneline.records import Message, Record, rows_digest
from tuneline.reports import (
    ALL,
    TASK_SCORE,
    Certificate,
    LeakCheck,
    load_report,
    save_report,
)

RECORDS = yes_no_records(4)  # Yes, No, Yes, No
METRIC = {"even": "label_accuracy"}


def scored(tmp_path: Path, name: str, *texts: str | None, tokens: int = 8):
    path = tmp_path / f"{name}.parquet"
    holdout.save_predictions(path, RECORDS, [Prediction(t, 2) for t in texts], 4.0)
    predictions = pl.read_parquet(path)
    scores = holdout.score_records(RECORDS, predictions, METRIC)
    settings = EvaluationConfig(generation=GenerationConfig(max_new_tokens=tokens))
    digest = rows_digest(RECORDS)
    return holdout.report(name, name, scores, predictions, settings, digest, METRIC), scores


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
    comparison = compare(better, base, better_scores, base_scores)
    # by hand: (1-0, 1-1, 1-0) over the three records that both answered
    assert comparison.differences[ALL].value == pytest.approx(2 / 3)
    assert comparison.differences[ALL].n == 3


def test_scores_of_another_decoding_are_never_compared(tmp_path: Path):
    one, one_scores = scored(tmp_path, "candidate", "Yes", "No", "Yes", "No")
    other, other_scores = scored(tmp_path, "base", "Yes", "No", "Yes", "No", tokens=9)
    with pytest.raises(EvaluationError, match="cannot be compared"):
        compare(one, other, one_scores, other_scores)


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
    return holdout.report(
        name, name, scores, predictions, EvaluationConfig(), digest, metrics
    ), scores


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
    differences = compare(ours, theirs, our_scores, shuffled).differences
    # By hand: (1-0, 1-1) and (1-0, 0-1).
    assert {name: (d.value, d.n) for name, d in differences.items()} == {
        "all": (0.25, 4), "even": (0.5, 2), "clauses": (0.0, 2)
    }  # fmt: skip


def test_a_source_whose_answers_all_failed_is_left_out_of_report_and_comparison(tmp_path: Path):
    ours, our_scores = evaluated("candidate", ["Yes", "No", None, None], tmp_path)
    theirs, their_scores = evaluated("base", ["No", "No", "no", "一年"], tmp_path)
    assert set(ours.scores) == {"all", "even"}
    assert ours.scores[ALL][TASK_SCORE].n_unscored == 2
    comparison = compare(ours, theirs, our_scores, their_scores)
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
        compare(ours, theirs, our_scores, their_scores)


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


def scored_by(
    texts: list[str | None],
    metrics: dict[str, str],
    tmp_path: Path,
    settings: EvaluationConfig | None = None,
):
    settings, records = settings or EvaluationConfig(), two_sources()
    path = tmp_path / "p.parquet"
    holdout.save_predictions(path, records, [Prediction(t, 2) for t in texts], 2.0)
    predictions = pl.read_parquet(path)
    scores = holdout.score_records(records, predictions, metrics, settings)
    digest = rows_digest(records)
    return holdout.report("m", "m", scores, predictions, settings, digest, metrics), scores


def test_a_task_metric_is_about_the_records_of_its_sources(tmp_path: Path):
    metrics = {"even": "label_accuracy", "clauses": "numeric"}
    report, scores = scored_by(["Yes", None, "1000元", "no"], metrics, tmp_path)
    assert scores["label_accuracy"].to_list() == [1.0, None, None, None]
    overall = report.scores[ALL]["label_accuracy"]
    assert (overall.value, overall.n, overall.n_unscored) == (1.0, 1, 1)
    assert overall.n_not_judged == 0, "the clauses are not asked for a label"
    assert "label_accuracy" not in report.scores["clauses"]
    assert report.scores["clauses"]["numeric"].value == 0.5  # 壹仟元 is 1000元; no is not 一年
    assert report.scores[ALL]["rouge1"].n == 3, "general metrics are about every record"


def test_empty_answers_score_zero_and_are_counted(tmp_path: Path):
    metrics = {"even": "label_accuracy", "clauses": "exact_match"}
    report, scores = scored_by(["", "No", None, " \n"], metrics, tmp_path)
    assert scores[TASK_SCORE].to_list() == [0.0, 1.0, None, 0.0]
    assert (report.n_empty, report.scores[ALL][TASK_SCORE].n_unscored) == (2, 1)


def test_records_that_a_metric_cannot_judge_are_counted_and_not_scored(tmp_path: Path):
    settings = EvaluationConfig(metrics=("numeric",))
    metrics = {"even": "label_accuracy", "clauses": "exact_match"}
    report, _ = scored_by(["Yes", None, "壹仟元", "二年"], metrics, tmp_path, settings)
    overall = report.scores[ALL]["numeric"]
    assert (overall.value, overall.n) == (0.5, 2)
    assert (overall.n_not_judged, overall.n_unscored) == (1, 1)
    assert "numeric" not in report.scores["even"], "Yes and No are no numbers"
    assert "|tolerance 0|" in report.identities["numeric"]


def test_the_report_has_classes_and_confusion_of_label_sources_only(tmp_path: Path):
    metrics = {"even": "label_accuracy", "clauses": "exact_match"}
    report, _ = scored_by(["No.", "No", "壹仟元", None], metrics, tmp_path)
    assert set(report.labels) == {"even"}
    table = report.labels["even"]
    assert table.confusion == {"Yes": {"No": 1}, "No": {"No": 1}}
    assert (table.classes["No"].precision, table.classes["No"].recall) == (0.5, 1.0)


def test_the_report_counts_citations_and_survives_saving(tmp_path: Path):
    table = tmp_path / "articles.jsonl"
    table.write_text('{"law_name": "民法典", "article_no": "第十条", "status": "现行有效"}\n')
    settings = EvaluationConfig(metrics=("citations",), statutes=table)
    metrics = {"even": "label_accuracy", "clauses": "exact_match"}
    texts: list[str | None] = ["Yes", "No", "《民法典》第10条、第11条，《公司法》第3条", None]
    report, _ = scored_by(texts, metrics, tmp_path, settings)
    counted = {"exists": 1, "no such article": 1, "unknown law": 1}
    assert report.citations == {"clauses": counted}
    assert report.scores["clauses"]["citations"].value == 0.5
    save_report(tmp_path / "report.json", report)
    assert load_report(tmp_path / "report.json", type(report)) == report


def test_scores_by_another_tolerance_are_never_compared(tmp_path: Path):
    metrics = {"even": "label_accuracy", "clauses": "numeric"}
    texts: list[str | None] = ["Yes", "No", "1000元", "一年"]
    (ours, our_scores), (theirs, their_scores) = (
        scored_by(texts, metrics, tmp_path, EvaluationConfig(numeric_tolerance=tolerance))
        for tolerance in (0, 0.1)
    )
    with pytest.raises(EvaluationError, match="numeric of m and m cannot be compared"):
        compare(ours, theirs, our_scores, their_scores)
