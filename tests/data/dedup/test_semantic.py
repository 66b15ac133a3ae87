import numpy as np
import pytest

from tuneline.data.dedup.semantic import check_vocabulary, embed, near_vectors
from tuneline.errors import DataError

TEXTS = [
    "承租人应当按照约定的期限支付租金",
    "承租人应当按照约定期限支付租金。",
    "出卖人应当交付标的物并转移所有权",
    "the tenant pays the rent on the first day",
    "the tenant pays rent on the first day",
    "the seller delivers the goods",
]


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


def test_any_embedding_model_in_a_folder_serves(tiny_model):
    vectors = embed(["Is 4 even?", "Is 4 even?", "完全不同的一句话"], str(tiny_model.folder))
    assert vectors.shape[0] == 3
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    assert near_vectors(vectors, 0.9999).tolist()[:2] == [0, 0]
