"""Which rows a person has to sign, by hand."""

import json
from pathlib import Path

import polars as pl

from tuneline.evaluation.regressions import COLUMNS, REGRESSIONS, find_regressions, save_regressions
from tuneline.reports import Regressions
from tuneline.store import file_digest


def scores(*values, name="m"):
    rows = range(len(values))
    return pl.DataFrame(
        {
            "digest": [f"{i:02}" for i in rows],
            "source": "law",
            "place": [f"law.jsonl:{i + 1}" for i in rows],
            "prompt": [f"Is {i} 合法?" for i in rows],
            "reference": "Yes",
            "prediction": [None if v is None else f"{name} says {v}" for v in values],
            "task_score": pl.Series(values, dtype=pl.Float64),
        }
    )


BASE = scores(1.0, 1.0, 0.6, 0.4, None, 1.0, name="base")
OURS = scores(1.0, 0.0, 0.4, 0.0, 0.0, None, name="candidate")


def test_what_only_the_baseline_has_right_is_listed_and_nothing_else():
    found = find_regressions(OURS, BASE.reverse(), 0.5)
    assert found["place"].to_list() == ["law.jsonl:2", "law.jsonl:3", "law.jsonl:6"]


def test_an_answer_that_failed_is_a_regression_and_keeps_its_null():
    assert find_regressions(OURS, BASE, 0.5).row(2, named=True)["candidate_score"] is None


def test_from_which_score_an_answer_is_right_is_a_setting():
    assert len(find_regressions(OURS, BASE, 0.3)) == 3  # rows 2, 4 and 6: row 3 is right for both
    assert find_regressions(OURS, BASE, 1.0)["digest"].to_list() == ["01", "05"]


def test_the_file_holds_both_answers_and_its_digest_is_reported(tmp_path: Path):
    report = save_regressions(tmp_path, OURS, BASE, 0.5)
    path = tmp_path / REGRESSIONS
    assert report == Regressions(3, 4, 0.5, file_digest(path))
    assert report.share == 0.75
    row = json.loads(path.read_text().splitlines()[0])
    assert tuple(row) == COLUMNS
    assert row["prompt"] == "Is 1 合法?"
    assert (row["baseline_answer"], row["candidate_answer"]) == (
        "base says 1.0", "candidate says 0.0",
    )  # fmt: skip


def test_the_order_of_rows_does_not_change_what_is_signed(tmp_path: Path):
    (tmp_path / "other").mkdir()
    one = save_regressions(tmp_path, OURS, BASE, 0.5)
    assert save_regressions(tmp_path / "other", OURS.reverse(), BASE.reverse(), 0.5) == one


def test_a_baseline_that_has_nothing_right_loses_nothing(tmp_path: Path):
    report = save_regressions(tmp_path, OURS, scores(*[0.0] * 6), 0.5)
    assert (report.n, report.n_right, report.share) == (0, 0, 0.0)
    assert (tmp_path / REGRESSIONS).read_text() == ""
