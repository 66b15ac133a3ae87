"""Where outcomes are kept: one JSONL file per day of arrival, appended to and never changed.

A row counts as recorded once it is on disk. A process that dies while it writes leaves at most one
torn line, which readers count as bad and the next writer closes with a line break.
"""

import hashlib
import json
import os
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from tuneline.release.ab.outcomes import (
    Outcomes,
    Row,
    parse_rows,
    raw_rows,
    read_outcomes,
)

MAX_REMEMBERED = 1_000_000
"""Rows that a writer knows as recorded; one that it has forgotten is written again, and counted
once by readers all the same."""


class Recorded(NamedTuple):
    """What became of rows that came in."""

    recorded: int
    duplicates: int
    """Equal rows that were recorded before."""


class OutcomeLog:
    """Outcomes of one domain; many processes may write at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[bytes, None] | None = None
        self._turn = threading.Lock()

    def files(self) -> list[Path]:
        """Files by day."""
        return sorted(self.folder.glob("*.jsonl"))

    def read(self) -> Outcomes:
        """All rows in the order of their arrival."""
        return read_outcomes(self.files())

    def append(self, rows: Sequence[Row]) -> Recorded:
        """Record rows that are not recorded yet; they are on disk when this returns."""
        with self._turn:
            known = self._remembered()
            new = {_digest(row): row for row in rows}
            new = {digest: row for digest, row in new.items() if digest not in known}
            if new:
                self._write([json.dumps(row.to_json(), ensure_ascii=False) for row in new.values()])
                known.update(dict.fromkeys(new))
            self._forget(known)
        return Recorded(len(new), len(rows) - len(new))

    def _write(self, lines: Iterable[str]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{datetime.now(UTC):%Y-%m-%d}.jsonl"
        data = "".join(f"{line}\n" for line in lines).encode()
        with FileLock(self.folder / ".lock"), file.open("a+b") as log:
            if _is_torn(log.fileno()):
                data = b"\n" + data
            log.write(data)
            log.flush()
            os.fsync(log.fileno())
            _sync_folder(self.folder)

    def _remembered(self) -> dict[bytes, None]:
        if self._known is None:
            parsed = parse_rows(raw for file in self.files() for raw in raw_rows(file))
            self._known = {_digest(row): None for row in parsed if isinstance(row, Row)}
        return self._known

    def _forget(self, known: dict[bytes, None]) -> None:
        """Drop the oldest."""
        for digest in list(islice(known, max(len(known) - MAX_REMEMBERED, 0))):
            del known[digest]


def _is_torn(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"


def _sync_folder(folder: Path) -> None:
    """Make the file's name durable too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(row: Row) -> bytes:
    text = json.dumps(row.to_json(), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=12).digest()
