import dataclasses

import pytest

from tuneline.data.advice import MAX_ALIKE, advise
from tuneline.data.amounts import CLASSIFICATION, QUESTIONS, REASONING, half_width, kind_of
from tuneline.data.wording import certify, share, verdict
from tuneline.reports import Certificate, Conflict, DataReport, FileReport, LeakCheck


def check(**changes):
    good = LeakCheck("train", "holdout", 1600, 200, found=0, remaining=0, examples=())
    return dataclasses.replace(good, **changes)


def certificate(*checks):
    return Certificate(checks, 0.8, "a" * 64, "b" * 64, "c" * 64)


GOOD = DataReport(
    n_read=2000,
    n_kept=2000,
    dropped={},
    splits={"train": {"faq": 1600}, "validation": {"faq": 200}, "holdout": {"faq": 200}},
    sources={"faq": {"read": 2000, "kept": 2000}},
    languages={"zh": 1990, "unknown": 10},
    certificate=certificate(check()),
)


def advice(**changes):
    return advise(dataclasses.replace(GOOD, **changes))


def train(**counts):
    sides = {"train": counts, "validation": {}, "holdout": {"faq": 200}}
    return {
        "splits": sides,
        "sources": {name: {"read": n, "kept": n} for name, n in counts.items()},
    }


def test_one_sentence_says_that_all_is_well():
    assert advice() == (
        "Nothing to mend: 2,000 of 2,000 (100.0 %) rows are kept, and no check objects.",
    )


def test_the_kind_of_task_is_told_from_labels_and_the_length_of_answers():
    report = dataclasses.replace(
        GOOD,
        labels={"yes-no": {"Yes": 1}},
        answer_chars={"proofs": 1000, "faq": 999, "yes-no": 9999},
    )
    names = ("yes-no", "proofs", "faq", "unmeasured")
    kinds = [kind_of(report, name) for name in names]
    assert kinds == [CLASSIFICATION, REASONING, QUESTIONS, QUESTIONS]


@pytest.mark.parametrize(
    ("n", "changes", "expected"),
    [
        (
            60,
            {"labels": {"s": {"Yes": 30, "No": 30}}},
            "100 to 500 are often enough: add at least 40",
        ),
        (420, {}, "500 to 2,000 are often enough: add at least 80"),
        (1500, {"answer_chars": {"s": 3000}}, "2,000 to 10,000 are often enough: add at least 500"),
    ],
)
def test_too_few_records_are_named_by_kind_of_task(n, changes, expected):
    (sentence,) = advice(**train(s=n), **changes)
    assert f"{n:,} train records" in sentence
    assert expected in sentence


@pytest.mark.parametrize(
    ("n", "changes"),
    [
        (100, {"labels": {"s": {"Yes": 50, "No": 50}}}),
        (500, {}),
        (2000, {"answer_chars": {"s": 3000}}),
    ],
)
def test_enough_records_are_not_worth_a_sentence(n, changes):
    assert "Nothing to mend" in advice(**train(s=n), **changes)[0]


def test_questions_of_several_sources_are_learned_together_and_labels_are_not():
    assert "Nothing to mend" in advice(**train(a=300, b=300))[0]
    labels = {"a": {"Yes": 30, "No": 30}, "b": {"Yes": 300, "No": 300}}
    (sentence,) = advice(**train(a=60, b=600), labels=labels)
    assert sentence.startswith("Little to learn from: a (classification) has 60")


def test_a_report_without_splits_is_judged_by_what_was_kept():
    (sentence,) = advice(splits={}, sources={"faq": {"read": 400, "kept": 300}}, certificate=None)
    assert "has 300 train records" in sentence


