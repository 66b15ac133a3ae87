"""Generation by llama.cpp: GGUF files, as most CPU servers run them."""

import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tuneline.base_model import load_tokenizer
from tuneline.errors import EvaluationError
from tuneline.generation.artifact import ModelArtifact, Prediction
from tuneline.generation.chat_tokens import ChatTokens, end_token_ids
from tuneline.generation.config import GenerationConfig
from tuneline.generation.llama_cpp_model import LlamaCppModel, gguf_file, library
from tuneline.machine import Machine
from tuneline.records import Message

if TYPE_CHECKING:
    import numpy as np


class LlamaCppEngine:
    """A GGUF file that answers one prompt after the other, with nothing kept between two.

    The prompt is rendered by the tokenizer that lies beside the file and read by llama.cpp; where
    the two do not give the same tokens, nothing is answered. It runs on as many threads as torch,
    so that speeds of the two runtimes can be compared.

    Raises:
        EvaluationError: llama.cpp is not installed or cannot load the file, an adapter is named,
            or llama.cpp would not stop where the chat template ends an answer.
    """

    def __init__(self, artifact: ModelArtifact, machine: Machine, config: GenerationConfig) -> None:
        import torch

        if artifact.adapter is not None:
            raise EvaluationError(f"{artifact.name}: GGUF takes no adapter; merge it first")
        on_gpu = machine.device == "cuda" and bool(library().llama_supports_gpu_offload())
        self.n_threads = torch.get_num_threads()
        self.model = LlamaCppModel(gguf_file(artifact.folder), self.n_threads, on_gpu)
        self.config = config
        self.chat = chat_tokens(artifact.folder)
        device = "cuda" if on_gpu else "cpu"
        self.identity = f"llama.cpp {version('llama-cpp-python')} {device}"
        self._check_end(artifact.name)

    def render(self, prompt: Sequence[Message]) -> str:
        """A prompt in the model's own chat template, ending where its answer begins."""
        return self.chat.render(prompt)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each rendered prompt."""
        return [len(ids) for ids in self.chat.tokenize(texts)]

    def answer(self, prompts: Sequence[str]) -> list[Prediction]:
        """Answer rendered prompts one by one; the latency of each is its own.

        Raises:
            MemoryError: There is no memory for a context of a prompt's length.
            EvaluationError: llama.cpp reads other tokens than the model was trained on.
        """
        return [self._answer(prompt) for prompt in prompts]

    def answer_logits(self, prompt: str, answer: str) -> "np.ndarray":
        """Teacher-forced logits of an answer, float32 of shape (answer + end token, vocabulary)."""
        answered = self.answer_token_ids(prompt, answer)
        ids = [*self._read(prompt), *answered]
        return self.model.start(ids, room=0, n_last=len(answered) + 1)[:-1]

    def answer_token_ids(self, prompt: str, answer: str) -> list[int]:
        """Tokens of the answer as it stands behind its prompt, then the end token."""
        return self.chat.answer_ids(prompt, answer)

    def close(self) -> None:
        """Give back the memory; the engine cannot be used any more."""
        self.model.close()

    def _answer(self, prompt: str) -> Prediction:
        started = time.monotonic()
        ids, answered = self._read(prompt), list[int]()
        logits = self.model.start(ids, room=self.config.max_new_tokens)
        while True:
            answered.append(int(logits[0].argmax()))
            if answered[-1] in self.chat.ends or len(answered) == self.config.max_new_tokens:
                return self.chat.prediction(answered, time.monotonic() - started)
            logits = self.model.go_on(answered[-1], len(ids) + len(answered) - 1)

    def _read(self, prompt: str) -> list[int]:
        """Tokens of a rendered prompt, the same for both tokenizers."""
        expected, ids = self.chat.tokenize([prompt])[0], self.model.tokenize(prompt)
        if ids != expected:
            raise EvaluationError(
                f"llama.cpp reads a prompt as other tokens than the model's tokenizer does, "
                f"{_first_difference(self.chat, expected, ids)}; this model cannot be measured or "
                "served as GGUF until llama.cpp knows its tokenizer"
            )
        return ids

    def _check_end(self, name: str) -> None:
        end = self.chat.turn_end
        if not self.model.stops_at(end):
            raise EvaluationError(
                f"{name}: answers end with {self.chat.tokenizer.decode([end])!r}, at which "
                "llama.cpp does not stop; name it as eos_token_id in generation_config.json of the "
                "base model"
            )


def _first_difference(chat: ChatTokens, expected: Sequence[int], ids: Sequence[int]) -> str:
    pairs = enumerate(zip([*expected, None], [*ids, None], strict=False))
    place = next(i for i, (a, b) in pairs if a != b)
    shown = [chat.tokenizer.decode(list(s[place : place + 4])) for s in (ids, expected)]
    return f"from token {place} on: {shown[0]!r} instead of {shown[1]!r}"


def chat_tokens(folder: Path) -> ChatTokens:
    """The tokenizer beside a GGUF file, and the tokens that the model's settings stop at."""
    from transformers import GenerationConfig as ModelSettings

    tokenizer = load_tokenizer(folder)
    model: Any = None
    if (folder / "generation_config.json").is_file():
        model = SimpleNamespace(generation_config=ModelSettings.from_pretrained(folder))
    return ChatTokens(tokenizer, end_token_ids(tokenizer, model))
