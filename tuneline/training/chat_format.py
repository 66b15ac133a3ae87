"""Record -> chat template -> tokens and labels: loss on answers and their ends, nothing else.

Training and pre-flight encode by the same functions, so that what was checked is what is trained.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from jinja2 import TemplateError

from tuneline.errors import TrainingError
from tuneline.records import Message, Record
from tuneline.training.prompt_tokens import Rendered, prompt_lengths, tokenize

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LossOn = Literal["completion", "assistant"]
"""completion: the last answer of a conversation. assistant: every turn of the assistant."""
IGNORED = -100
"""Label of a token that carries no loss."""


class Encoded(NamedTuple):
    """One record as the trainer takes it."""

    input_ids: list[int]
    labels: list[int]
    """As `input_ids`, with the prompt's tokens `IGNORED`."""


class Fault(NamedTuple):
    """Why a record cannot be trained on."""

    place: str
    """`file:line` of the record."""
    reason: str


def encode(record: Record, tokenizer: "PreTrainedTokenizerBase") -> Encoded:
    """Render and tokenize one record, as `encode_batch` does.

    Raises:
        TrainingError: The chat template cannot render it as it is rendered at generation.
    """
    return usable(encode_batch([record], tokenizer))[0]


def encode_batch(
    records: Sequence[Record],
    tokenizer: "PreTrainedTokenizerBase",
    loss_on: LossOn = "completion",
) -> list[Encoded | Fault]:
    """Render and tokenize records.

    The prompt is rendered as at generation. The answer ends with the turn's end token, which
    carries loss: a model that never learns it never stops. It is recognised by position, since
    many tokenizers pad with the same token.

    Returns:
        For each record its tokens and labels; or its fault, where the chat template refuses it or
        renders prompt and answer together in another way than the prompt alone, so that training
        would not match generation.
    """
    return encode_rendered(records, render_batch(records, tokenizer), tokenizer, loss_on)


def render_batch(
    records: Sequence[Record], tokenizer: "PreTrainedTokenizerBase"
) -> list[Rendered | Fault]:
    """Prompt and whole of each record as text, or what the chat template says against it."""
    if not records:
        return []
    try:
        prompts = tokenizer.apply_chat_template(
            [_turns(r.prompt) for r in records], tokenize=False, add_generation_prompt=True
        )
        wholes = tokenizer.apply_chat_template(
            [_turns(r.messages) for r in records], tokenize=False
        )
        return [Rendered(*texts) for texts in zip(prompts, wholes, strict=True)]
    except (TemplateError, TypeError, ValueError) as error:
        if len(records) == 1:
            return [Fault(records[0].place, f"the chat template cannot render it: {error}")]
        return [found for record in records for found in render_batch([record], tokenizer)]


def encode_rendered(
    records: Sequence[Record],
    rendered: Sequence[Rendered | Fault],
    tokenizer: "PreTrainedTokenizerBase",
    loss_on: LossOn = "completion",
) -> list[Encoded | Fault]:
    """Tokens and labels of records that were rendered; as `encode_batch`."""
    texts = [text for text in rendered if isinstance(text, Rendered)]
    ids = tokenize([text.whole for text in texts], tokenizer)
    lengths = prompt_lengths(texts, ids, tokenizer)
    pairs = iter(zip(ids, lengths, strict=True))
    rows = [
        text if isinstance(text, Fault) else _labelled(record, *next(pairs), tokenizer.eos_token_id)
        for record, text in zip(records, rendered, strict=True)
    ]
    if loss_on == "completion":
        return rows
    return [
        row if isinstance(row, Fault) else _learning_every_turn(record, row, tokenizer)
        for record, row in zip(records, rows, strict=True)
    ]


def encode_all(
    records: Sequence[Record],
    tokenizer: "PreTrainedTokenizerBase",
    max_tokens: int,
    loss_on: LossOn = "completion",
) -> tuple[list[Encoded], int]:
    """Encode records, leaving out those longer than `max_tokens`.

    Args:
        records: What to encode.
        tokenizer: The base model's.
        max_tokens: Of prompt and answer together.
        loss_on: Learn the last answer of a conversation, or every turn of the assistant.

    Returns:
        What fits, in order, and how many did not.

    Raises:
        TrainingError: A record cannot be rendered as at generation, nothing fits, or a row's last
            token is not the end token with loss.
    """
    encoded = usable(encode_batch(records, tokenizer, loss_on))
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


def _learning_every_turn(
    record: Record, row: Encoded, tokenizer: "PreTrainedTokenizerBase"
) -> Encoded | Fault:
    """The row with loss on the assistant's earlier turns too, each with its end token."""
    labels = list(row.labels)
    ends = [i + 1 for i, m in enumerate(record.messages[:-1]) if i and m.role == "assistant"]
    beginnings = [replace(record, messages=record.messages[:end]) for end in ends]
    for part in encode_batch(beginnings, tokenizer):
        if isinstance(part, Fault):
            return part
        if row.input_ids[: len(part.input_ids)] != part.input_ids:
            return Fault(
                record.place,
                "the chat template renders an earlier answer differently once more turns follow; "
                "set training.loss_on=completion",
            )
        start = part.labels.count(IGNORED)
        labels[start : len(part.labels)] = part.labels[start:]
    return Encoded(row.input_ids, labels)


def usable(rows: Sequence[Encoded | Fault]) -> list[Encoded]:
    """The rows, where none has a fault.

    Raises:
        TrainingError: Names the first record that has one.
    """
    for row in rows:
        if isinstance(row, Fault):
            raise TrainingError(f"{row.place}: {row.reason}")
    return [row for row in rows if isinstance(row, Encoded)]


def _labelled(record: Record, ids: list[int], length: int | None, end: int) -> Encoded | Fault:
    if length is None:
        return Fault(
            record.place,
            "the chat template renders the prompt differently when the answer follows; "
            "check the tokenizer's chat_template",
        )
    answer = _ending_once(ids[length:], end)
    return Encoded(ids[:length] + answer, [IGNORED] * length + answer)


def _ending_once(answer: Sequence[int], end: int) -> list[int]:
    """The answer's tokens up to its last end token; with one added where the template has none."""
    for index in range(len(answer) - 1, -1, -1):
        if answer[index] == end:
            return list(answer[: index + 1])
    return [*answer, end]


def _turns(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": m.role, "content": m.content} for m in messages]
