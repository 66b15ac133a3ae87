"""Generation by transformers: CPU and GPU, adapters, bitsandbytes folders."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from tuneline.base_model import load_model, load_tokenizer
from tuneline.generation.artifact import Likelihood, ModelArtifact, Prediction
from tuneline.generation.chat_tokens import ChatTokens, end_token_ids
from tuneline.generation.config import GenerationConfig
from tuneline.machine import Machine, free_memory
from tuneline.records import Message

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

ATTENTION = "sdpa"
"""Of generation on every machine: 20 % less CPU time than eager, which copies the cache."""


class TransformersEngine:
    """A model that transformers loads, as a server would."""

    def __init__(self, artifact: ModelArtifact, machine: Machine, config: GenerationConfig) -> None:
        from transformers import GenerationConfig as Settings

        model: Any = load_model(artifact.folder, replace(machine, attention=ATTENTION))
        self.tokenizer = load_tokenizer(artifact.folder)
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token_id = self.tokenizer.eos_token_id
        self.tokenizer.padding_side = "left"
        self.chat = ChatTokens(self.tokenizer, end_token_ids(self.tokenizer, model))
        # Those of the model may hold a repetition penalty, which greedy decoding would obey.
        model.generation_config = Settings(
            do_sample=False,
            max_new_tokens=config.max_new_tokens,
            eos_token_id=sorted(self.chat.ends),
            pad_token_id=self.tokenizer.pad_token_id,
        )
        if artifact.adapter is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(artifact.adapter))
        self.model = model.eval()
        self.vocabulary: int = model.config.vocab_size
        self.identity = (
            f"transformers {version('transformers')} {machine.dtype_name} {machine.device}"
        )

    def render(self, prompt: Sequence[Message]) -> str:
        """A prompt in the model's own chat template, ending where its answer begins."""
        return self.chat.render(prompt)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each rendered prompt."""
        return [len(ids) for ids in self.chat.tokenize(texts)]

    def answer(self, prompts: Sequence[str]) -> list[Prediction]:
        """Answer one batch of rendered prompts, padded on the left."""
        import torch

        clock = _Clock()
        inputs = self.tokenizer(
            list(prompts), return_tensors="pt", padding=True, add_special_tokens=False
        ).to(self.model.device)
        inputs.pop("token_type_ids", None)
        with torch.inference_mode():
            output = self.model.generate(**inputs, stopping_criteria=[clock])
        width = inputs["input_ids"].shape[1]
        found = [self.chat.prediction(row) for row in output[:, width:].tolist()]
        return [replace(p, latency_s=clock.ticks[p.n_tokens - 1]) for p in found]

    def answer_logits(self, prompt: str, answer: str) -> "np.ndarray":
        """Teacher-forced logits of an answer, float32 of shape (answer + end token, vocabulary)."""
        (logits,) = self._logits([prompt], [self.answer_token_ids(prompt, answer)])
        return logits.float().cpu().numpy()

    def answer_nll(self, prompts: Sequence[str], answers: Sequence[str]) -> list[Likelihood]:
        """Likelihoods of the answers to one batch of rendered prompts."""
        import torch
        from torch.nn.functional import cross_entropy

        pairs = zip(prompts, answers, strict=True)
        answered = [self.answer_token_ids(prompt, answer) for prompt, answer in pairs]
        found = []
        for logits, ids in zip(self._logits(prompts, answered), answered, strict=True):
            targets = torch.tensor(ids, device=logits.device)
            nll = cross_entropy(logits.float(), targets, reduction="sum").item()
            found.append(Likelihood(nll, len(ids)))
        return found

    def _logits(self, prompts: Sequence[str], answered: Sequence[list[int]]) -> "Iterator[Tensor]":
        """Per row the logits that predict its answer, of shape (answer tokens, vocabulary)."""
        import torch

        prompt_ids = self.chat.tokenize(prompts)
        rows = [[*before, *ids] for before, ids in zip(prompt_ids, answered, strict=True)]
        inputs = self.tokenizer.pad({"input_ids": rows}, return_tensors="pt").to(self.model.device)
        mask = inputs["attention_mask"]
        keep = max(len(ids) for ids in answered) + 1
        with torch.inference_mode():
            logits = self.model(
                input_ids=inputs["input_ids"],
                attention_mask=mask,
                position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
                use_cache=False,
                **self._keeping(keep),
            ).logits
        for row, ids in zip(logits, answered, strict=True):
            yield row[-len(ids) - 1 : -1]

    def _keeping(self, n_last: int) -> dict[str, int]:
        """Asks for the logits of the last tokens only, where the model can do that."""
        return {"logits_to_keep": n_last} if self.model._supports_logits_to_keep() else {}

    def answer_token_ids(self, prompt: str, answer: str) -> list[int]:
        """Tokens of the answer as it stands behind its prompt, then the end token."""
        return self.chat.answer_ids(prompt, answer)

    def close(self) -> None:
        """Give back the memory of the weights."""
        del self.model
        free_memory()


class _Clock:
    """Notes when each token of a batch is there; stops nothing."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.ticks: list[float] = []
        """Seconds from the start to each token."""

    def __call__(self, input_ids: "Tensor", scores: object, **kwargs: object) -> "Tensor":
        import torch

        if input_ids.is_cuda:
            torch.cuda.synchronize()  # generate waits for the same token right after this
        self.ticks.append(time.monotonic() - self.started)
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
