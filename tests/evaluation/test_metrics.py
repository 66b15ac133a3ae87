"""Scores against reference implementations."""

import importlib.metadata

import jieba
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_chinese import Rouge
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU

from tuneline.evaluation.metrics import METRICS
from tuneline.evaluation.words import words

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


TEXTS = st.text(st.sampled_from("ab c.5合同法，\n Ｙé"), max_size=24)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=5))
def test_every_metric_gives_one_score_from_0_to_1_per_record(pairs):
    predictions, references = [p for p, _ in pairs], [r for _, r in pairs]
    for name, metric in METRICS.items():
        scores = metric.score(predictions, references)
        assert len(scores) == len(pairs), name
        assert all(type(s) is float and 0 <= s <= 1 for s in scores), name


@given(st.lists(TEXTS, max_size=4), st.lists(TEXTS, max_size=4))
def test_no_metric_pairs_lists_of_different_lengths(predictions, references):
    if len(predictions) == len(references):
        references = [*references, "合同"]
    for metric in METRICS.values():
        with pytest.raises(ValueError, match=r"shorter|longer"):
            metric.score(predictions, references)


@given(st.text(st.sampled_from("ab C'-.5\n\té"), max_size=30), st.text("abC. ", max_size=30))
def test_english_rouge_equals_rouge_score_on_any_text(prediction: str, reference: str):
    expected = RougeScorer(["rougeL"]).score(reference, prediction)["rougeL"].fmeasure
    assert METRICS["rougeL"].score([prediction], [reference]) == [expected]


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


def test_words_of_mixed_text():
    assert words("甲方 pays 5%，违约金") == ("甲方", "pays", "5", "违约金")
    assert words("？！ ...") == ()


def test_bleu_of_a_mixed_text_is_that_of_the_language_of_its_reference():
    prediction, reference = "The 合同 is valid and binding", "The contract is valid and binding"
    english = BLEU(tokenize="13a", effective_order=True).sentence_score(prediction, [reference])
    assert METRICS["bleu"].score([prediction], [reference])[0] == pytest.approx(english.score / 100)


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


def test_an_identity_names_metric_tokenizer_and_the_library_that_computes_it():
    identity = METRICS["bleu"].identity("bleu", "greedy", "rows")
    assert identity.startswith("bleu|sacrebleu 13a, zh where")
    assert f"sacrebleu {importlib.metadata.version('sacrebleu')}" in identity
    assert len({m.identity(name, "greedy", "rows") for name, m in METRICS.items()}) == len(METRICS)
