"""How many tokens of a rendered record are its prompt, without tokenizing every prompt.

Special tokens cut a text before anything else does, so what stands before the prompt's last one
has the same tokens whether or not an answer follows. Only the rest is compared, and that is the
same few characters for every record (`<|im_start|>assistant`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Rendered(NamedTuple):
    """One record as its chat template writes it."""

    prompt: str
    """As at generation: it ends where the answer begins."""
    whole: str


class _Cut(NamedTuple):
    """A special token at which texts can be cut."""

    text: str
    id: int


def tokenize(texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase") -> list[list[int]]:
    """Tokens of texts that a chat template wrote: it brings the special tokens itself."""
    if not texts:
        return []
    encoded = tokenizer(
        list(texts),
        add_special_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,  # it would warn of texts that are longer than the model's window
    )
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def prompt_lengths(
    rendered: Sequence[Rendered], ids: Sequence[list[int]], tokenizer: "PreTrainedTokenizerBase"
) -> list[int | None]:
    """Tokens of each prompt, where they are the first tokens of the whole; None where not.

    Args:
        rendered: N records.
        ids: N lists, the tokens of their wholes.
        tokenizer: Which made them.
    """
    cut = _last_cut(rendered[0].prompt, tokenizer) if rendered else None
    ends: dict[str, list[int]] = {}
    lengths = [
        _length_by_cut(text, whole, cut, ends, tokenizer) if cut else None
        for text, whole in zip(rendered, ids, strict=True)
    ]
    unknown = [index for index, length in enumerate(lengths) if length is None]
    prompts = tokenize([rendered[index].prompt for index in unknown], tokenizer)
    for index, prompt in zip(unknown, prompts, strict=True):
        if ids[index][: len(prompt)] == prompt:
            lengths[index] = len(prompt)
    return lengths


def _last_cut(prompt: str, tokenizer: "PreTrainedTokenizerBase") -> _Cut | None:
    """The last special token of a prompt; one that looks at its neighbours is none."""
    found = [
        (prompt.rfind(token.content), len(token.content), _Cut(token.content, id))
        for id, token in tokenizer.added_tokens_decoder.items()
        if token.special and not (token.single_word or token.lstrip)
    ]
    position, _, cut = max(found, default=(-1, 0, None))
    return cut if position >= 0 else None


def _length_by_cut(
    text: Rendered,
    ids: list[int],
    cut: _Cut,
    ends: dict[str, list[int]],
    tokenizer: "PreTrainedTokenizerBase",
) -> int | None:
    """Tokens of the prompt, or None where cutting does not tell."""
    n_cuts = text.prompt.count(cut.text)
    if not n_cuts or not text.whole.startswith(text.prompt):
        return None
    if ids.count(cut.id) != text.whole.count(cut.text):
        return None
    end = text.prompt[text.prompt.rfind(cut.text) :]
    if end not in ends:
        ends[end] = tokenize([end], tokenizer)[0]
    start = -1
    for _ in range(n_cuts):
        start = ids.index(cut.id, start + 1)
    stop = start + len(ends[end])
    return stop if ids[start:stop] == ends[end] else None
