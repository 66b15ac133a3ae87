"""Every training row as its template renders it: lengths, loss, ends, and what is wrong with it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from tuneline.progress import Progress, silent
from tuneline.records import Message, Record
from tuneline.training.chat_format import (
    IGNORED,
    Encoded,
    Fault,
    encode,
    encode_rendered,
    render_batch,
)
from tuneline.training.config import TrainingConfig
from tuneline.training.prompt_tokens import Rendered

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MAX_ROWS = 100_000
"""Rows that are looked at. Sides are ordered by digest: the first ones are a random sample."""
CHUNK = 2000
"""Rows encoded at a time."""


class RowFacts(NamedTuple):
    """One row in numbers."""

    place: str
    n_tokens: int
    n_loss_tokens: int
    has_end: bool
    """Whether the token that ends the turn carries loss."""
    keeps_answer: bool
    """Whether the answer stands in the rendering as it stands in the record."""


@dataclass(frozen=True, slots=True)
class InspectedRows:
    """What was found in a side."""

    n_records: int
    """Records of the side that the objective can use."""
    n_unusable: int
    """Records that lack what the objective learns from."""
    rows: tuple[RowFacts, ...]
    faults: tuple[Fault, ...]

    @property
    def n_inspected(self) -> int:
        """Records that were looked at."""
        return len(self.rows) + len(self.faults)


class TurnEnd(NamedTuple):
    """The token that ends an answer."""

    id: int
    """First special token that is learned after the answer's text."""
    n_tokens: int
    """Tokens that carry loss besides those of the text."""
    is_added: bool
    """Whether the template writes none, so that training adds the end token."""


def inspect_rows(
    records: Sequence[Record],
    config: TrainingConfig,
    tokenizer: "PreTrainedTokenizerBase",
    progress: Progress = silent,
) -> InspectedRows:
    """Encode rows as training does and keep their numbers.

    Args:
        records: A side, ordered by digest.
        config: The run's objective, and what carries loss.
        tokenizer: Of the base model.
        progress: Told the records done.
    """
    usable = [record for record in records if _is_usable(record, config.objective)]
    looked_at = usable[:MAX_ROWS]
    end = turn_end(tokenizer)
    rows: list[RowFacts] = []
    faults: list[Fault] = []
    for start in range(0, len(looked_at), CHUNK):
        for found in _facts(looked_at[start : start + CHUNK], config, tokenizer, end):
            faults.append(found) if isinstance(found, Fault) else rows.append(found)
        progress(min(start + CHUNK, len(looked_at)), len(looked_at))
    return InspectedRows(len(usable), len(records) - len(usable), tuple(rows), tuple(faults))


def turn_end(tokenizer: "PreTrainedTokenizerBase") -> TurnEnd:
    """How the template ends an answer, seen on one of one letter.

    Raises:
        TrainingError: The template cannot render a question and an answer.
    """
    probe = Record((Message("user", "a"), Message("assistant", "b")), "", "a probe", 1)
    row = encode(probe, tokenizer)
    answer = [label for label in row.labels if label != IGNORED]
    special = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    special.add(tokenizer.eos_token_id)
    is_text = [token not in special and "b" in tokenizer.decode([token]) for token in answer]
    after_text = len(answer) - is_text[::-1].index(True) if True in is_text else 0
    end = next(token for token in answer[after_text:] if token in special)
    rendered = render_batch([probe], tokenizer)[0]
    text = rendered.whole[len(rendered.prompt) :] if isinstance(rendered, Rendered) else ""
    return TurnEnd(end, len(answer) - 1, tokenizer.decode([end]) not in text)


def _facts(
    records: Sequence[Record],
    config: TrainingConfig,
    tokenizer: "PreTrainedTokenizerBase",
    end: TurnEnd,
) -> Iterator[RowFacts | Fault]:
    """One finding per record; of a pair the longer answer's, and what is wrong with either."""
    texts = [text for record in records for text in _versions(record, config.objective)]
    rendered = render_batch(texts, tokenizer)
    loss_on = config.loss_on if config.objective == "sft" else "completion"
    encoded = encode_rendered(texts, rendered, tokenizer, loss_on)
    n = len(texts) // len(records)
    found = [
        _fact(version, text, row, end)
        for version, text, row in zip(texts, rendered, encoded, strict=True)
    ]
    for start in range(0, len(found), n):
        yield _joined(found[start : start + n])


def _fact(
    record: Record, text: Rendered | Fault, row: Encoded | Fault, end: TurnEnd
) -> RowFacts | Fault:
    if isinstance(row, Fault) or isinstance(text, Fault):
        return row if isinstance(row, Fault) else Fault(*text)
    return RowFacts(
        record.place,
        len(row.input_ids),
        len(row.labels) - row.labels.count(IGNORED),
        end.id in row.labels,
        record.reference.strip() in text.whole[len(text.prompt) :],
    )


def _joined(found: Sequence[RowFacts | Fault]) -> RowFacts | Fault:
    for one in found:
        if isinstance(one, Fault):
            return one
    rows = [one for one in found if isinstance(one, RowFacts)]
    longest = max(rows, key=lambda row: row.n_tokens)
    return longest._replace(
        n_loss_tokens=min(row.n_loss_tokens for row in rows),
        has_end=all(row.has_end for row in rows),
        keeps_answer=all(row.keeps_answer for row in rows),
    )


def _is_usable(record: Record, objective: str) -> bool:
    if objective == "dpo":
        return record.rejected is not None
    return objective != "kto" or record.is_desirable is not None


def _versions(record: Record, objective: str) -> list[Record]:
    """The record, and for a pair the record with its rejected answer."""
    if objective != "dpo" or record.rejected is None:
        return [record]
    worse = (*record.prompt, Message("assistant", record.rejected))
    return [record, replace(record, messages=worse)]
