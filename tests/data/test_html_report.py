import dataclasses
import subprocess
import sys

import pytest

from tests.data.examples import ATTACK, drop, finding, report
from tests.pages import check_nesting, check_that_it_stands_alone, section
from tuneline.data.advice import WAYS_OUT
from tuneline.data.fates import REASONS
from tuneline.data.html_report import MAX_LISTED, N_EXAMPLES, STAGES, write_html
from tuneline.reports import (
    Certificate,
    DataReport,
    LeakCheck,
)


@pytest.fixture
def page_of(tmp_path):
    def write(data=None, drops=(), findings=(), title="lawyer"):
        path = tmp_path / "report.html"
        write_html(data or report(), iter(drops), iter(findings), path, title)
        assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
        return path.read_text(encoding="utf-8")

    return write


def test_the_page_asks_nobody_for_anything(page_of):
    check_that_it_stands_alone(page_of(drops=[drop()], findings=[finding("a", "b")]))


def test_the_tags_of_the_page_are_nested(page_of):
    check_nesting(page_of(drops=[drop()], findings=[finding("a", "b")]))


def test_text_of_rows_is_escaped_wherever_it_stands(page_of):
    raw = drop(2, ATTACK, stage="formats", row={"instruction": ATTACK}, detail=ATTACK)
    page = page_of(drops=[drop(), raw], findings=[finding(ATTACK, f"{ATTACK}!")], title=ATTACK)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 10


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("funnel", ["12,345", "12,000", "−111", "−234", "9,601", "1,198", "1,201"]),
        ("files", ["rows.jsonl", "gb18030", "alpaca", "jsonl.gz", "12,345", "234"]),
        ("drops", ["missing answer", "201", "1.6 %", "refusal", "111"]),
        ("findings", ["nfc", "mended", "55"]),
        ("personal", ["phone", "reported", "66"]),
        ("languages", ["zh", "11,077", "92.3 %", "en", "923", "7.7 %"]),
        ("tokens", ["1,000 of 12,000 (8.3 %)", "1,024 tokens", "9,911", "1,089"]),
        ("labels", ["8,800", "不公平", "880", "10.0 : 1"]),
        ("clusters", ["321", "rows.jsonl:81", "rows.jsonl:82", "and 17 more"]),
        ("conflicts", ["44 prompts", "是", "否", "rows.jsonl:91", "rows.jsonl:92"]),
        ("leaks", ["earlier holdouts", "7,171", "7,272", "73", "rows.jsonl:72", "a1a1", "0.80"]),
    ],
)
def test_each_section_shows_its_numbers(page_of, name, shown):
    part = section(page_of(), name)
    assert [text for text in shown if text not in part] == []


def test_stages_stand_in_the_order_that_records_pass_them(page_of):
    part = section(page_of(), "funnel")
    assert part.index(">formats<") < part.index(">cleaning<")
    assert "12,111" in part  # 12,345 read - 234 in formats


def test_the_head_says_whether_numbers_add_up_and_the_certificate_is_clean(page_of):
    assert "12,345 rows read = 12,000 kept + 345 dropped" in page_of()
    assert "do not add up" in page_of(report(n_kept=1))
    assert "Leak certificate clean" in page_of()
    dirty = LeakCheck("train", "holdout", 9, 9, 0, 2, ())
    refused = Certificate((dirty,), 0.8, "a", "b", "c")
    assert "Leak certificate refused: 2 leaks left" in page_of(report(certificate=refused))
    assert "No leak certificate" in page_of(report(certificate=None))


def test_a_report_of_nothing_is_a_page_too(page_of):
    page = page_of(DataReport(0, 0, {}, {}, {}))
    assert "0 rows read = 0 kept + 0 dropped" in page
    assert "Nothing was dropped" in page


def test_examples_name_place_detail_and_text(page_of):
    part = section(page_of(drops=[drop(n) for n in range(9)]), "drops")
    assert "rows.jsonl:0" in part
    assert "detail 0" in part
    assert "押金不退怎么办？ → &lt;script&gt;" in part
    assert part.count("rows.jsonl:") == N_EXAMPLES


def test_drops_are_counted_by_source(page_of):
    part = section(page_of(drops=[drop(n) for n in range(77)]), "funnel")
    assert "−77" in part


def test_changes_are_marked_where_they_are(page_of):
    part = section(page_of(findings=[finding("押金\u200b不退", "押金不退")]), "findings")
    assert r"押金<del>\u200b</del>不退" in part
    reported = section(
        page_of(findings=[finding("138****1234", "", "phone", "reported")]), "personal"
    )
    assert "138****1234" in reported
    assert "<del>" not in reported


def test_a_hundred_thousand_drops_stay_under_a_megabyte(page_of):
    text = "租赁合同" * 5_000
    stages = ("formats", "cleaning", "exact_dedup", "near_dedup", "leakage")
    reasons = {stage: {f"reason_{n}": 5_000 for n in range(4)} for stage in stages}
    row = {"messages": [{"content": text}, {"content": text}]}
    drops = (
        drop(n, f"reason_{n % 4}", stage=stages[n % 5], detail=text, row=row)
        for n in range(100_000)
    )
    assert len(page_of(report(dropped=reasons), drops).encode()) < 300_000


def test_long_lists_are_cut_and_say_so(page_of):
    file = report().files[0]
    files = tuple(dataclasses.replace(file, path=f"part-{n}.jsonl") for n in range(MAX_LISTED + 7))
    part = section(page_of(report(files=files)), "files")
    assert part.count("part-") == MAX_LISTED
    assert "and 7 more" in part


def test_a_lone_surrogate_is_shown_as_an_escape(page_of):
    page = page_of(drops=[drop(row={"instruction": "bad \ud800"}, detail="\ud800")])
    assert r"bad \ud800" in page


def test_equal_inputs_give_equal_pages(page_of):
    assert page_of(drops=[drop()]) == page_of(drops=[drop()])


def test_rows_and_text_for_the_run_page():
    from tasks.artifacts import data_text, file_rows, leak_rows

    data = report()
    assert file_rows(data)[0]["bad"] == 234
    assert leak_rows(data.certificate)[0] == {
        "learned from": "train",
        "records": 7171,
        "against": "earlier holdouts",
        "hidden records": 7272,
        "dropped": 73,
        "left": 0,
    }
    text = data_text(data, ["add rows with '<b>'"])
    assert text.startswith("**12,345 rows read = 12,000 kept + 345 dropped.**")
    assert "- add rows with '&lt;b&gt;'" in text
    assert "Leak certificate clean" in text


def test_importing_the_page_does_not_import_jinja2():
    code = "import sys, tuneline.data.html_report; print('jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_stage_that_drops_has_its_place_in_the_funnel_and_its_way_out(page_of):
    stages = [*dict.fromkeys(["formats", "cleaning", *(stage for stage, _ in REASONS[1:])])]
    assert list(STAGES) == stages == list(WAYS_OUT)
    dropped = {stage: {"reason": 1_000} for stage in reversed(stages)}
    part = section(page_of(report(dropped=dropped, n_kept=6_345)), "funnel")
    left = [part.index(f"{12_345 - 1_000 * n:,}") for n in range(1, len(stages) + 1)]
    assert left == sorted(left)
    assert part.index(">semantic dedup<") < part.index(">leakage<")
