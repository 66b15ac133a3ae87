"""Prompts to predictions: greedy, batched by length, and bounded in memory."""

import gc
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from tuneline.base_model import load_model, load_tokenizer
from tuneline.machine import Machine, is_out_of_memory
from tuneline.progress import Progress, silent
from tuneline.records import Message

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

log = logging.getLogger(__name__)

ATTENTION = "sdpa"
"""Of generation on every machine: 20 % less CPU time than eager, which copies the cache."""


class GenerationConfig(BaseModel):
    """How answers are generated: greedy, the same way for every model of a comparison."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    max_new_tokens: int = Field(default=256, ge=1)
    """Longest answer, tokens; a longer one is cut and scored as it is."""
    batch_size: int = Field(default=16, ge=1)
    """Prompts generated at a time; halved when memory runs out."""


@dataclass(frozen=True, slots=True)
class ModelArtifact:
    """A model as it could be shipped: a folder of weights, perhaps with an adapter on top."""

    name: str
    """How people call it: base, champion, candidate, int8, ..."""
    folder: Path
    digest: str
    """Identifies base weights, adapter and quantization together."""
    adapter: Path | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """One generated answer."""

    text: str | None
    """None where generation failed: unscored, never an empty answer."""
    n_tokens: int
    """Generated tokens, end token included."""


class Generator:
    """A loaded model that answers prompts greedily."""

    def __init__(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase",
        config: GenerationConfig,
    ) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.config = config

    @classmethod
    def load(
        cls, artifact: ModelArtifact, machine: Machine, config: GenerationConfig
    ) -> "Generator":
        """Load an artifact as a server would."""
        model = load_model(artifact.folder, replace(machine, attention=ATTENTION))
        if artifact.adapter is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(artifact.adapter))
        return cls(model, load_tokenizer(artifact.folder), config)

    def generate(
        self, prompts: Sequence[Sequence[Message]], progress: Progress = silent
    ) -> tuple[list[Prediction], float]:
        """Answer every prompt.

        Args:
            prompts: N conversations, each ending with a user's turn.
            progress: Told the prompts done after each batch.

        Returns:
            N predictions in the order of the prompts, and the seconds of wall time they took.
        """
        started = time.monotonic()
        texts = [render_prompt(self.tokenizer, prompt) for prompt in prompts]
        predictions: list[Prediction | None] = [None] * len(texts)
        done = 0
        progress(0, len(texts))
        for batch in batches_by_length([len(text) for text in texts], self.config.batch_size):
            for index, answer in zip(batch, self._answer([texts[i] for i in batch]), strict=True):
                predictions[index] = answer
            done += len(batch)
            progress(done, len(texts))
        return [p for p in predictions if p is not None], time.monotonic() - started

    def _answer(self, texts: list[str]) -> list[Prediction]:
        """One batch; on out-of-memory its halves, one by one; a single that fails is unscored."""
        import torch

        try:
            return self._forward(texts)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            gc.collect()
            torch.cuda.empty_cache()
        if len(texts) == 1:
            log.warning("generate: a prompt of %d characters does not fit in memory", len(texts[0]))
            return [Prediction(None, 0)]
        half = len(texts) // 2
        log.warning("generate: out of memory, batch of %d halved", len(texts))
        return self._answer(texts[:half]) + self._answer(texts[half:])

    def _forward(self, texts: list[str]) -> list[Prediction]:
        import torch

        self.tokenizer.padding_side = "left"
        inputs = self.tokenizer(
            texts, return_tensors="pt", padding=True, add_special_tokens=False
        ).to(self.model.device)
        inputs.pop("token_type_ids", None)
        ends = end_token_ids(self.tokenizer, self.model)
        with torch.inference_mode():
            output = self.model.generate(
                **inputs,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                max_new_tokens=self.config.max_new_tokens,
                eos_token_id=sorted(ends),
                pad_token_id=self.tokenizer.pad_token_id,
            )
        width = inputs["input_ids"].shape[1]
        return [self._prediction(row, ends) for row in output[:, width:].tolist()]

    def _prediction(self, ids: list[int], ends: set[int]) -> Prediction:
        end = next((i for i, token in enumerate(ids) if token in ends), None)
        n_tokens = len(ids) if end is None else end + 1
        text = self.tokenizer.decode(ids[:end], skip_special_tokens=True)
        return Prediction(text.strip(), n_tokens)


def render_prompt(tokenizer: "PreTrainedTokenizerBase", prompt: Sequence[Message]) -> str:
    """A prompt as the model sees it, ending where its answer begins."""
    messages = [{"role": m.role, "content": m.content} for m in prompt]
    text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return text


def end_token_ids(tokenizer: "PreTrainedTokenizerBase", model: Any = None) -> set[int]:
    """Tokens that end a turn: the tokenizer's end token and those the model's settings name."""
    ends = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    named = ends if isinstance(ends, list) else [ends]
    return {token for token in [*named, tokenizer.eos_token_id] if token is not None}


def batches_by_length(lengths: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Indices in batches of similar length, longest first: memory runs out early or never."""
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
