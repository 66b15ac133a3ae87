"""What records are compared by: digests and numbers, never their texts.

A cleaned file is Parquet with the columns of `records.SCHEMA` and those of `KEYS`. All of it stays
on disk; each step reads the columns that it needs, and lets them go.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tuneline.data.bounds import count_rows
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
STREAMED: dict[str, Any] = {"pre_buffer": False, "buffer_size": 2**20}
"""Parquet is read a MiB at a time, not a column of a row group."""
ROWS_AT_A_TIME = 16_384
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


class Keys:
    """The keys of all records of cleaned files, in the order of files and rows."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files
        self._n = count_rows(files)

    def __len__(self) -> int:
        return self._n

    def load(self, *names: str, rows: NDArray[np.int64] | None = None) -> pl.DataFrame:
        """Some columns, digests as in `numbered`.

        Args:
            names: Columns of `COLUMNS`.
            rows: Which records, ascending; None for all.
        """
        schema = pa.schema([COLUMNS.field(name) for name in names])
        parts = [numbered(_frame(schema.empty_table()).lazy()).collect()]
        for first, batch in self._batches(names):
            if rows is not None:
                begin, end = np.searchsorted(rows, [first, first + len(batch)])
                parts.append(numbered(batch[rows[begin:end] - first].lazy()).collect())
            else:
                parts.append(numbered(batch.lazy()).collect())
        return pl.concat(parts, rechunk=True)

    def digests(self, name: str) -> "Digests":
        """One column of digests as pairs of numbers."""
        found = Digests(*np.empty((2, len(self)), dtype=np.uint64))
        for first, batch in self._batches([name]):
            for half, start in zip(found, (0, DIGITS // 2), strict=True):
                digits = pl.col(name).str.slice(start, DIGITS // 2).str.decode("hex")
                numbers = digits.bin.reinterpret(dtype=pl.UInt64, endianness="big")
                half[first : first + len(batch)] = batch.select(numbers).to_series().to_numpy()
        return found

    def _batches(self, names: Sequence[str]) -> Iterator[tuple[int, pl.DataFrame]]:
        """Number of the first record, and some records."""
        first = 0
        for file in self.files:
            reader = pq.ParquetFile(file, **STREAMED)
            for batch in reader.iter_batches(ROWS_AT_A_TIME, columns=list(names)):
                frame = _frame(batch).select(names)
                yield first, frame
                first += len(frame)


class Digests(NamedTuple):
    """N digests as their first 128 bits, in halves."""

    high: NDArray[np.uint64]
    low: NDArray[np.uint64]

    def take(self, rows: NDArray[Any]) -> "Digests":
        """Some of them."""
        return Digests(self.high[rows], self.low[rows])

    def ranks(self) -> NDArray[np.int32]:
        """Per digest how many different ones are smaller: a short name that sorts as it does."""
        order, is_new = self._sorted()
        ranks = np.empty(len(order), dtype=np.int32)
        ranks[order] = np.cumsum(is_new) - 1
        return ranks

    def firsts(self) -> NDArray[np.int64]:
        """Per digest the place of the first equal one."""
        order, is_new = self._sorted()
        starts = np.flatnonzero(is_new)
        firsts = np.empty(len(order), dtype=np.int64)
        firsts[order] = np.repeat(order[starts], np.diff(starts, append=len(order)))
        return firsts

    def _sorted(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Places in ascending order, equal ones as they stand, and which begin a new digest."""
        order = np.lexsort((self.low, self.high))
        is_new = np.ones(len(order), dtype=np.bool_)
        is_new[1:] = False
        for half in self:
            values = half[order]
            is_new[1:] |= values[1:] != values[:-1]
        return order, is_new


def _frame(table: pa.Table | pa.RecordBatch) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


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
