"""The transformers engine: greedy whatever the model ships, timed, and sparing with logits."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.conftest import yes_no_records
from tuneline.base_model import BaseModelRef, load_tokenizer
from tuneline.generation import GenerationConfig, Generator, Likelihood, ModelArtifact, Prediction
from tuneline.generation.likelihood import likelihood
from tuneline.generation.transformers_engine import TransformersEngine
from tuneline.machine import this_machine

CONFIG = GenerationConfig(max_new_tokens=6)
RECORDS = yes_no_records(8)
PROMPTS = [record.prompt for record in RECORDS]
ANSWERS = ["Yes", "", "No No No", "Yes and No, but then again Yes", "No", "Yes", "。", "No"]


def engine(folder: Path) -> TransformersEngine:
    return TransformersEngine(ModelArtifact("tiny", folder, "digest"), this_machine(), CONFIG)


@pytest.fixture(scope="module")
def tiny(tiny_model: BaseModelRef) -> TransformersEngine:
    return engine(tiny_model.folder)


@pytest.fixture
def own_copy(tiny_model: BaseModelRef, tmp_path: Path) -> Path:
    """The tiny model in a folder that a test may change."""
    return Path(shutil.copytree(tiny_model.folder, tmp_path / "model"))


def change(file: Path, **values: object) -> None:
    """Set fields of a JSON file; None removes one."""
    settings = json.loads(file.read_text()) | values
    file.write_text(json.dumps({k: v for k, v in settings.items() if v is not None}))


def texts(engine: TransformersEngine) -> list[str | None]:
    return [p.text for p in engine.answer([engine.render(prompt) for prompt in PROMPTS])]


def raw_answers(engine: TransformersEngine, monkeypatch) -> list[list[int]]:
    """Generated tokens of every prompt, up to the longest answer."""
    rows: list[list[int]] = []
    with monkeypatch.context() as patch:
        patch.setattr(engine.chat, "prediction", lambda row: rows.append(row) or Prediction("", 1))
        texts(engine)
    return rows


def test_sampling_and_penalties_that_a_model_ships_are_not_used(tiny, own_copy: Path, monkeypatch):
    change(
        own_copy / "generation_config.json",
        do_sample=True, temperature=5.0, repetition_penalty=9.0, no_repeat_ngram_size=1,
    )  # fmt: skip
    answers = texts(engine(own_copy))
    assert answers == texts(tiny)
    ids = raw_answers(tiny, monkeypatch)
    assert any(len(set(row)) < len(row) for row in ids), "a token twice, or no penalty would show"


def test_a_model_without_a_padding_token_answers_the_same(tiny, own_copy: Path, monkeypatch):
    def load_bare_tokenizer(folder: Path):
        tokenizer = load_tokenizer(folder)
        tokenizer.pad_token = None
        return tokenizer

    module = "tuneline.generation.transformers_engine"
    monkeypatch.setattr(f"{module}.load_tokenizer", load_bare_tokenizer)
    bare = engine(own_copy)
    assert bare.tokenizer.pad_token_id == bare.tokenizer.eos_token_id
    assert texts(bare) == texts(tiny)


def test_generation_computes_the_logits_of_one_position_a_step(tiny: TransformersEngine):
    with seen_logits(tiny) as shapes:
        texts(tiny)
    assert [shape[:2] for shape in shapes] == [(len(PROMPTS), 1)] * 6


def test_an_answer_is_timed_to_its_own_end(tiny, own_copy: Path, monkeypatch):
    ids = raw_answers(tiny, monkeypatch)
    ends = {token: {row.index(token) if token in row else 5 for row in ids} for token in ids[0]}
    end = max(ends, key=lambda token: len(ends[token]))  # ends answers at different steps
    change(own_copy / "generation_config.json", eos_token_id=[end])
    answers = (ending := engine(own_copy)).answer([ending.render(prompt) for prompt in PROMPTS])
    by_tokens: dict[int, set[float]] = {}
    for answer in answers:
        by_tokens.setdefault(answer.n_tokens, set()).add(answer.latency_s)
    assert {n - 1 for n in by_tokens} == ends[end]
    assert len(by_tokens) > 1
    assert all(len(latencies) == 1 for latencies in by_tokens.values())
    in_order = [latency for _, (latency,) in sorted(by_tokens.items())]
    assert 0 < in_order[0] < in_order[-1]
    assert in_order == sorted(in_order)


def test_teacher_forced_logits_predict_the_greedy_answer(tiny: TransformersEngine):
    prompt = tiny.render(PROMPTS[0])
    (answer,) = tiny.answer([prompt])
    logits = tiny.answer_logits(prompt, str(answer.text))
    ids = tiny.answer_token_ids(prompt, str(answer.text))
    assert (logits.dtype, logits.shape) == ("float32", (len(ids), tiny.vocabulary))
    assert ids[-1] == tiny.tokenizer.eos_token_id
    assert likelihood(logits, logits.argmax(-1).tolist()).nll < likelihood(logits, ids).nll


def test_likelihoods_of_a_batch_are_those_of_the_models_own_loss(tiny: TransformersEngine):
    found = Generator(tiny, CONFIG).reference_nll(PROMPTS, ANSWERS)
    for prompt, answer, ours in zip(PROMPTS, ANSWERS, found, strict=True):
        rendered = tiny.render(prompt)
        ids = tiny.answer_token_ids(rendered, answer)
        before = tiny.chat.tokenize([rendered])[0]
        rows = torch.tensor([[*before, *ids]])
        labels = rows.clone()
        labels[0, : len(before)] = -100
        with torch.inference_mode():
            loss = float(tiny.model(input_ids=rows, labels=labels).loss)
        assert ours == Likelihood(pytest.approx(loss * len(ids), rel=0.01), len(ids))


def test_an_engine_that_scores_one_by_one_gives_the_same(tiny: TransformersEngine):
    class OneByOne:
        """What the interface asks for, and no more."""

        identity = "one by one"
        render, count_tokens = tiny.render, tiny.count_tokens
        answer_logits, answer_token_ids = tiny.answer_logits, tiny.answer_token_ids

    single = Generator(OneByOne(), CONFIG).reference_nll(PROMPTS, ANSWERS)
    batched = Generator(tiny, CONFIG).reference_nll(PROMPTS, ANSWERS)
    for one, other in zip(single, batched, strict=True):
        assert one == Likelihood(pytest.approx(other.nll, rel=0.01), other.n_tokens)


def test_the_logits_of_prompts_are_not_computed_for_a_likelihood(tiny: TransformersEngine):
    with seen_logits(tiny) as shapes:
        Generator(tiny, CONFIG).reference_nll(PROMPTS, ANSWERS)
    longest = max(len(tiny.answer_token_ids("", answer)) for answer in ANSWERS)
    assert [shape[:2] for shape in shapes] == [(len(PROMPTS), longest + 1)]


def test_no_batch_of_likelihoods_holds_more_logits_than_allowed(tiny, monkeypatch):
    monkeypatch.setattr("tuneline.generation.generator.MAX_LOGITS", 80 * tiny.vocabulary)
    with seen_logits(tiny) as shapes:
        found = Generator(tiny, CONFIG).reference_nll(PROMPTS, ANSWERS)
    assert len(shapes) > 1
    assert all(rows * kept * tokens <= 80 * tiny.vocabulary for rows, kept, tokens in shapes)
    assert [f.n_tokens for f in found] == [len(tiny.answer_token_ids("", a)) for a in ANSWERS]


class seen_logits:  # noqa: N801  used as a function
    """Notes the shape of the logits of every forward pass inside the block."""

    def __init__(self, engine: TransformersEngine) -> None:
        self.model = engine.model

    def __enter__(self) -> list[tuple[int, ...]]:
        shapes: list[tuple[int, ...]] = []
        self.hook = self.model.register_forward_hook(
            lambda module, args, output: shapes.append(tuple(output.logits.shape))
        )
        return shapes

    def __exit__(self, *error: object) -> None:
        self.hook.remove()
