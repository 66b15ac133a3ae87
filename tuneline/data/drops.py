"""What left the data, where it stood and why: every drop is counted and kept in a side file."""

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tuneline.records import Record


@dataclass(frozen=True, slots=True)
class Drop:
    """One row or record that is not used."""

    source: str
    place: str
    """`file:line`."""
    stage: str
    """formats, cleaning, exact_dedup, near_dedup or leakage."""
    reason: str
    """Short code that drops are counted by."""
    detail: str
    """What was wrong here, and the way out where there is one."""
    row: Any
    """The raw row, or the record's messages: nothing is lost."""
    duplicate_of: str | None = None
    """Digest of the record that it repeats."""


class Sifted(NamedTuple):
    """What a step kept and what it dropped; together they are what it was given."""

    kept: list[Record]
    drops: list[Drop]


def drop_record(
    record: Record, stage: str, reason: str, detail: str, duplicate_of: str | None = None
) -> Drop:
    """The drop of a record, with its messages as text."""
    messages = [{"role": m.role, "content": m.content} for m in record.messages]
    row = {"digest": record.digest, "group": record.group, "messages": messages}
    return Drop(record.source, record.place, stage, reason, detail, row, duplicate_of)


def count_drops(drops: Iterable[Drop]) -> dict[str, dict[str, int]]:
    """Stage -> reason -> records."""
    counts: dict[str, dict[str, int]] = {}
    for (stage, reason), n in sorted(Counter((d.stage, d.reason) for d in drops).items()):
        counts.setdefault(stage, {})[reason] = n
    return counts


def write_drops(path: Path, drops: Iterable[Drop]) -> None:
    """Write one JSON object a line, whole or not at all; lone surrogates stay as escapes."""
    lines = [json.dumps(asdict(drop), ensure_ascii=False) + "\n" for drop in drops]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes("".join(lines).encode(errors="backslashreplace"))
    part.replace(path)
