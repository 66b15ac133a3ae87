"""Generation by transformers: CPU and GPU, adapters, bitsandbytes folders."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from tuneline.base_model import load_model, load_tokenizer
from tuneline.generation.artifact import ModelArtifact, Prediction
from tuneline.generation.config import GenerationConfig
from tuneline.machine import Machine, free_memory
from tuneline.records import Message

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

ATTENTION = "sdpa"
"""Of generation on every machine: 20 % less CPU time than eager, which copies the cache."""


class TransformersEngine:
    """A model that transformers loads, as a server would."""

    def __init__(self, artifact: ModelArtifact, machine: Machine, config: GenerationConfig) -> None:
        model: Any = load_model(artifact.folder, replace(machine, attention=ATTENTION))
        if artifact.adapter is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(artifact.adapter))
        self.model = model.eval()
        self.tokenizer = load_tokenizer(artifact.folder)
        self.config = config
        self.identity = (
            f"transformers {version('transformers')} {machine.dtype_name} {machine.device}"
        )

    @cached_property
    def ends(self) -> set[int]:
        """Tokens at which an answer stops."""
        return end_token_ids(self.tokenizer, self.model)

    def render(self, prompt: Sequence[Message]) -> str:
        """A prompt in the model's own chat template, ending where its answer begins."""
        return render_prompt(self.tokenizer, prompt)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each rendered prompt."""
        if not texts:
            return []
        return [len(ids) for ids in self._tokenize(texts)]

    def answer(self, prompts: Sequence[str]) -> list[Prediction]:
        """Answer one batch of rendered prompts, padded on the left."""
        import torch

        self.tokenizer.padding_side = "left"
        inputs = self.tokenizer(
            list(prompts), return_tensors="pt", padding=True, add_special_tokens=False
        ).to(self.model.device)
        inputs.pop("token_type_ids", None)
        with torch.inference_mode():
            output = self.model.generate(
                **inputs,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                max_new_tokens=self.config.max_new_tokens,
                eos_token_id=sorted(self.ends),
                pad_token_id=self.tokenizer.pad_token_id,
            )
        width = inputs["input_ids"].shape[1]
        return [self._prediction(row) for row in output[:, width:].tolist()]

    def answer_logits(self, prompt: str, answer: str) -> "np.ndarray":
        """Teacher-forced logits of an answer, float32 of shape (answer + end token, vocabulary)."""
        import torch

        answered = self.answer_token_ids(prompt, answer)
        ids = [*self._tokenize([prompt])[0], *answered]
        inputs = torch.tensor([ids], device=self.model.device)
        with torch.inference_mode():
            logits: Tensor = self.model(
                input_ids=inputs, logits_to_keep=len(answered) + 1, use_cache=False
            ).logits
        return logits[0, :-1].float().cpu().numpy()

    def answer_token_ids(self, prompt: str, answer: str) -> list[int]:
        """Tokens of the answer as it stands behind its prompt, then the end token."""
        before, whole, alone = self._tokenize([prompt, prompt + answer, answer])
        follows = whole[: len(before)] == before
        return [*(whole[len(before) :] if follows else alone), self.turn_end]

    @cached_property
    def turn_end(self) -> int:
        """The end token that the chat template writes behind an answer."""
        turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        text = self.tokenizer.apply_chat_template(turns, tokenize=False)
        found = [token for token in self._tokenize([text])[0] if token in self.ends]
        return found[-1] if found else self.tokenizer.eos_token_id

    def close(self) -> None:
        """Give back the memory of the weights."""
        del self.model
        free_memory()

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        ids: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return ids

    def _prediction(self, ids: list[int]) -> Prediction:
        end = next((i for i, token in enumerate(ids) if token in self.ends), None)
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
