"""What is kept in memory of a record: digests and numbers, never its text.

A cleaned file is Parquet with the columns of `records.SCHEMA` and those of `KEYS`; a million
records' keys take about 300 MB, their texts stay on disk.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from tuneline.data.splitting import position
from tuneline.records import SCHEMA, Record, comparison_text, record_row, text_digest

MAX_LABEL_CHARS = 40
"""Longest answer that can be a label of a classification."""

KEYS = pa.schema(
    [
        ("group_digest", pa.string()),
        ("prompt_digest", pa.string()),
        ("text_digest", pa.string()),
        ("position", pa.float64()),
        ("label", pa.string()),
        ("language", pa.string()),
        ("n_chars", pa.int32()),
        ("n_answer_chars", pa.int32()),
        ("n_tokens", pa.int32()),
    ]
)
COLUMNS = pa.schema([*SCHEMA, *KEYS])
IN_MEMORY = ("digest", "source", "file", "line", "group", *KEYS.names)

ORDER = ("position", "digest", "source", "group", "text_digest", "file", "line")
"""Records that say the same are told apart in this order; file and line matter for full copies."""


def rows_of(
    records: Iterable[Record], languages: Iterable[str], n_tokens: Iterable[int | None]
) -> pa.Table:
    """Records with their keys as a table of `COLUMNS`."""
    rows = [
        record_row(record) | _keys(record, language, n)
        for record, language, n in zip(records, languages, n_tokens, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=COLUMNS)


def table_of(records: Sequence[Record]) -> pa.Table:
    """Records with their keys, where language and tokens do not matter."""
    return rows_of(records, ["unknown"] * len(records), [None] * len(records))


def load_keys(files: Sequence[Path]) -> pl.DataFrame:
    """Keys of all records of cleaned files, in the order of files and rows."""
    return pl.scan_parquet(list(files)).select(IN_MEMORY).collect()


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


def _keys(record: Record, language: str, n_tokens: int | None) -> dict[str, Any]:
    answer = record.reference.strip()
    texts = "\x1e".join(message.content for message in record.messages)
    return {
        "group_digest": record.group_digest,
        "prompt_digest": text_digest(comparison_text(record.prompt_text)),
        "text_digest": text_digest(texts),
        "position": position(record.group_digest),
        "label": answer if len(answer) <= MAX_LABEL_CHARS else None,
        "language": language,
        "n_chars": sum(len(message.content) for message in record.messages),
        "n_answer_chars": len(answer),
        "n_tokens": n_tokens,
    }
