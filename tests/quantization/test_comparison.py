"""Answers side by side: exact, similar, different, and every answer is one of them."""

import pytest

from tuneline.evaluation import same_answer
from tuneline.evaluation.metrics import METRICS
from tuneline.evaluation.rouge import rouge_l
from tuneline.evaluation.same_answer import same_answers
from tuneline.quantization.comparison import Judge, Rows, slice_shares
from tuneline.quantization.config import Limit


def equal_words(answers, references) -> list[float]:
    """Share of the reference's words that the answer has, whatever their order."""
    pairs = zip(answers, references, strict=True)
    return [len(set(a.split()) & set(r.split())) / max(1, len(set(r.split()))) for a, r in pairs]


def rows(answers, sources=None, scores=None) -> Rows:
    n = len(answers)
    return Rows(sources or ["s"] * n, list(answers), scores or [1.0] * n)


def agreements(answers, reference, similarity, similar_from, same=None) -> list[str]:
    judge = Judge(same or {}, similarity, similar_from)
    return judge.agreements(rows(answers), rows(reference))


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


def test_answers_to_other_prompts_are_not_compared():
    with pytest.raises(ValueError, match="other prompts"):
        agreements(["yes"], ["yes", "no"], rouge_l, 0.6)
    with pytest.raises(ValueError, match="other prompts"):
        Judge({}, rouge_l, 0.6).agreements(rows(["a"], ["x"]), rows(["a"], ["y"]))


def test_answers_with_one_label_are_the_same_and_likeness_has_no_degrees():
    """ "Yes, it does." and "Yes" say the same; "No" is different although ROUGE-L may be high."""
    same = same_answers("label_accuracy", ["Yes", "No", "No", "Yes"])
    answers = ["Yes, it does.", "No, it does overrule.", "yes", "Perhaps"]
    reference = ["Yes", "Yes, it does overrule.", "YES", "perhaps "]
    assert agreements(answers, reference, rouge_l, 0.1, {"s": same}) == [
        "exact", "different", "exact", "exact",
    ]  # fmt: skip


def test_an_answer_without_a_label_is_not_one_with_a_label():
    same = same_answers("label_accuracy", ["Yes", "No"])
    assert same is not None
    assert same(["Maybe", "Yes"], ["Yes", "Maybe"]) == [False, False]


def test_exact_match_knows_no_similar_answer():
    same = same_answers("exact_match", ["a b c d e"])
    answers, reference = ["a b c d f", "A b  c d e"], ["a b c d e", "a b c d e"]
    assert agreements(answers, reference, rouge_l, 0.1, {"s": same}) == ["different", "exact"]


@pytest.mark.parametrize(
    ("metric", "ours", "theirs", "is_same"),
    [
        ("json_fields", '{"a": 1, "b": "X"}', '{"b": "x", "a": 1.0}', True),
        ("json_fields", '{"a": 1}', '{"a": 1, "b": 2}', False),
        ("json_fields", "no JSON", "no json", True),
        ("json_fields", "no JSON", '{"a": 1}', False),
        ("numeric", "It is 12 months.", "1 year", True),
        ("numeric", "12", "13", False),
        ("numeric", "many", "12", False),
        ("multiple_choice", "The answer is (B).", "B", True),
        ("multiple_choice", "答案是A", "B", False),
    ],
)
def test_answers_that_mean_the_same_are_the_same(metric: str, ours: str, theirs: str, is_same):
    same = same_answers(metric, ["not read"])
    assert same is not None
    assert same([ours], [theirs]) == same([theirs], [ours]) == [is_same]


@pytest.mark.parametrize("metric", ["rougeL", "bleu", "token_f1", "chrf"])
def test_free_text_is_judged_by_likeness(metric: str):
    assert same_answers(metric, ["a"]) is None


def test_each_source_is_judged_in_its_own_way():
    judge = Judge({"label": same_answers("label_accuracy", ["Yes", "No"])}, rouge_l, 0.5)
    sources = ["text", "label", "text"]
    ours = rows(["a b c d f", "Yes it is", "x"], sources)
    theirs = rows(["a b c d e", "Yes", "y"], sources)
    assert judge.agreements(ours, theirs) == ["similar", "exact", "different"]


def test_shares_add_up_per_slice_and_unstable_prompts_are_set_aside():
    sources = ["a", "a", "b", "b"]
    ours = rows(["1", "2", "3", "4"], sources, [1.0, 0.0, 0.0, None])
    theirs = rows(["1", "0", "0", "0"], sources, [1.0, 1.0, 0.0, 1.0])
    found = slice_shares(
        ours, theirs, ["exact", "different", "different", "similar"], [False, False, True, False],
        {"b": Limit(margin=0.2)},
    )  # fmt: skip
    assert list(found) == ["all", "a", "b"]
    whole = found["all"]
    assert (whole.exact, whole.similar, whole.different, whole.n) == (1, 1, 2, 4)
    assert (whole.unstable, whole.different_beyond_noise, whole.n_stable) == (1, 1, 3)
    assert whole.difference is not None
    assert whole.difference.value == pytest.approx(-1 / 3)
    assert (whole.difference.n, whole.difference.threshold) == (3, -0.05)
    assert found["b"].difference is not None
    assert (found["b"].difference.n, found["b"].difference.threshold) == (1, -0.2)


def test_a_slice_that_is_unscored_for_both_has_no_difference():
    nothing = rows(["1"], ["a"], [None])
    assert slice_shares(nothing, nothing, ["exact"], [False], {})["a"].difference is None


def test_the_metrics_that_read_a_meaning_exist():
    """A metric that was renamed would silently be judged by likeness."""
    assert {*same_answer.BY_SCORE, *same_answer.BY_LABEL} <= METRICS.keys()
