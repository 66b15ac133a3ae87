"""What is kept in memory of a record: digests and numbers, never its text.

A cleaned file is Parquet with the columns of `records.SCHEMA` and those of `KEYS`; texts stay on
disk.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa

from tuneline.data.splitting import position
from tuneline.records import SCHEMA, Record, comparison_text, record_row, text_digest

MAX_LABEL_CHARS = 40
"""Longest answer that can be a label of a classification."""
MIN_QUESTION_CHARS = 20
"""Shortest turn that is compared by itself, in characters without spaces and marks."""
IGNORED = re.compile(r"[\s:;!?'\"()、。“”‘’《》〈〉「」『』【】·—–…]|(?<!\d)[.,]|[.,](?!\d)")

KEYS = pa.schema(
    [
        ("raw_digest", pa.string()),  # of the record before cleaning: rules may change, it does not
        ("group_digest", pa.string()),  # likewise
        ("position", pa.float64()),  # of the group
        ("prompt_digest", pa.string()),
        ("questions", pa.list_(pa.uint64())),
        ("exact_digest", pa.string()),
        ("label", pa.string()),
        ("language", pa.string()),
        ("n_chars", pa.int32()),
        ("n_answer_chars", pa.int32()),
        ("n_tokens", pa.int32()),
    ]
)
COLUMNS = pa.schema([*SCHEMA, *KEYS])
IN_MEMORY = ("digest", "source", "file", "line", "group", *KEYS.names)
DIGITS = 32
"""Hexadecimal digits of a digest that tell records apart."""

ORDER = ("position", "digest", "source", "group", "exact_digest", "file", "line")
"""Records that say the same are told apart in this order; file and line matter for full copies."""


class KeyedRecord(NamedTuple):
    """A cleaned record and what else its keys are made of."""

    record: Record
    raw: Record
    """The record before cleaning."""
    language: str
    n_tokens: int | None


def rows_of(records: Iterable[KeyedRecord]) -> pa.Table:
    """Records with their keys as a table of `COLUMNS`."""
    rows = [record_row(keyed.record) | _keys(keyed) for keyed in records]
    return pa.Table.from_pylist(rows, schema=COLUMNS)


def load_keys(files: Sequence[Path]) -> pl.DataFrame:
    """Keys of all records of cleaned files, in the order of files and rows; see `numbered`."""
    parts = [numbered(pl.scan_parquet(file).select(IN_MEMORY)).collect() for file in files]
    return pl.concat(parts, rechunk=True)


def numbered(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Digests as their first 128 bits, which sort alike and take a fifth of the memory."""
    digests = pl.col(name for name in frame.collect_schema().names() if name.endswith("digest"))
    return frame.with_columns(
        digests.str.head(DIGITS)
        .str.decode("hex")
        .bin.reinterpret(dtype=pl.UInt128, endianness="big")
    )


def full_text() -> pl.Expr:
    """What two records are compared by: every message."""
    return _contents().list.join("\n")


def prompt_text() -> pl.Expr:
    """All messages before the answer."""
    contents = _contents()
    return contents.list.head(contents.list.len() - 1).list.join("\n")


def answer_text() -> pl.Expr:
    """The reference answer."""
    return _contents().list.last()


TEXTS = {"full": full_text, "prompt": prompt_text, "answer": answer_text}
"""Kind of text -> its expression over the column `messages`."""


def _contents() -> pl.Expr:
    return pl.col("messages").list.eval(pl.element().struct.field("content"))


def question_key(text: str) -> str:
    """A prompt as it is compared for equality: blind to case, width, spaces and prose marks."""
    compared = comparison_text(text)
    return IGNORED.sub("", compared) or compared


def _keys(keyed: KeyedRecord) -> dict[str, Any]:
    record, raw = keyed.record, keyed.raw
    answer = record.reference.strip()
    return {
        "raw_digest": raw.digest,
        "group_digest": raw.group_digest,
        "position": position(raw.group_digest),
        "prompt_digest": text_digest(question_key(record.prompt_text)),
        "questions": _questions(record),
        "exact_digest": record.exact_digest,
        "label": answer if len(answer) <= MAX_LABEL_CHARS else None,
        "language": keyed.language,
        "n_chars": sum(len(message.content) for message in record.messages),
        "n_answer_chars": len(answer),
        "n_tokens": keyed.n_tokens,
    }


def _questions(record: Record) -> list[int]:
    """64-bit hashes of the user's turns, the last one last; short ones say nothing by themselves.

    Two conversations may share an "and then?", but a question of some length that stands anywhere
    in a training conversation was answered there.
    """
    turns = [question_key(m.content) for m in record.prompt if m.role == "user"]
    return [int(text_digest(turn)[:16], 16) for turn in turns if len(turn) >= MIN_QUESTION_CHARS]
