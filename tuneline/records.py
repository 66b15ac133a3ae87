"""The one record type: chat messages whose last one is the reference answer."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
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
        return text_digest("\x1e".join(parts))

    @cached_property
    def group_digest(self) -> str:
        """SHA-256 of the group, or of the prompt where no group is given."""
        if self.group is not None:
            return text_digest(f"group\x1f{self.source}\x1f{self.group}")
        return text_digest(f"prompt\x1f{comparison_text(self.prompt_text)}")


def comparison_text(text: str) -> str:
    """Text as it is compared, never stored: NFKC, lower case, single spaces."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text).lower()).strip()


def text_digest(text: str) -> str:
    """SHA-256 of a text in UTF-8, 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Write records as Parquet, columns as in `SCHEMA`."""
    rows = [
        {
            "digest": r.digest,
            "source": r.source,
            "file": r.file,
            "line": r.line,
            "group": r.group,
            "messages": [{"role": m.role, "content": m.content} for m in r.messages],
        }
        for r in records
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)


def read_records(path: Path) -> list[Record]:
    """Read what `write_records` wrote."""
    return [_record(row) for row in pq.read_table(path, schema=SCHEMA).to_pylist()]


def _record(row: dict[str, Any]) -> Record:
    messages = tuple(Message(m["role"], m["content"]) for m in row["messages"])
    return Record(messages, row["source"], row["file"], row["line"], row["group"])


def rows_digest(records: Sequence[Record]) -> str:
    """SHA-256 over source and exact text of records in their order; blind to file and line."""
    hasher = hashlib.sha256()
    for record in records:
        turns = "\x1e".join(f"{m.role}\x1f{m.content}" for m in record.messages)
        hasher.update(f"{record.source}\x1d{turns}\x1c".encode())
    return hasher.hexdigest()
