import base64
import csv
import hashlib
import json
import re

import pytest

from tuneline.review.export import from_lines, read_key, render, to_lines, write_review
from tuneline.review.pairs import Pair, Review, ReviewKey
from tuneline.review.verdicts import read_verdicts

ATTACK = "</script><script>alert('租赁')</script><!-- &amp;"
PAIRS = (
    Pair("r1", "p1", f"问题 {ATTACK}", '=HYPERLINK("http://x")', f"right\n{ATTACK}", "@reference"),
    Pair("r1", "p2", "two\nlines", "-1", "", "好"),
)
KEY = ReviewKey(
    "r1", "run7", "candidate", "base", 0, {"p1": "left", "p2": "right"}, {"p1": "d1", "p2": "d2"}, 4
)


@pytest.fixture
def page():
    return render(PAIRS)


def test_the_key_lies_in_another_folder_and_nothing_beside_the_pairs_tells_it(tmp_path):
    write_review(Review(PAIRS, KEY), tmp_path / "pairs", tmp_path / "key")
    assert {p.name for p in (tmp_path / "pairs").iterdir()} == {
        "review.html", "pairs.csv", "pairs.jsonl",
    }  # fmt: skip
    assert read_key((tmp_path / "key" / "key.json").read_bytes()) == KEY
    texts = [p.read_text(encoding="utf-8") for p in (tmp_path / "pairs").iterdir()]
    assert not any("candidate" in text or "run7" in text for text in texts)


def test_pairs_in_lines_are_the_same_pairs():
    assert from_lines(to_lines(PAIRS)) == PAIRS


def test_the_page_holds_all_pairs_and_no_answer_can_end_their_element(page):
    data = re.search(r'<script type="application/json" id="pairs">(.*?)</script>', page, re.DOTALL)
    assert [Pair(**row) for row in json.loads(data[1])] == list(PAIRS)
    assert page.count("<script") == page.count("</script>") == 2


def test_only_the_pages_own_script_may_run_and_nothing_is_loaded(page):
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', page)[1]
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert not re.search(r'(?:src|href)="(?!data:,)', page)
    assert "innerHTML" not in script


def test_the_page_has_a_button_and_a_key_for_each_verdict(page):
    assert re.findall(r'data-key="(\d)"', page) == ["1", "2", "0", "3"]
    assert 'const KEYS = {1: "left", 2: "right", 0: "same", 3: "both_bad"}' in page
    assert "localStorage" in page


def test_the_table_can_be_filled_in_and_read_back_and_runs_no_formula(tmp_path):
    write_review(Review(PAIRS, KEY), tmp_path / "pairs", tmp_path / "key")
    path = tmp_path / "pairs" / "pairs.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [rows[0][name] for name in ("left", "reference")] == [
        '\'=HYPERLINK("http://x")',
        "'@reference",
    ]
    rows[1] |= {"verdict": "both_bad", "reviewer": "ann"}
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (verdict,) = read_verdicts([path], KEY)
    assert (verdict.pair, verdict.verdict, verdict.reviewer) == ("p2", "both_bad", "ann")
