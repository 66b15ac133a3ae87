"""What left the data, where it stood and why: every drop is counted and kept in a side file."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tuneline.records import Record

EXCERPT_CHARS = 160
"""Length of what people are shown of a text."""


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


def json_line(item: Drop | Finding) -> bytes:
    """One line of a side file; lone surrogates stay as escapes."""
    text = json.dumps(asdict(item), ensure_ascii=False) + "\n"
    return text.encode(errors="backslashreplace")


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


def write_drops(path: Path, drops: Iterable[Drop]) -> None:
    """Write one JSON object a line, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        file.writelines(json_line(drop) for drop in drops)
    part.replace(path)
