"""What left the data, where it stood and why: every drop is counted and kept in a side file."""

import json
import os
import reprlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from tuneline.records import Record

EXCERPT_CHARS = 160
"""Length of what people are shown of a text."""
MAX_DEPTH = 100
"""Rows of deeper lists and objects are kept in short: not every reader of JSON could open them."""


@dataclass(frozen=True, slots=True)
class Drop:
    """One row or record that is not used."""

    source: str
    place: str
    """`file:line`."""
    stage: str
    """formats, cleaning, exact_dedup, near_dedup, semantic_dedup or leakage."""
    reason: str
    """Short code that drops are counted by."""
    detail: str
    """What was wrong here, and the way out where there is one."""
    row: Any
    """The raw row, or all that the record says; `mask_drop` hides personal data in it."""
    duplicate_of: str | None = None
    """Digest of the record that it repeats."""


FindingAction = Literal["mended", "redacted", "reported"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a cleaning rule changed in a record that stays, or only saw there."""

    source: str
    place: str
    """`file:line`."""
    rule: str
    """Name of the rule, as in `cleaning.rules`."""
    action: FindingAction
    before: str
    """The text around the first change, at most `EXCERPT_CHARS` long; personal data is masked."""
    after: str
    """The same place afterwards; empty where the rule only reports."""


def drop_record(
    record: Record, stage: str, reason: str, detail: str, duplicate_of: str | None = None
) -> Drop:
    """The drop of a record, with its messages as text and what else the record has."""
    messages = [{"role": m.role, "content": m.content} for m in record.messages]
    row = {"digest": record.digest, "group": record.group, "messages": messages}
    others = {name: getattr(record, name) for name in ("tools", "rejected", "is_desirable")}
    row |= {name: value for name, value in others.items() if value is not None}
    return Drop(record.source, record.place, stage, reason, detail, row, duplicate_of)


def json_line(item: Drop | Finding) -> bytes:
    """One line of a side file, whatever the row holds; lone surrogates stay as escapes."""
    values = {field.name: getattr(item, field.name) for field in fields(item)}
    if isinstance(item, Drop) and is_deep(item.row):
        values["row"] = in_short(item.row)
    try:
        text = json.dumps(values, ensure_ascii=False, default=as_text)
    except (TypeError, ValueError):
        text = json.dumps(values | {"row": in_short(values["row"])}, ensure_ascii=False)
    return f"{text}\n".encode(errors="backslashreplace")


def is_deep(value: Any) -> bool:
    """Whether lists and objects lie deeper in each other than `MAX_DEPTH`."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def as_text(value: Any) -> str:
    """A value that JSON has no kind for: dates as they are written, bytes where they are text."""
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"<{len(value)} bytes>"


def in_short(value: Any) -> str:
    """The value as Python writes it, the inner and the long parts left out."""
    return _SHORT.repr(value)


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = EXCERPT_CHARS

    def repr_int(self, x: int, level: int) -> str:
        """Python refuses to spell integers of over 4,300 digits."""
        n_bits = x.bit_length()
        return super().repr_int(x, level) if n_bits < 8 * EXCERPT_CHARS else f"<{n_bits} bits>"


_SHORT = _Short()


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def read_drops(path: Path) -> Iterator[Drop]:
    """Read a side file of drops, one at a time."""
    with path.open("rb") as lines:
        for line in lines:
            yield Drop(**json.loads(line))


def read_findings(path: Path) -> Iterator[Finding]:
    """Read a side file of findings, one at a time."""
    with path.open("rb") as lines:
        for line in lines:
            yield Finding(**json.loads(line))


def write_drops(path: Path, drops: Iterable[Drop]) -> int:
    """Write one JSON object a line, whole or not at all; returns how many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    n_written = 0
    with part.open("wb") as file:
        for drop in drops:
            file.write(json_line(drop))
            n_written += 1
    part.replace(path)
    return n_written