def test_half_of_wilsons_interval_equals_scipys():
    from scipy.stats import binomtest

    for n in (10, 40, 100, 400):
        interval = binomtest(n // 2, n).proportion_ci(0.95, method="wilson")
        assert half_width(n) == pytest.approx((interval.high - interval.low) / 2, abs=1e-4)


def test_a_small_holdout_says_what_it_can_show():
    (sentence,) = advice(splits={**GOOD.splits, "holdout": {"faq": 40}})
    # by hand: 1.96 / (2 * sqrt(40 + 1.96^2)) = 0.148
    assert "has 40 records: a share of 0.50 is known there only to ±0.15" in sentence
    assert "100 records give ±0.10, 400 give ±0.05" in sentence


def test_many_bad_rows_name_the_file_and_the_commonest_reason():
    file = FileReport("rows.jsonl", "faq", "jsonl", "utf-8", "alpaca", "d" * 64, 2000, 50)
    dropped = {"formats": {"missing_answer": 40, "not_json": 10}}
    (sentence,) = advice(n_kept=1950, dropped=dropped, files=(file,))
    assert "50 of 2,000 (2.5 %) rows are no records, 50 in rows.jsonl" in sentence
    assert "missing answer (40)" in sentence
    assert "Nothing to mend" in advice(dropped={"formats": {"not_json": 19}})[0]


def test_a_source_that_lost_most_of_its_rows_names_the_stage():
    sources = {"faq": {"read": 2000, "kept": 900}}
    dropped = {"near_dedup": {"similar_text": 1000}, "exact_dedup": {"same_text": 100}}
    (sentence,) = advice(n_kept=900, sources=sources, dropped=dropped)
    assert "faq keeps only 900 of 2,000 (45.0 %) rows; most drops come from near_dedup" in sentence
    assert "raise near_dedup.threshold" in sentence


def test_rows_lost_to_semantic_dedup_have_a_way_out_of_their_own():
    sources = {"faq": {"read": 2000, "kept": 900}}
    dropped = {"semantic_dedup": {"similar_meaning": 1100}}
    (sentence,) = advice(n_kept=900, sources=sources, dropped=dropped)
    assert "raise semantic_dedup.threshold" in sentence
    assert "near_dedup.threshold" not in sentence


def test_records_longer_than_training_takes_are_told_from_one_in_twenty():
    assert "Nothing to mend" in advice(n_truncated=100, max_tokens=1024)[0]
    (sentence,) = advice(n_truncated=120, max_tokens=1024)
    assert "120 of 2,000 (6.0 %) kept records are longer than the 1,024 tokens" in sentence


def test_conflicts_name_the_first_place():
    conflict = Conflict("Who pays?", ("A", "B"), ("rows.jsonl:3", "rows.jsonl:9"))
    (sentence,) = advice(n_conflicts=23, conflicts=(conflict,))
    assert "23 prompts with more than one answer (first: rows.jsonl:3, rows.jsonl:9)" in sentence


def test_imbalance_names_what_a_constant_answer_scores():
    (sentence,) = advice(labels={"faq": {"Yes": 1500, "No": 300}})
    assert "1,500 of 1,800 (83.3 %) answers are 'Yes' and only 300 'No'" in sentence
    assert "always answering 'Yes' scores 0.83" in sentence
    assert "Nothing to mend" in advice(labels={"faq": {"Yes": 1499, "No": 300}})[0]
    assert "all 1,800 answers are 'Yes'" in advice(labels={"faq": {"Yes": 1800}})[0]


@pytest.mark.parametrize(
    ("languages", "is_told"),
    [
        ({"zh": 960, "en": 40}, True),
        ({"zh": 700, "en": 300}, False),
        ({"zh": 960, "zh+en": 40}, False),
        ({"zh": 960, "unknown": 40}, False),
        ({"zh": 999, "en": 1}, False),
        ({}, False),
    ],
)
def test_a_second_language_is_told_where_it_looks_like_an_accident(languages, is_told):
    (sentence,) = advice(languages=languages)
    assert ("40 of 1,000 (4.0 %) kept records are in 'en'" in sentence) == is_told


def test_personal_data_is_told_where_it_stays():
    findings = {"phone": {"reported": 61}, "email": {"redacted": 9}, "html": {"reported": 5}}
    (sentence,) = advice(findings=findings)
    assert "stays in the records (phone in 61)" in sentence


def test_leaks_that_remain_come_first_and_dropped_ones_last():
    checks = (check(found=33), check(hidden="validation", found=0, remaining=2))
    sentences = advice(certificate=certificate(*checks), n_conflicts=1)
    assert "2 of 1,600 (0.1 %) train records still say what validation says" in sentences[0]
    assert sentences[-1].startswith("33 records dropped for saying what a hidden one says")
    assert "33 of train against holdout" in sentences[-1]


def test_sentences_of_one_kind_are_counted_after_the_third():
    sources = {f"s{n}": {"Yes": 900, "No": 9} for n in range(5)}
    sentences = advice(labels=sources)
    assert len(sentences) == MAX_ALIKE + 1
    assert sentences[-1].startswith("The same holds for 2 more")


def test_the_verdict_shows_numbers_that_do_not_add_up():
    assert verdict(GOOD) == "2,000 rows read = 2,000 kept + 0 dropped"
    assert " ≠ " in verdict(dataclasses.replace(GOOD, n_kept=1))


def test_the_certificate_is_clean_refused_or_missing():
    assert "clean: a second search over 1 comparison found nothing" in certify(GOOD.certificate)
    assert "refused: 1 leak left" in certify(certificate(check(remaining=1)))
    assert "No leak certificate" in certify(None)


def test_a_share_is_never_rounded_to_nothing():
    assert [share(n, 10_000) for n in (0, 1, 10, 5000)] == ["0.0 %", "<0.1 %", "0.1 %", "50.0 %"]
    assert share(0, 0) == "0.0 %"
