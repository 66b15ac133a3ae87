"""The one record type: chat messages whose last one is the reference answer."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

Role = Literal["system", "user", "assistant", "tool"]

SCHEMA = pa.schema(
    [
        ("digest", pa.string()),
        ("source", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("group", pa.string()),
        ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        ("tools", pa.string()),
        ("rejected", pa.string()),
        ("is_desirable", pa.bool_()),
    ]
)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True)
class Record:
    """One training or evaluation example and where it came from."""

    messages: tuple[Message, ...]
    """At least two; the last one is the assistant's reference answer."""
    source: str
    """Name of the data source in the profile; a slice of the reports."""
    file: str
    line: int
    """Line or row in `file`, counted from 1."""
    group: str | None = None
    """Conversation, user or document that must stay on one side of a split."""
    tools: str | None = None
    """JSON list of the functions that the assistant may call, as the row gives it."""
    rejected: str | None = None
    """Preference pair: the answer that people liked less than the reference."""
    is_desirable: bool | None = None
    """KTO label: whether people want answers like the reference."""

    @property
    def prompt(self) -> tuple[Message, ...]:
        """All messages before the reference answer."""
        return self.messages[:-1]

    @property
    def reference(self) -> str:
        """The expected answer."""
        return self.messages[-1].content

    @property
    def prompt_text(self) -> str:
        """The prompt's contents, one message a line."""
        return "\n".join(message.content for message in self.prompt)

    @property
    def place(self) -> str:
        """`file:line`, as errors and side files name a record."""
        return f"{self.file}:{self.line}"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of roles and comparison texts: equal for records that read the same."""
        parts = [f"{m.role}\x1f{comparison_text(m.content)}" for m in self.messages]
        if self.rejected is not None:
            parts.append(f"rejected\x1f{comparison_text(self.rejected)}")
        if self.is_desirable is not None:
            parts.append(f"desirable\x1f{self.is_desirable}")
        if self.tools is not None:
            parts.append(f"tools\x1f{comparison_text(self.tools)}")
        return text_digest("\x1e".join(parts))

    @cached_property
    def exact_digest(self) -> str:
        """SHA-256 of all texts as they are, to the last character."""
        texts = [f"{m.role}\x1f{m.content}" for m in self.messages]
        return text_digest("\x1e".join([*texts, self.rejected or "", self.tools or ""]))

    @cached_property
    def group_digest(self) -> str:
        """SHA-256 of the group, or of the prompt where no group is given."""
        if self.group is not None:
            return text_digest(f"group\x1f{self.source}\x1f{self.group}")
        return text_digest(f"prompt\x1f{comparison_text(self.prompt_text)}")


@lru_cache(1024)  # a record's texts are compared several times, one after the other
def comparison_text(text: str) -> str:
    """Text as it is compared, never stored: NFKC, lower case, single spaces."""
    composed = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return re.sub(r"\s+", " ", composed.lower()).strip()


def text_digest(text: str) -> str:
    """SHA-256 of a text in UTF-8, 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def record_row(record: Record) -> dict[str, Any]:
    """A record as a row of `SCHEMA`."""
    return {
        "digest": record.digest,
        "source": record.source,
        "file": record.file,
        "line": record.line,
        "group": record.group,
        "messages": [{"role": m.role, "content": m.content} for m in record.messages],
        "tools": record.tools,
        "rejected": record.rejected,
        "is_desirable": record.is_desirable,
    }


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Write records as Parquet, columns as in `SCHEMA`."""
    table = pa.Table.from_pylist([record_row(record) for record in records], schema=SCHEMA)
    pq.write_table(table, path)


def read_records(path: Path) -> list[Record]:
    """Read what `write_records` wrote, whatever other columns stand beside it."""
    return [record_of(row) for row in pq.read_table(path, schema=SCHEMA).to_pylist()]


def record_of(row: Mapping[str, Any]) -> Record:
    """The record of a row of `SCHEMA`."""
    messages = tuple(Message(m["role"], m["content"]) for m in row["messages"])
    fields = ("source", "file", "line", "group", "tools", "rejected", "is_desirable")
    return Record(messages, *(row[name] for name in fields))


def rows_digest(records: Iterable[Record]) -> str:
    """SHA-256 over source and exact text of records in their order; blind to file and line."""
    hasher = hashlib.sha256()
    for record in records:
        turns = "\x1e".join(f"{m.role}\x1f{m.content}" for m in record.messages)
        hasher.update(f"{record.source}\x1d{turns}\x1c".encode())
    return hasher.hexdigest()


def iter_records(path: Path) -> Iterator[Record]:
    """Read what `write_records` wrote, a batch at a time."""
    reader = pq.ParquetFile(path, pre_buffer=False, buffer_size=2**20)
    for batch in reader.iter_batches(1_000, columns=SCHEMA.names):
        yield from map(record_of, batch.to_pylist())
