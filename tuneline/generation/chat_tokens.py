"""Prompts and answers as tokens, by a model's own tokenizer and chat template."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tuneline.generation.artifact import Prediction
from tuneline.records import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class ChatTokens:
    """What every engine does with text, so that all of them see the same tokens.

    Args:
        tokenizer: The model's tokenizer, with a chat template.
        ends: Tokens at which an answer stops.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", ends: set[int]) -> None:
        self.tokenizer = tokenizer
        self.ends = ends

    def render(self, prompt: Sequence[Message]) -> str:
        """A prompt as the model sees it, ending where its answer begins."""
        return render_prompt(self.tokenizer, prompt)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokens of each text, with none added."""
        if not texts:
            return []
        ids: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return ids

    def answer_ids(self, prompt: str, answer: str) -> list[int]:
        """Tokens of an answer as it stands behind its rendered prompt, then the end token."""
        before, whole, alone = self.tokenize([prompt, prompt + answer, answer])
        follows = whole[: len(before)] == before
        return [*(whole[len(before) :] if follows else alone), self.turn_end]

    @cached_property
    def turn_end(self) -> int:
        """The end token that the chat template writes behind an answer."""
        turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        text: Any = self.tokenizer.apply_chat_template(turns, tokenize=False)
        found = [token for token in self.tokenize([text])[0] if token in self.ends]
        end: int = found[-1] if found else self.tokenizer.eos_token_id
        return end

    def prediction(self, ids: Sequence[int], latency_s: float = 0.0) -> Prediction:
        """Generated tokens up to the first end token as text."""
        end = next((i for i, token in enumerate(ids) if token in self.ends), None)
        n_tokens = len(ids) if end is None else end + 1
        text = self.tokenizer.decode(list(ids[:end]), skip_special_tokens=True)
        return Prediction(str(text).strip(), n_tokens, latency_s)


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
