import dataclasses
import re
import subprocess
import sys

import pytest

from tests.pages import check_nesting, check_that_it_stands_alone, section
from tests.reporting.examples import ATTACK, facts, outcome, report, review
from tuneline.release.promotion import Decision
from tuneline.reporting.facts import ReleaseFacts, few_answers
from tuneline.reporting.html_report import render
from tuneline.reports import ALL, Comparison, load_report, save_report


@pytest.fixture(scope="module")
def page():
    return render(facts(), outcome(), (review(),))


def test_the_page_needs_nothing_but_itself_and_no_script(page):
    check_that_it_stands_alone(page)


def test_the_tags_are_nested_and_every_link_has_its_section(page):
    check_nesting(page)
    assert set(re.findall(r'href="#(\w+)"', page)) == set(re.findall(r'<section id="(\w+)"', page))


def test_answers_prompts_names_and_labels_are_escaped(page):
    assert page.count("&lt;script&gt;") >= 8
    assert "<script" not in page


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("gains", ["Against base", "+0.31 [+0.12, +0.47]", "0.002", "about 217 more records"]),
        ("scores", ["task score", "rougeL", "0.72 [0.61, 0.82]", "3 unscored", "0.41"]),
        ("people", ["0.64 [0.52, 0.75]", "48 pairs of 60", "5 equal", "kappa 0.68 [0.44, 0.86]"]),
        ("people", ["27 verdicts for the candidate", "14 for base", "ann (40)", "81.0 %"]),
        ("answers", ["3 of 3", "faq.jsonl:2", "no answer", "an empty answer", "unscored"]),
        ("slices", ["5 of the 31", "16.1 %", "By label", "too few", "regressions"[:12]]),
        ("guards", ["Look 21 of 20", "holdout_generation=3", "general: lost", "this blocks it"]),
        ("scores", ["macro F1 0.46", "none of the labels 3", "93.7 %", "exists 19, repealed 8"]),
        ("quantizations", ["bf16", "nf4", "105", "271", "0.60", "4.56", "0.042", "95.3 %", "fail"]),
        (
            "quantizations",
            ["differs too often", "the smallest that passes", "re-quantized", "2 of"],
        ),
        (
            "quantizations",
            ["<del>租金</del><ins>押金", "bf16 itself answers otherwise", "411 answer"],
        ),
        ("speed", ["83", "0.41 s", "1.37 s", "2.53 s", "7.31 [6.20, 8.90]", "12.5 %", "0.031"]),
        ("training", ["healthy: the loss fell", "4,884,480", "polyline", "100 s"]),
        ("data", ["100 rows read = 90 kept + 10 dropped", "cleaning"]),
        ("identity", ["rouge-score 0.1.2", "model-candidate", "h1", "run7", "e7e7", "2.13.0"]),
    ],
)
def test_each_section_shows_its_numbers(page, name, shown):
    part = section(page, name)
    assert [text for text in shown if text not in part] == []


def test_the_difference_of_chinese_answers_is_marked_in_words(page):
    assert "<del>租金</del><ins>押金</ins>" in section(page, "answers")


def test_the_verdict_its_reasons_and_the_release_come_first(page):
    head = page[: page.index("<section")]
    assert "v1.2-lawyer-20261125" in head
    assert "Better than base, beyond doubt" in head
    assert "version 3 of lawyer, champion" in head
    assert "the gain is sure" in head


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [("refuse", "Refused against champion"), ("cannot tell", "Cannot tell from champion")],
)
def test_a_candidate_without_a_release_has_a_page_too(verdict, sentence):
    decision = Decision(verdict, ("because",), "champion")
    refused = outcome(release=None, number=None, alias=None)
    page = render(facts(decision=decision), refused)
    assert sentence in page
    assert "No release: a refused candidate of lawyer" in page
    assert "tuneline review c4c4c4c4c4c4" in page


def test_parts_that_were_not_measured_say_so():
    plain = Comparison(report("candidate"), report("base"), facts().comparisons[0].differences)
    bare = facts(quantizations=None, forgetting=None, look=None, comparisons=(plain,), rows=())
    page = render(bare, outcome())
    assert "None was compared" in page
    assert "Not measured beyond the sources" in page
    assert "Nobody compared the answers yet" in page


def test_a_metric_measured_in_another_way_is_named():
    first = facts().comparisons[0]
    other = dataclasses.replace(first.baseline, identities={"rougeL": "rougeL|other"})
    page = render(facts(comparisons=(dataclasses.replace(first, baseline=other),)), outcome())
    assert "not the same for every model here" in section(page, "identity")


def test_every_model_stands_in_every_table_the_deciding_comparison_first():
    against_base = facts().comparisons[0]
    against_champion = dataclasses.replace(against_base, baseline=report("champion", 0.6))
    page = render(facts(comparisons=(against_base, against_champion)), outcome())
    assert page.index("Against champion") < page.index("Against base")
    assert {"base", "champion", "candidate"} <= set(re.findall(r">(\w+)</td>", page))


def test_intervals_are_named_as_the_gate_wants_them():
    assert "task score, 90 % interval" in render(facts(confidence=0.9), outcome())


def test_of_the_answers_of_a_variant_a_few_are_kept_as_they_may_be_shown():
    kept = few_answers(facts().quantizations, lambda text: text.replace("租金", "**"))
    answers = kept.variants[1].different_answers
    assert [answer.digest for answer in answers] == ["d0", "d1", "d2", "d3", "d4"]
    assert answers[0].reference_answer == "应当支付**"
    assert kept.variants[1].different == 1


def test_facts_on_disk_are_the_same_facts_with_the_same_digest(tmp_path):
    save_report(tmp_path / "facts.json", facts())
    again = load_report(tmp_path / "facts.json", ReleaseFacts)
    assert again.digest == facts().digest
    assert render(again, outcome(), (review(),)) == render(facts(), outcome(), (review(),))
    assert again.digest != facts(n_rows=4).digest
    assert again.comparisons[0].differences[ALL].n == 40


def test_importing_the_page_imports_nothing_heavy():
    code = (
        "import sys, tuneline.reporting.html_report\n"
        "assert not {'jinja2', 'matplotlib', 'rapidfuzz', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_attack_is_really_on_the_page(page):
    assert ATTACK.replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#39;") in page
