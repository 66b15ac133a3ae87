"""Finished batches on disk, so that a run that is killed goes on behind the last one."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Finished(Generic[T]):
    """One batch that was done."""

    rows: tuple[int, ...]
    values: list[T]
    """One per row."""
    seconds: float
    """Wall time that it took."""


class Journal(Generic[T]):
    """A JSONL file: first the digest of what decides the values, then a line per finished batch.

    Args:
        path: The file; made where it is not there.
        digest: Of everything that decides the values. A file with another one is begun anew.
        kind: Type of a value, a dataclass.
    """

    def __init__(self, path: Path, digest: str, kind: type[T]) -> None:
        self.path = path
        self.digest = digest
        self.kind = kind

    def read(self) -> dict[tuple[int, ...], Finished[T]]:
        """The batches that were finished, by their rows; what was half written is cut off."""
        lines = self.path.read_bytes().splitlines(keepends=True) if self.path.exists() else []
        whole = [line for line in lines if line.endswith(b"\n")]
        if not whole or msgspec.json.decode(whole[0]) != {"digest": self.digest}:
            self.path.write_bytes(b"")
            self._write({"digest": self.digest})
            return {}
        if len(whole) < len(lines):
            os.truncate(self.path, sum(len(line) for line in whole))
        found = [self._batch(line) for line in whole[1:]]
        return {batch.rows: batch for batch in found}

    def append(self, batch: Finished[T]) -> None:
        """Add a batch; it is on the disk when this returns."""
        self._write(batch)

    def _write(self, line: Any) -> None:
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _batch(self, line: bytes) -> Finished[T]:
        raw = msgspec.json.decode(line)
        values = msgspec.convert(raw["values"], list[self.kind])  # type: ignore[name-defined]
        return Finished(tuple(raw["rows"]), values, raw["seconds"])
