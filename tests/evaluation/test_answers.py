"""Metrics of short answers: whole answers, tokens, labels, letters, numbers, JSON."""

import pytest

from tuneline.evaluation.config import EvaluationConfig
from tuneline.evaluation.json_answers import field_scores
from tuneline.evaluation.labels import label_table
from tuneline.evaluation.metrics import METRICS, metric_named
from tuneline.evaluation.multiple_choice import chosen_letters
from tuneline.evaluation.quantities import quantities
from tuneline.reports import ClassScore, FieldScore


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ("合同（甲方）", "合同(甲方)", 1.0),
        (" YES\n", "yes", 1.0),
        ("Yes.", "Yes", 0.0),
        ("", "Yes", 0.0),
    ],
)
def test_an_exact_match_reads_the_same(prediction: str, reference: str, expected: float):
    assert METRICS["exact_match"].score([prediction], [reference]) == [expected]


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        # By SQuAD's evaluate-v1.1.py: articles, case and punctuation go; counts are multisets.
        ("The Lender, a bank", "lender bank", 1.0),
        ("the the bank", "bank bank", 2 / 3),
        ("Don't pay", "dont pay", 1.0),
        ("lender of the loan", "borrower", 0.0),
        ("pays interest twice", "pays interest", 4 / 5),
        # Characters: 支付利息 of 4 against 应当支付 of 4 share 2.
        ("支付利息", "应当支付", 1 / 2),
        ("利息。", "利息", 1.0),
        ("the", "the lender", 0.0),
    ],
)
def test_token_f1(prediction: str, reference: str, expected: float):
    assert METRICS["token_f1"].score([prediction], [reference]) == [pytest.approx(expected)]


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ("Yes, it does.", "Yes", 1.0),
        ("yes", "Yes", 1.0),
        ("Not sure", "No", 0.0),
        ("The answer is Yes", "Yes", 0.0),
        ("合法。", "合法", 1.0),
        ("Arbitration waiver", "Arbitration", 0.0),
    ],
)
def test_the_label_is_what_the_answer_opens_with(prediction, reference, expected):
    others = ["Arbitration waiver", "No"]
    scores = METRICS["label_accuracy"].score([prediction, *others], [reference, *others])
    assert scores == [expected, 1.0, 1.0]


def test_the_label_table_has_precision_recall_and_confusion_of_every_class():
    references = ["Yes", "Yes", "Yes", "No", "No", "Unclear"]
    predictions = ["Yes.", "no", "well", "No", "Yes", "No"]
    table = label_table(predictions, references)
    # By hand. Yes: 1 of 2 given, 1 of 3 expected; No: 1 of 3, 1 of 2; Unclear is never given.
    assert table.classes == {
        "Yes": ClassScore(1 / 2, 1 / 3, pytest.approx(0.4), 3),
        "No": ClassScore(1 / 3, 1 / 2, pytest.approx(0.4), 2),
        "Unclear": ClassScore(None, 0.0, 0.0, 1),
    }
    assert table.confusion == {
        "Yes": {"Yes": 1, "No": 1, "": 1},
        "No": {"No": 1, "Yes": 1},
        "Unclear": {"No": 1},
    }
    assert table.macro_f1 == pytest.approx(0.8 / 3)


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("正确答案:C。", "C"),
        ("答案是B", "B"),
        ("本题应选 Ｄ 项", "D"),
        ("答案不是A，而是B", "B"),
        ("起初选A，最后答案是D", "D"),
        ("答案为ACD", "ACD"),
        ("C、A", "AC"),
        ("B项正确", "B"),
        ("根据题意，B", "B"),
        ("The answer is (B).", "B"),
        ("Answer: **C**", "C"),
        ("The answer is A because the lender may", "A"),
        ("I first thought B. The correct option is D: the bank", "D"),
        ("Answer: B? No, the answer is C.", "C"),
        ("B. the lender", "B"),
        ("(c)", "C"),
        ("b", "B"),
        ("A contract is void", ""),
        ("the answer is a contract", ""),
        ("无法判断", ""),
    ],
)
def test_the_letters_that_an_answer_settles_on(text: str, letters: str):
    assert chosen_letters(text) == letters


