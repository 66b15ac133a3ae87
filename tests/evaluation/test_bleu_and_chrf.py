"""BLEU and chrF against sacreBLEU."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.tokenizers.tokenizer_zh import TokenizerZh

from tuneline.evaluation.bleu import _PIECE
from tuneline.evaluation.metrics import METRICS
from tuneline.evaluation.words import has_chinese

THEIRS = {name: BLEU(tokenize=name, effective_order=True) for name in ("13a", "zh")}
PIECES = ["a", "B", "5", ".", ",", "-", "&amp;", "<", " ", " ", "\n", "合", "同", "，", "５", "“"]
TEXTS = st.lists(st.sampled_from([*PIECES, "…", "\u2003", "\u3000", "é"]), max_size=30).map("".join)


def expected_bleu(prediction: str, reference: str) -> float:
    metric = THEIRS["zh" if has_chinese(reference) else "13a"]
    return min(1.0, metric.sentence_score(prediction, [reference]).score / 100)


@given(TEXTS, TEXTS)
@example("同.5a 合", "合.5a 同")  # at the edge of a piece sacreBLEU sees a space before the dot
def test_bleu_equals_sacrebleu(prediction: str, reference: str):
    expected = pytest.approx(expected_bleu(prediction, reference), abs=1e-6)
    assert METRICS["bleu"].score([prediction], [reference]) == [expected]


@given(TEXTS, TEXTS)
def test_chrf_equals_sacrebleu(prediction: str, reference: str):
    expected = min(1.0, CHRF().sentence_score(prediction, [reference]).score / 100)
    assert METRICS["chrf"].score([prediction], [reference]) == [pytest.approx(expected, abs=1e-6)]


def test_the_same_characters_stand_apart_as_in_sacrebleu():
    is_apart = TokenizerZh._is_chinese_char.__wrapped__
    characters = [chr(code) for code in range(0x30000) if not chr(code).isspace()]
    wrong = [c for c in characters if (len(_PIECE.findall(f"a{c}a")) == 3) != is_apart(c)]
    assert wrong == []


def test_bleu_of_a_mixed_text_is_that_of_the_language_of_its_reference():
    prediction, reference = "The 合同 is valid and binding", "The contract is valid and binding"
    english = THEIRS["13a"].sentence_score(prediction, [reference]).score / 100
    assert METRICS["bleu"].score([prediction], [reference])[0] == pytest.approx(english)


def test_the_default_tokenizer_of_sacrebleu_is_wrong_for_chinese():
    """One character in eleven differs: 13a sees one other word, zh sees ten equal ones."""
    prediction, reference = "借款人应当按期支付利息", "借款人应当按时支付利息"
    assert THEIRS["13a"].sentence_score(prediction, [reference]).score == 0
    assert METRICS["bleu"].score([prediction], [reference])[0] > 0.6
