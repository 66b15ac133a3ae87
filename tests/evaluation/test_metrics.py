"""What holds for every metric: a contract over METRICS, identities, and scoring in portions."""

import importlib.metadata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneline.errors import EvaluationError
from tuneline.evaluation import scoring
from tuneline.evaluation.config import EvaluationConfig
from tuneline.evaluation.metric import Metric, always
from tuneline.evaluation.metrics import METRICS, chosen_metrics, metric_named
from tuneline.evaluation.words import word_lines, words

CITED = "examples/statutes/civil_code.jsonl"
SETTINGS = EvaluationConfig(statutes=CITED, numeric_tolerance=0.01)
PROSE = ("借款人应当支付利息和违约金。", "The lender may claim 3% per day.", "甲方 pays 利息")
SUITABLE = {
    "json_valid": ('{"rate": "5%"}', '["借款人", 3]'),
    "json_fields": ('{"rate": "5%", "term": null}', '["借款人", 3]'),
    "multiple_choice": ("正确答案：C。", "B", "The answer is (A)."),
    "numeric": ("5%", "有期徒刑三年六个月", "$1,200.50"),
    "citations": ("《民法典》第五百七十七条", "依据民法典第10条和第11条"),
}
"""References that a metric can judge; any text for the others."""


def texts_for(name: str) -> list[str]:
    return list(SUITABLE.get(name, PROSE))


def test_words_of_mixed_text():
    assert words("甲方 pays 5%，违约金") == ("甲方", "pays", "5", "违约金")
    assert words("？！ ...") == ()
    assert word_lines("One.\n\n合同 two") == (("one",), ("合同", "two"))


@pytest.mark.parametrize("name", METRICS)
def test_an_answer_that_is_the_reference_scores_one(name: str):
    texts = texts_for(name)
    scores = metric_named(name, SETTINGS).score(texts, texts)
    assert scores == pytest.approx([1.0] * len(texts))


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("empty", ["", " \n"])
def test_an_empty_answer_scores_zero(name: str, empty: str):
    texts = texts_for(name)
    assert metric_named(name, SETTINGS).score([empty] * len(texts), texts) == [0.0] * len(texts)


@pytest.mark.parametrize("name", METRICS)
def test_no_metric_pairs_lists_of_different_lengths(name: str):
    score = metric_named(name, SETTINGS).score
    for predictions, references in ((["a", "b"], ["a"]), (["a"], ["a", "b"]), ([], ["合同"])):
        with pytest.raises(ValueError, match=r"shorter|longer"):
            score(predictions, references)
    assert list(score([], [])) == []


PIECES = ["a", "B", "C.", " ", "\n", "5", "3.5%", "合同", "法", "第十条", "《民法典》", "三", "年"]
TEXTS = st.lists(st.sampled_from([*PIECES, "{", "}", '"', ":", "，", "Ｙ", "é"])).map("".join)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=4))
def test_every_metric_gives_a_score_from_0_to_1_or_none_per_record(pairs: list[tuple[str, str]]):
    predictions, references = [p for p, _ in pairs], [r for _, r in pairs]
    for name in METRICS:
        scores = metric_named(name, SETTINGS).score(predictions, references)
        assert len(scores) == len(pairs), name
        assert all(s is None or (type(s) is float and 0 <= s <= 1) for s in scores), name


SYMMETRIC = ("exact_match", "token_f1", "rouge1", "rouge2", "rougeL")


@given(TEXTS, TEXTS)
def test_f1_is_the_same_in_both_directions(one: str, other: str):
    for name in SYMMETRIC:
        score = METRICS[name].score
        assert score([one], [other]) == pytest.approx(score([other], [one])), name


@given(TEXTS.filter(words))
def test_a_text_with_words_is_equal_to_itself(text: str):
    for name in ("exact_match", "rouge1", "rougeL", "rougeLsum", "bleu", "chrf"):
        assert METRICS[name].score([text], [text]) == pytest.approx([1.0]), name


def test_scores_in_portions_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch):
    predictions = ["Yes", "No it is", "合同 无效", "A", "b", "Yes", "No"]
    references = ["Yes", "No", "合同 有效", "A", "B", "No", "Yes"]
    whole = {n: list(m.score(predictions, references)) for n, m in METRICS.items()}
    monkeypatch.setattr(scoring, "PORTION", 2)
    assert scoring.score_pairs(METRICS, predictions, references) == whole


def test_general_metrics_are_always_chosen_and_others_where_they_are_named():
    settings = EvaluationConfig(metrics=("json_valid",))
    chosen = chosen_metrics(["label_accuracy"], settings)
    general = ["exact_match", "token_f1", "rouge1", "rouge2", "rougeL", "rougeLsum", "bleu", "chrf"]
    assert list(chosen) == [*general, "json_valid", "label_accuracy"]


def test_an_unknown_metric_is_refused_with_what_is_known():
    with pytest.raises(EvaluationError, match=r"unknown metric 'bleurt'; known are exact_match"):
        metric_named("bleurt", SETTINGS)
    with pytest.raises(EvaluationError, match=r"'citations' needs evaluation\.statutes"):
        metric_named("citations", EvaluationConfig())


@pytest.mark.parametrize("name", METRICS)
def test_the_identity_changes_with_decoding_and_rows(name: str):
    metric = metric_named(name, SETTINGS)
    identities = {metric.identity(name, d, r) for d in ("greedy 1", "greedy 2") for r in "ab"}
    assert len(identities) == 4


def test_an_identity_names_metric_tokenizer_and_the_library_that_computes_it():
    identity = METRICS["bleu"].identity("bleu", "greedy", "rows", ["An English reference."])
    version = importlib.metadata.version("sacrebleu")
    assert identity.split("|") == [
        "bleu",
        "sacrebleu 13a; effective order, exponential smoothing",
        f"sacrebleu {version}",
        "greedy",
        "rows",
    ]
    assert len({m.identity(name, "greedy", "rows") for name, m in METRICS.items()}) == len(METRICS)


@pytest.mark.parametrize(
    ("references", "tokenizer"),
    [
        (["Yes", "the lender"], "13a;"),
        (["合同有效", "第5条"], "zh;"),
        (["合同有效", "Yes"], "13a, zh where the reference has Chinese;"),
    ],
)
def test_the_tokenizer_is_chosen_from_the_references_and_named(references, tokenizer: str):
    assert f"|sacrebleu {tokenizer}" in METRICS["bleu"].identity("bleu", "d", "r", references)


def test_settings_that_decide_scores_are_part_of_the_identity():
    loose, strict = (
        metric_named("numeric", EvaluationConfig(numeric_tolerance=t)) for t in (0.1, 0)
    )
    assert "|tolerance 0.1|" in loose.identity("numeric", "d", "r")
    assert "|tolerance 0|" in strict.identity("numeric", "d", "r")
    table = metric_named("citations", SETTINGS).identity("citations", "d", "r")
    assert "|statutes " in table
    assert Metric(len, always("w")).identity("mine", "d", "r").startswith("mine|w|tuneline ")