def test_a_choice_needs_all_letters_and_a_reference_with_a_letter():
    score = METRICS["multiple_choice"].score
    assert score(["A、C", "A", "B", "B"], ["答案：CA", "AC", "the lender", "B"]) == [1, 0, None, 1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1,234,567.89 dollars", [(1234567.89, "USD")]),
        ("$1.2 million", [(1.2e6, "USD")]),
        ("１，２３４元", [(1234, "CNY")]),
        ("3.5万元", [(35000, "CNY")]),
        ("壹万贰仟元整", [(12000, "CNY")]),
        ("百分之五", [(5, "percent")]),
        ("判处有期徒刑三年六个月，并处罚金5000元", [(42, "month"), (5000, "CNY")]),
        ("1 year and 6 months", [(18, "month")]),
        ("5 months, 6 months", [(5, "month"), (6, "month")]),
        ("10-20", [(10, ""), (20, "")]),
        ("-3.5", [(-3.5, "")]),
        ("一般来说第三方", []),
        ("三", [(3, "")]),
        ("GPT4 says 5", [(5, "")]),
    ],
)
def test_the_quantities_of_a_text(text: str, found: list[tuple[float, str]]):
    assert [(pytest.approx(q.size), q.kind) for q in quantities(text)] == found


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ("12 months", "1 year", 1.0),
        ("四个月", "刑期:4个月", 1.0),
        ("5", "5%", 1.0),
        ("0.05", "5%", 1.0),
        ("5 days", "5 months", 0.0),
        ("拘役四个月，罚金1000元", "4个月", 1.0),
        ("it is 10, no, 12", "12", 1.0),
        ("101", "100", 0.0),
        ("no idea", "100", 0.0),
        ("5", "five", None),
    ],
)
def test_a_number_is_right_with_its_unit(prediction: str, reference: str, expected: float | None):
    assert METRICS["numeric"].score([prediction], [reference]) == [expected]


def test_the_tolerance_is_relative_to_the_larger_number():
    score = metric_named("numeric", EvaluationConfig(numeric_tolerance=0.05)).score
    assert score(["104", "106", "-100"], ["100"] * 3) == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        ('{"a": 1}', 1.0),
        ('```json\n{"a": 1}\n```', 1.0),
        ("[]", 1.0),
        ('Here it is: {"a": 1}', 0.0),
        ('{"a": NaN}', 0.0),
        ('{"a": 1', 0.0),
        ("5", 0.0),
        ("[" * 100_000, 0.0),
    ],
)
def test_an_answer_is_json_or_it_is_not(prediction: str, expected: float):
    assert METRICS["json_valid"].score([prediction], ["{}"]) == [expected]
    assert METRICS["json_valid"].score([prediction], ["Yes"]) == [None]


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ('{"rate": "5% A YEAR", "term": null}', '{"rate": "5% a year", "term": null}', 1.0),
        ('{"rate": "5%"}', '{"rate": "5%", "term": null}', 1.0),
        ('{"rate": "5%", "fee": 1}', '{"rate": "5%"}', 1 / 2),
        ('{"rate": 5.0, "term": "2"}', '{"rate": 5, "term": 2}', 1 / 2),
        ('{"a": {"b": [1, 3]}}', '{"a": {"b": [1, 2]}}', 1 / 2),
        ('{"a": true}', '{"a": 1}', 0.0),
        ('{"a": null}', '{"a": null}', 1.0),
        ("{}", "{}", None),
        ("no JSON", '{"rate": "5%"}', 0.0),
        ("[1]", '{"rate": "5%"}', 0.0),
        ('{"a": 1}', "no JSON", None),
    ],
)
def test_the_share_of_fields_that_are_right(prediction: str, reference: str, expected):
    assert METRICS["json_fields"].score([prediction], [reference]) == [expected]


def test_the_accuracy_of_every_field():
    references = ['{"rate": "5%", "term": null}', '{"rate": "6%", "term": "1 year"}', "prose"]
    predictions = ['{"rate": "5%", "term": "2 years"}', "nothing", '{"rate": 1}']
    assert field_scores(predictions, references) == {
        "rate": FieldScore(1 / 2, 2),
        "term": FieldScore(0.0, 2),
    }
