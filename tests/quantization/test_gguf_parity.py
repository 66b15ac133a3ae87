"""The conversion check: what it takes for rounding and what for another model."""

from collections.abc import Callable

import numpy as np
import pytest

from tuneline.errors import QuantizationError
from tuneline.fidelity import log_softmax
from tuneline.quantization.gguf_parity import (
    MAX_KL,
    TIES,
    check_conversion,
    compare_conversion,
    first_difference,
)

TIE = TIES["float32"]
N_TOKENS, VOCABULARY = 5, 20
PROMPTS = [f"prompt {i}" for i in range(10)]


class Fake:
    """An engine whose logits are given by a function of the prompt."""

    identity = "fake"

    def __init__(self, logits: Callable[[str], np.ndarray]) -> None:
        self.logits = logits
        self.is_closed = False

    def answer_logits(self, prompt: str, answer: str) -> np.ndarray:
        assert not self.is_closed
        return self.logits(prompt)

    def answer_token_ids(self, prompt: str, answer: str) -> list[int]:
        return list(range(N_TOKENS))

    def close(self) -> None:
        self.is_closed = True


def sure(prompt: str) -> np.ndarray:
    """Another top token in each row, by 5 nats and more."""
    rng = np.random.default_rng(int(prompt.split()[1]))
    logits = rng.normal(size=(N_TOKENS, VOCABULARY)).astype(np.float32)
    logits[np.arange(N_TOKENS), rng.integers(0, VOCABULARY, N_TOKENS)] += 10
    return logits


def compare(converted: Callable[[str], np.ndarray], merged=sure):
    return compare_conversion(
        Fake(merged), Fake(converted), PROMPTS, ["answer"] * len(PROMPTS), TIE
    )


def test_the_same_model_passes_with_all_answers_the_same():
    parity = compare(sure)
    check_conversion(parity)
    assert (parity.n_prompts, parity.n_same, parity.n_ties, parity.n_different) == (10, 10, 0, 0)
    assert parity.fidelity.top1_agreement == 1
    assert parity.fidelity.kl < 1e-6
    assert parity.fidelity.n_tokens == 50


def test_rounding_passes():
    rng = np.random.default_rng(1)
    parity = compare(lambda prompt: sure(prompt) + rng.normal(0, 0.01, (N_TOKENS, VOCABULARY)))
    check_conversion(parity)
    assert parity.n_different == 0


def swapped(by: float) -> tuple[Callable[[str], np.ndarray], Callable[[str], np.ndarray]]:
    """Two models whose top two tokens of the last row of prompt 3 lie `by` apart, swapped."""

    def make(first: int, second: int) -> Callable[[str], np.ndarray]:
        def logits(prompt: str) -> np.ndarray:
            found = sure(prompt)
            if prompt == PROMPTS[3]:
                found[-1] = 0
                found[-1, first], found[-1, second] = 10, 10 - by
            return found

        return logits

    return make(7, 8), make(8, 7)


def test_one_answer_that_parts_at_a_tie_passes_and_is_counted():
    parity = compare(*swapped(TIE / 2))
    assert (parity.n_same, parity.n_ties, parity.n_different) == (9, 1, 0)
    assert parity.fidelity.top1_agreement == 49 / 50
    check_conversion(parity)


def test_one_answer_that_parts_where_the_merged_model_is_sure_is_refused_with_the_numbers():
    parity = compare(*swapped(2 * TIE))
    assert (parity.n_same, parity.n_ties, parity.n_different) == (9, 0, 1)
    with pytest.raises(QuantizationError, match=r"of 10 greedy answers 1 part .* 98.0%") as caught:
        check_conversion(parity)
    assert "\n" not in str(caught.value)


def test_a_model_that_agrees_on_the_top_token_but_is_less_sure_is_refused():
    """A wrong scale of attention or norm keeps most top tokens."""
    parity = compare(lambda prompt: sure(prompt) * 0.7)
    assert (parity.n_same, parity.fidelity.kl > MAX_KL) == (10, True)
    with pytest.raises(QuantizationError, match="KL"):
        check_conversion(parity)


def test_only_the_first_difference_of_an_answer_counts():
    """Behind it the two greedy answers are no longer the same, and say nothing of each other."""
    expected = np.zeros((3, 4), dtype=np.float32)
    other = expected.copy()
    expected[:, 0] = (9, TIE / 4, 9)
    other[:, 1] = (0, 1, 9)
    other[0, 0] = 9
    assert first_difference(log_softmax(expected), log_softmax(other), TIE) == "tie"
    assert first_difference(log_softmax(expected[::2]), log_softmax(other[::2]), TIE) == "different"
    assert first_difference(log_softmax(expected), log_softmax(expected), TIE) == "same"


def test_the_merged_model_is_gone_before_the_other_is_asked():
    merged = Fake(sure)

    def converted(prompt: str) -> np.ndarray:
        assert merged.is_closed
        return sure(prompt)

    compare_conversion(merged, Fake(converted), PROMPTS, ["answer"] * len(PROMPTS), TIE)
