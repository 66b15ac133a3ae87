"""Answers come back in order, whole batches or halves, and a failure is not an answer."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tuneline.generation import (
    GenerationConfig,
    Generator,
    ModelArtifact,
    Prediction,
    batches_by_length,
)
from tuneline.machine import this_machine
from tuneline.records import Message


@pytest.fixture(scope="module")
def generator(tiny_model) -> Generator:
    config = GenerationConfig(max_new_tokens=3, batch_size=4)
    return Generator.load(ModelArtifact("base", tiny_model.folder, "d"), this_machine(), config)


def prompts(n: int) -> list[list[Message]]:
    return [[Message("user", "x" * (7 * i % 11 + 1))] for i in range(n)]


def echo(generator: Generator, monkeypatch, limit: int = 99, impossible: str = "none") -> None:
    """Replace the forward pass: it answers with the prompt, and memory ends above `limit`."""

    def forward(texts: list[str]) -> list[Prediction]:
        if len(texts) > limit or any(impossible in text for text in texts):
            raise torch.OutOfMemoryError("full")
        return [Prediction(text, 1) for text in texts]

    monkeypatch.setattr(generator, "_forward", forward)


@given(st.lists(st.integers(0, 50)), st.integers(1, 7))
def test_batches_hold_every_index_once_longest_first(lengths, batch_size):
    batches = list(batches_by_length(lengths, batch_size))
    flat = [index for batch in batches for index in batch]
    assert sorted(flat) == list(range(len(lengths)))
    assert [lengths[i] for i in flat] == sorted(lengths, reverse=True)
    assert all(len(batch) <= batch_size for batch in batches)


@pytest.mark.parametrize("limit", [99, 2, 1])
def test_answers_keep_the_order_of_prompts_whatever_fits_in_memory(generator, monkeypatch, limit):
    echo(generator, monkeypatch, limit)
    answers, _ = generator.generate(prompts(10))
    assert [a.text.count("x") for a in answers] == [len(p[0].content) for p in prompts(10)]


def test_a_prompt_that_fits_in_no_batch_is_unscored_and_not_empty(generator, monkeypatch):
    echo(generator, monkeypatch, impossible="long")
    answers, _ = generator.generate([*prompts(3), [Message("user", "long")]])
    assert [a.text is None for a in answers] == [False, False, False, True]


def test_progress_counts_every_prompt(generator):
    seen: list[tuple[int, int]] = []
    generator.generate(prompts(6), lambda done, total: seen.append((done, total)))
    assert seen == [(0, 6), (4, 6), (6, 6)]


def test_an_answer_stops_at_the_end_token(generator):
    end = generator.tokenizer.eos_token_id
    yes = generator.tokenizer("Yes", add_special_tokens=False).input_ids
    prediction = generator._prediction([*yes, end, *yes], {end})
    assert prediction == Prediction("Yes", len(yes) + 1)
