"""Prompts to predictions: in order, bounded in memory, and never a made-up empty answer."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tuneline.base_model import BaseModelRef, load_tokenizer
from tuneline.generation import (
    GenerationConfig,
    Generator,
    ModelArtifact,
    Prediction,
    end_token_ids,
    render_prompt,
)
from tuneline.machine import this_machine
from tuneline.records import Message, Record
from tuneline.reports import TrainingReport

Forward = Callable[[list[str]], list[Prediction]]
PROMPTS = [(Message("user", "word " * n + str(n)),) for n in (3, 1, 9, 2, 7, 4, 8)]


@pytest.fixture(scope="module")
def untrained(tiny_model: BaseModelRef) -> Generator:
    artifact = ModelArtifact("base", tiny_model.folder, tiny_model.digest)
    return Generator.load(artifact, this_machine(), GenerationConfig(max_new_tokens=6))


def with_forward(untrained: Generator, batch_size: int, forward: Forward, monkeypatch) -> Generator:
    """A generator whose forward pass is replaced, and with it what frees memory, which is slow."""
    monkeypatch.setattr("tuneline.generation.batching.free_memory", lambda: None)
    monkeypatch.setattr(untrained.engine, "answer", forward)
    return Generator(untrained.engine, GenerationConfig(batch_size=batch_size))


def echo(texts: list[str]) -> list[Prediction]:
    """Answers each prompt with itself."""
    return [Prediction(text, 1) for text in texts]


def not_enough_memory() -> None:
    """What torch really raises where a CPU has too little memory."""
    torch.empty(2**60, dtype=torch.uint8)


def no_memory_on_gpu() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_answers_come_in_the_order_of_the_prompts(untrained, batch_size: int, monkeypatch):
    generator = with_forward(untrained, batch_size, echo, monkeypatch)
    told: list[tuple[int, int]] = []
    predictions, seconds = generator.generate(PROMPTS, lambda *done: told.append(done))
    expected = [render_prompt(untrained.engine.tokenizer, prompt) for prompt in PROMPTS]
    assert [p.text for p in predictions] == expected
    steps = [*range(0, len(PROMPTS), batch_size), len(PROMPTS)]
    assert told == [(done, len(PROMPTS)) for done in steps]
    assert seconds >= 0


def test_no_prompts_give_no_answers(untrained: Generator):
    assert untrained.generate([])[0] == []


@pytest.mark.parametrize("fail", [no_memory_on_gpu, not_enough_memory], ids=["gpu", "cpu"])
def test_a_batch_that_does_not_fit_is_halved_until_it_does(untrained, fail, monkeypatch):
    sizes: list[int] = []

    def forward(texts: list[str]) -> list[Prediction]:
        sizes.append(len(texts))
        if len(texts) > 2:
            fail()
        return echo(texts)

    generator = with_forward(untrained, 7, forward, monkeypatch)
    predictions, _ = generator.generate(PROMPTS)
    assert [p.text for p in predictions] == [
        render_prompt(untrained.engine.tokenizer, prompt) for prompt in PROMPTS
    ]
    assert sizes == [7, 3, 1, 2, 4, 2, 2]


@pytest.mark.parametrize("fail", [no_memory_on_gpu, not_enough_memory], ids=["gpu", "cpu"])
def test_a_prompt_that_never_fits_is_unscored_and_not_empty(untrained, fail, monkeypatch):
    def forward(texts: list[str]) -> list[Prediction]:
        if any("word 9" in text for text in texts):
            fail()
        return echo(texts)

    generator = with_forward(untrained, 4, forward, monkeypatch)
    predictions, _ = generator.generate(PROMPTS)
    assert predictions[2] == Prediction(None, 0)
    assert all(p.text for i, p in enumerate(predictions) if i != 2)


def test_an_error_that_is_not_about_memory_is_not_swallowed(untrained: Generator, monkeypatch):
    def forward(texts: list[str]) -> list[Prediction]:
        raise RuntimeError("shapes cannot be multiplied")

    generator = with_forward(untrained, 4, forward, monkeypatch)
    with pytest.raises(RuntimeError, match="shapes"):
        generator.generate(PROMPTS)


def test_a_trained_model_answers_and_stops_at_its_end_token(
    tiny_model: BaseModelRef, trained: tuple[Path, TrainingReport], records: list[Record]
):
    adapter = trained[0] / "adapter"
    artifact = ModelArtifact("candidate", tiny_model.folder, "digest", adapter)
    generator = Generator.load(artifact, this_machine(), GenerationConfig(max_new_tokens=20))
    predictions, _ = generator.generate([record.prompt for record in records[:8]])
    answered = [p for p in predictions if p.text in ("Yes", "No")]
    assert len(answered) >= 6, predictions
    lengths = {text: len(generator.engine.tokenizer(text)["input_ids"]) for text in ("Yes", "No")}
    assert all(p.n_tokens == lengths[p.text] + 1 for p in answered), "the word and its end token"


def test_an_answer_that_never_ends_is_cut_and_counted(untrained: Generator):
    ids = untrained.engine.tokenizer("Yes No Yes", add_special_tokens=False)["input_ids"]
    end = untrained.engine.tokenizer.eos_token_id
    whole = untrained.engine.chat.prediction(ids)
    ended = untrained.engine.chat.prediction([*ids, end, *ids])
    assert whole == Prediction("Yes No Yes", len(ids))
    assert ended == Prediction("Yes No Yes", len(ids) + 1)


def test_end_tokens_are_the_tokenizers_and_those_of_the_model(tiny_model: BaseModelRef, untrained):
    tokenizer = load_tokenizer(tiny_model.folder)
    assert end_token_ids(tokenizer) == {tokenizer.eos_token_id}

    class Settings:
        generation_config = type("G", (), {"eos_token_id": [7, 9]})

    assert end_token_ids(tokenizer, Settings()) == {7, 9, tokenizer.eos_token_id}


def test_a_rendered_prompt_ends_where_the_answer_begins(untrained: Generator):
    prompt = [Message("system", "你是律师。"), Message("user", "租金？")]
    assert render_prompt(untrained.engine.tokenizer, prompt) == (
        "<|im_start|>system\n你是律师。<|im_end|>\n<|im_start|>user\n租金？<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
