"""Answers side by side: exact, similar, different, and every answer is one of them."""

import pytest

from tuneline.evaluation.rouge import rouge_l
from tuneline.quantization.comparison import Measured, agreements, compare_variants
from tuneline.reports import Score

SCORE = Score(0.5, 0.2, 0.8, 4)


def equal_words(answers, references) -> list[float]:
    """Share of the reference's words that the answer has, whatever their order."""
    pairs = zip(answers, references, strict=True)
    return [len(set(a.split()) & set(r.split())) / max(1, len(set(r.split()))) for a, r in pairs]


def test_the_threshold_itself_counts_as_similar():
    # By hand: 3 of 5, then 2 of 5 words.
    answers, reference = ["a b c x y", "a b x y z"], ["a b c d e"] * 2
    assert agreements(answers, reference, equal_words, 0.6) == ["similar", "different"]
    assert agreements(answers, reference, equal_words, 0.61) == ["different", "different"]


def test_exact_means_reads_the_same_in_both_languages():
    answers, reference = ["YES ", "合同（甲方）", "Yes."], ["yes", "合同(甲方)", "Yes"]
    assert agreements(answers, reference, rouge_l, 0.99) == ["exact", "exact", "similar"]


def test_chinese_answers_can_be_similar():
    """One word of five differs: ROUGE-L is 4/5. rouge_score's own tokenizer would give 0."""
    answers, reference = ["借款人 应当 支付 全部 利息"], ["借款人 应当 支付 全部 本金"]
    assert agreements(answers, reference, rouge_l, 0.8) == ["similar"]


@pytest.mark.parametrize(("answer", "other"), [(None, "x"), ("x", None), (None, None), (None, "")])
def test_a_failed_generation_is_different_even_from_an_empty_answer(answer, other):
    assert agreements([answer], [other], rouge_l, 0.0) == ["different"]


def test_two_empty_answers_are_equal():
    assert agreements([""], [""], rouge_l, 0.5) == ["exact"]


def test_every_variant_is_compared_with_the_first_and_counts_add_up():
    measured = [
        Measured("bf16", 2.0, 10.0, SCORE, ["yes", "a b c", "x"]),
        Measured("int8", 1.0, 9.0, SCORE, ["yes", "a b c", "y"]),
        Measured("nf4", 0.5, 8.0, SCORE, ["yes", "a b d", "y"]),
    ]
    report = compare_variants(measured, rouge_l, 0.6)
    counts = [(v.name, v.exact, v.similar, v.different) for v in report.variants]
    assert counts == [("bf16", 3, 0, 0), ("int8", 2, 0, 1), ("nf4", 1, 1, 1)]
    assert (report.n_prompts, report.similar_from) == (3, 0.6)
    assert [(v.size_mib, v.tokens_per_s) for v in report.variants] == [(2, 10), (1, 9), (0.5, 8)]


def test_answers_to_other_prompts_are_not_compared():
    with pytest.raises(ValueError, match="argument 2 is longer"):
        agreements(["yes"], ["yes", "no"], rouge_l, 0.6)
