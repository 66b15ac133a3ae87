"""Generation by vLLM, on machines where it is installed.

Written against vLLM's documented offline interface (`LLM`, `SamplingParams`, `LoRARequest`; V1
engine, 0.11 and later). It cannot be installed beside this project's pinned torch, so only what is
pure was tested here; the first run on a GPU should be compared with the transformers engine.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tuneline.base_model import load_tokenizer
from tuneline.errors import EvaluationError
from tuneline.generation.artifact import Likelihood, ModelArtifact, Prediction
from tuneline.generation.chat_tokens import ChatTokens, end_token_ids
from tuneline.generation.config import GenerationConfig
from tuneline.machine import Machine, free_memory
from tuneline.records import Message

ALL_OF_VOCABULARY = -1
ONLY_THE_TOKEN = 0
LORA_RANKS = (8, 16, 32, 64, 128, 256, 512)
"""Values that vLLM takes for `max_lora_rank`."""


class VllmEngine:
    """A model in vLLM, which schedules the prompts of a batch itself."""

    def __init__(self, artifact: ModelArtifact, machine: Machine, config: GenerationConfig) -> None:
        from transformers import AutoConfig
        from transformers import GenerationConfig as Settings

        self._vllm: Any = import_module("vllm")
        self._adapter: Any = None
        options: dict[str, Any] = {}
        if artifact.adapter is not None:
            options = {"enable_lora": True, "max_lora_rank": lora_rank(artifact.adapter)}
            request = import_module("vllm.lora.request").LoRARequest
            self._adapter = request(artifact.digest, 1, str(artifact.adapter))
        self._llm: Any = self._vllm.LLM(
            model=str(artifact.folder),
            dtype=machine.dtype_name,
            seed=0,
            enable_prefix_caching=False,  # what was asked before must not change an answer
            max_logprobs=ALL_OF_VOCABULARY,
            disable_log_stats=False,  # or answers carry no times
            **options,
        )
        self.tokenizer = load_tokenizer(artifact.folder)
        has_settings = (artifact.folder / "generation_config.json").is_file()
        settings = Settings.from_pretrained(artifact.folder) if has_settings else Settings()
        model = type("Model", (), {"generation_config": settings})
        self.chat = ChatTokens(self.tokenizer, end_token_ids(self.tokenizer, model))
        self.vocabulary: int = AutoConfig.from_pretrained(artifact.folder).vocab_size
        self.config = config
        self.identity = f"vllm {version('vllm')} {machine.dtype_name} {machine.device}"

    def render(self, prompt: Sequence[Message]) -> str:
        """A prompt in the model's own chat template, ending where its answer begins."""
        return self.chat.render(prompt)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each rendered prompt."""
        return [len(ids) for ids in self.chat.tokenize(texts)]

    def answer(self, prompts: Sequence[str]) -> list[Prediction]:
        """Answer one batch of rendered prompts."""
        started = time.monotonic()
        outputs = self._run(
            self.chat.tokenize(prompts),
            max_tokens=self.config.max_new_tokens,
            stop_token_ids=sorted(self.chat.ends),
        )
        elapsed_s = time.monotonic() - started
        return [
            self.chat.prediction(o.outputs[0].token_ids, latency_s(o.metrics, elapsed_s))
            for o in outputs
        ]

    def answer_logits(self, prompt: str, answer: str) -> np.ndarray:
        """Teacher-forced log-probabilities: logits up to a constant of each row."""
        answered = self.answer_token_ids(prompt, answer)
        ids = [*self.chat.tokenize([prompt])[0], *answered]
        (output,) = self._run([ids], max_tokens=1, prompt_logprobs=ALL_OF_VOCABULARY)
        return log_probabilities(output.prompt_logprobs[-len(answered) :], self.vocabulary)

    def answer_nll(self, prompts: Sequence[str], answers: Sequence[str]) -> list[Likelihood]:
        """Likelihoods of the answers to one batch of rendered prompts."""
        pairs = zip(prompts, answers, strict=True)
        answered = [self.answer_token_ids(prompt, answer) for prompt, answer in pairs]
        before = self.chat.tokenize(prompts)
        rows = [[*prompt, *ids] for prompt, ids in zip(before, answered, strict=True)]
        outputs = self._run(rows, max_tokens=1, prompt_logprobs=ONLY_THE_TOKEN)
        return [
            answer_likelihood(output.prompt_logprobs, ids)
            for output, ids in zip(outputs, answered, strict=True)
        ]

    def answer_token_ids(self, prompt: str, answer: str) -> list[int]:
        """Tokens of the answer as it stands behind its prompt, then the end token."""
        return self.chat.answer_ids(prompt, answer)

    def close(self) -> None:
        """Give back the memory of weights and cache."""
        del self._llm
        free_memory()

    def _run(self, rows: Iterable[list[int]], **sampling: Any) -> list[Any]:
        outputs: list[Any] = self._llm.generate(
            [{"prompt_token_ids": ids} for ids in rows],
            self._vllm.SamplingParams(temperature=0.0, **sampling),
            use_tqdm=False,
            lora_request=self._adapter,
        )
        return outputs


def lora_rank(adapter: Path) -> int:
    """Least rank that vLLM can be told to make room for, so that the adapter fits.

    Raises:
        EvaluationError: The adapter's rank is above what vLLM takes.
    """
    rank = int(json.loads((adapter / "adapter_config.json").read_text())["r"])
    found = next((room for room in LORA_RANKS if rank <= room), None)
    if found is None:
        raise EvaluationError(
            f"{adapter}: vLLM takes adapters up to rank {LORA_RANKS[-1]}, this one has {rank}; "
            "merge it, or set evaluation.generation.engine to transformers"
        )
    return found


def latency_s(metrics: Any, elapsed_s: float) -> float:
    """Seconds from when a request was queued to its last token.

    Args:
        metrics: vLLM's times of the request; None where it kept none.
        elapsed_s: What the whole batch took: no request took longer.
    """
    if metrics is None:
        return elapsed_s
    return float(metrics.last_token_ts - metrics.queued_ts)


def log_probabilities(rows: Sequence[Mapping[int, Any]], vocabulary: int) -> np.ndarray:
    """Token -> log-probability of each position as float32 of shape (positions, vocabulary)."""
    found = np.full((len(rows), vocabulary), -np.inf, dtype=np.float32)
    for row, tokens in zip(found, rows, strict=True):
        for token, entry in tokens.items():
            if token < vocabulary:
                row[token] = entry.logprob
    return found


def answer_likelihood(rows: Sequence[Mapping[int, Any] | None], ids: Sequence[int]) -> Likelihood:
    """Likelihood of an answer that ends a prompt.

    Args:
        rows: Token -> log-probability of each position of the prompt, the first of them None.
        ids: The answer's tokens: the last of the prompt.
    """
    answered = rows[-len(ids) :]
    total = sum(row[token].logprob for row, token in zip(answered, ids, strict=True) if row)
    return Likelihood(-float(total), len(ids))
