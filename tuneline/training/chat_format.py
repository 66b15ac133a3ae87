"""Record -> chat template -> tokens and labels: loss on the answer and its end, nothing else."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tuneline.errors import TrainingError
from tuneline.records import Record

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""Label of a token that carries no loss."""


class Encoded(NamedTuple):
    """One record as the trainer takes it."""

    input_ids: list[int]
    labels: list[int]
    """As `input_ids`, with the prompt's tokens `IGNORED`."""


def encode(record: Record, tokenizer: "PreTrainedTokenizerBase") -> Encoded:
    """Render and tokenize one record.

    The prompt is rendered as at generation. The answer ends with the turn's end token, which
    carries loss: a model that never learns it never stops. It is recognised by position, since
    many tokenizers pad with the same token.

    Raises:
        TrainingError: The chat template renders prompt and answer together in another way than
            the prompt alone, so that training would not match generation.
    """
    messages = [{"role": m.role, "content": m.content} for m in record.messages]
    prompt = tokenizer.apply_chat_template(
        messages[:-1], add_generation_prompt=True, return_dict=False
    )
    whole = tokenizer.apply_chat_template(messages, return_dict=False)
    if whole[: len(prompt)] != prompt:
        raise TrainingError(
            f"{record.place}: the chat template renders the prompt differently when the answer "
            "follows; check the tokenizer's chat_template"
        )
    answer = _ending_once(whole[len(prompt) :], tokenizer.eos_token_id)
    return Encoded(prompt + answer, [IGNORED] * len(prompt) + answer)


def _ending_once(answer: Sequence[int], end: int) -> list[int]:
    """The answer's tokens up to its last end token; with one added where the template has none."""
    for index in range(len(answer) - 1, -1, -1):
        if answer[index] == end:
            return list(answer[: index + 1])
    return [*answer, end]


def encode_all(
    records: Sequence[Record], tokenizer: "PreTrainedTokenizerBase", max_tokens: int
) -> tuple[list[Encoded], int]:
    """Encode records, leaving out those longer than `max_tokens`.

    Returns:
        What fits, in order, and how many did not.

    Raises:
        TrainingError: Nothing fits, or a row's last token is not the end token with loss.
    """
    encoded = [encode(record, tokenizer) for record in records]
    kept = [row for row in encoded if len(row.input_ids) <= max_tokens]
    if records and not kept:
        shortest = min(len(row.input_ids) for row in encoded)
        raise TrainingError(
            f"no record fits into max_seq_tokens={max_tokens}; the shortest has {shortest} tokens"
        )
    for row in kept:
        if row.labels[-1] != tokenizer.eos_token_id:
            raise TrainingError("a training row's end token carries no loss")
    return kept, len(encoded) - len(kept)
