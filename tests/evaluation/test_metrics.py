"""Scores against reference implementations."""

import jieba
import pytest
from rouge_chinese import Rouge
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU

from tuneline.evaluation.metrics import METRICS

ENGLISH = [
    ("The borrower shall pay 5% interest.", "The borrower pays 5% interest per year."),
    ("No.", "Yes, the decision was overruled."),
    ("the cat sat on the mat", "the cat sat on the mat"),
]
CHINESE = [
    ("借款人应当按照约定的期限支付利息", "借款人应当按照约定的期限返还借款并支付利息"),
    ("合同自成立时生效", "依法成立的合同自成立时生效"),
]


@pytest.mark.parametrize(
    ("name", "kind"), [("rouge1", "rouge1"), ("rouge2", "rouge2"), ("rougeL", "rougeL")]
)
def test_english_rouge_equals_rouge_score(name, kind):
    reference = RougeScorer([kind])
    expected = [reference.score(ref, text)[kind].fmeasure for text, ref in ENGLISH]
    ours = METRICS[name].score([t for t, _ in ENGLISH], [r for _, r in ENGLISH])
    assert ours == pytest.approx(expected, abs=1e-12)


def test_chinese_rouge_equals_rouge_chinese_on_jieba_words():
    """rouge_chinese rounds nothing; its smoothing term moves F1 by less than 1e-7."""
    for text, ref in CHINESE:
        expected = Rouge().get_scores(" ".join(jieba.cut(text)), " ".join(jieba.cut(ref)))[0]
        for name, theirs in (("rouge1", "rouge-1"), ("rouge2", "rouge-2"), ("rougeL", "rouge-l")):
            ours = METRICS[name].score([text], [ref])[0]
            assert ours == pytest.approx(expected[theirs]["f"], abs=1e-6)


@pytest.mark.parametrize(("pairs", "tokenizer"), [(ENGLISH, "13a"), (CHINESE, "zh")])
def test_bleu_equals_sacrebleu(pairs, tokenizer):
    reference = BLEU(tokenize=tokenizer, effective_order=True)
    expected = [min(1.0, reference.sentence_score(t, [r]).score / 100) for t, r in pairs]
    ours = METRICS["bleu"].score([t for t, _ in pairs], [r for _, r in pairs])
    assert ours == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", METRICS)
def test_identical_texts_score_one_in_both_languages_and_empty_ones_zero(name):
    texts = ["借款人应当支付利息和违约金。", "The lender may claim 3% per day."]
    score = METRICS[name].score
    assert score(texts, texts) == pytest.approx([1.0, 1.0])
    assert score(["", ""], texts) == [0.0, 0.0]
    assert all(0 <= s <= 1 for s in score(["借款 5% lender", "x"], texts))
    with pytest.raises(ValueError, match="shorter"):
        score(texts, texts[:1])


@pytest.mark.parametrize("name", METRICS)
def test_the_identity_changes_with_decoding_and_rows(name):
    metric = METRICS[name]
    identities = {metric.identity(name, d, r) for d in ("greedy 1", "greedy 2") for r in "ab"}
    assert len(identities) == 4


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
