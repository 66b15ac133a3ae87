import csv
import json

import pytest

from tuneline.errors import ReviewError
from tuneline.review.pairs import ReviewKey
from tuneline.review.verdicts import Verdict, read_verdicts, review_of

KEY = ReviewKey(
    "r1", "run7", "candidate", "base", 0, {"p1": "left", "p2": "right"}, {"p1": "d1", "p2": "d2"}, 0
)


def row(pair="p1", verdict="left", reviewer="ann", **more):
    return {"review": "r1", "pair": pair, "verdict": verdict, "reviewer": reviewer, **more}


@pytest.fixture
def file_of(tmp_path):
    def write(*rows, name="verdicts.jsonl"):
        path = tmp_path / name
        lines = [r if isinstance(r, str) else json.dumps(r) for r in rows]
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    return write


def test_verdicts_of_several_reviewers_are_read_from_several_files(file_of):
    ann = file_of(row(comment="缺少金额"), row("p2", "both_bad"), name="ann.jsonl")
    bo = file_of(row(reviewer="bo", verdict="right"), name="bo.jsonl")
    assert read_verdicts([ann, bo], KEY) == [
        Verdict("r1", "p1", "left", "ann", "缺少金额"),
        Verdict("r1", "p2", "both_bad", "ann"),
        Verdict("r1", "p1", "right", "bo"),
    ]
    assert review_of([ann, bo]) == "r1"


def test_a_spreadsheet_is_read_and_pairs_without_a_verdict_are_left_out(tmp_path):
    path = tmp_path / "pairs.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, ["review", "pair", "prompt", "verdict", "reviewer"])
        writer.writeheader()
        writer.writerow(row(prompt="two\nlines"))
        writer.writerow(row("p2", ""))
    assert read_verdicts([path], KEY) == [Verdict("r1", "p1", "left", "ann")]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (row("p9"), "verdicts.jsonl:2: review r1 has no pair 'p9'"),
        (row(verdict="L"), "verdicts.jsonl:2: verdict 'L' is unknown; known are left, right"),
        (row(reviewer=" "), "verdicts.jsonl:2: no reviewer"),
        ({**row(), "review": "r2"}, "verdicts.jsonl:2: review 'r2' is another one than r1"),
        ("{", "verdicts.jsonl:2: is not JSON"),
        ("[1]", "verdicts.jsonl:2: is no object"),
        (row("p2", "right"), r"says 'right' of pair p2, but said 'left' in .*verdicts.jsonl:1"),
    ],
)
def test_a_wrong_row_is_named_with_file_and_line(file_of, wrong, message):
    with pytest.raises(ReviewError, match=message):
        read_verdicts([file_of(row("p2"), wrong)], KEY)


def test_all_wrong_rows_are_named_at_once(file_of):
    path = file_of(*[row(f"x{i}") for i in range(12)])
    with pytest.raises(ReviewError, match=r"'x0'.*'x9'; and 2 more. Nothing was imported"):
        read_verdicts([path], KEY)


def test_a_verdict_that_is_stored_already_is_not_new_but_another_one_is_refused(file_of):
    stored = [Verdict("r1", "p1", "left", "ann")]
    assert read_verdicts([file_of(row(), row("p2"))], KEY, stored) == [
        Verdict("r1", "p2", "left", "ann")
    ]
    with pytest.raises(ReviewError, match="but said 'left' in an earlier import"):
        read_verdicts([file_of(row(verdict="same"))], KEY, stored)


def test_a_file_that_is_missing_or_of_no_review_is_an_error(tmp_path, file_of):
    with pytest.raises(ReviewError, match=r"nobody.jsonl does not exist"):
        read_verdicts([tmp_path / "nobody.jsonl"], KEY)
    with pytest.raises(ReviewError, match="no row names its review"):
        review_of([file_of({"pair": "p1"})])
