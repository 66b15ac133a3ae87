"""ROUGE against `rouge_score`, `rouge_chinese` and the paper."""

import jieba
import pytest
import rjieba
from hypothesis import given
from hypothesis import strategies as st
from rouge_chinese import Rouge
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import Tokenizer

from tuneline.evaluation.metrics import METRICS
from tuneline.evaluation.words import words

KINDS = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
CHINESE = [
    ("借款人应当按照约定的期限支付利息", "借款人应当按照约定的期限返还借款并支付利息"),
    ("合同自成立时生效", "依法成立的合同自成立时生效"),
    ("出租人应当履行租赁物的维修义务", "承租人在租赁物需要维修时可以请求出租人在合理期限内维修"),
    ("合同无效的合同不发生合同的效力", "无效的合同自始没有法律约束力"),
]


class Words(Tokenizer):
    def tokenize(self, text: str) -> list[str]:
        return list(words(text))


ENGLISH = st.lists(st.sampled_from(["a", "b", "C", "Lend-er", "5%", " ", " ", "\n", "é."])).map(
    "".join
)
MIXED = st.lists(st.sampled_from(["合同", "违约金", "人", "a", "b", " ", "\n", "，"])).map("".join)


def all_kinds(prediction: str, reference: str) -> dict[str, float]:
    return {kind: METRICS[kind].score([prediction], [reference])[0] for kind in KINDS}


@given(ENGLISH, ENGLISH)
def test_english_rouge_equals_rouge_score(prediction: str, reference: str):
    expected = RougeScorer(KINDS).score(reference, prediction)
    assert all_kinds(prediction, reference) == {k: expected[k].fmeasure for k in KINDS}


@given(MIXED, MIXED)
def test_chinese_and_mixed_rouge_equals_rouge_score_on_the_same_words(prediction, reference):
    expected = RougeScorer(KINDS, tokenizer=Words()).score(reference, prediction)
    assert all_kinds(prediction, reference) == {k: expected[k].fmeasure for k in KINDS}


@pytest.mark.parametrize(("text", "reference"), CHINESE)
def test_chinese_rouge_equals_rouge_chinese_on_jieba_words(text: str, reference: str):
    """To 1e-6: it adds 1e-8 to a denominator. `exclusive=False` counts a word as often as it is."""
    cut = [" ".join(jieba.cut(t)) for t in (text, reference)]
    assert cut == [" ".join(rjieba.cut(t)) for t in (text, reference)]
    theirs = Rouge(exclusive=False).get_scores(*cut)[0]
    ours = all_kinds(text, reference)
    for kind, name in (("rouge1", "rouge-1"), ("rouge2", "rouge-2"), ("rougeL", "rouge-l")):
        assert ours[kind] == pytest.approx(theirs[name]["f"], abs=1e-6)


def test_texts_that_share_only_digits_are_not_equal():
    """rouge_score's own tokenizer gives 1.0 here: it drops every Chinese character."""
    prediction, reference = "第 5 条 出租人", "第 5 条 承租人应当"
    assert RougeScorer(["rougeL"]).score(reference, prediction)["rougeL"].fmeasure == 1.0
    assert 0 < METRICS["rougeL"].score([prediction], [reference])[0] < 0.8


def test_rouge_l_of_the_paper():
    """Lin 2004, section 3.1: S1 "police killed the gunman", S2 "police kill the gunman",

    S3 "the gunman kill police": ROUGE-L is 3/4 for S2 and 2/4 for S3; ROUGE-2 is 1/3 for both.
    """
    predictions = ["police kill the gunman", "the gunman kill police"]
    references = ["police killed the gunman"] * 2
    assert METRICS["rougeL"].score(predictions, references) == pytest.approx([3 / 4, 2 / 4])
    assert METRICS["rouge2"].score(predictions, references) == pytest.approx([1 / 3, 1 / 3])


def test_rouge_lsum_of_the_paper():
    """Lin 2004, section 3.2: the reference line w1-w5 shares w1 w2 w3 w5 with two lines.

    Recall is 4/5, precision 4/10, so that F1 is 8/15.
    """
    prediction = "w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5"
    score = METRICS["rougeLsum"].score([prediction], ["w1 w2 w3 w4 w5"])
    assert score == pytest.approx([8 / 15])
