"""Reports as JSON on disk."""

from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")


def save_report(path: Path, report: object) -> None:
    """Write a report as JSON."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    partial.replace(path)


def load_report(path: Path, kind: type[T]) -> T:
    """Read what `save_report` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=kind)
