"""What people are shown of records: where they stand, and how they begin."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tuneline.data.excerpts import shorten
from tuneline.data.snapshot import take
from tuneline.records import record_of

__all__ = ["places", "shorten", "shown_texts"]


def shown_texts(files: Sequence[Path], rows: np.ndarray) -> list[str]:
    """Prompt and answer of records, shortened."""
    records = [record_of(row) for row in take(files, rows).to_pylist()]
    return [shorten(f"{r.prompt[-1].content} → {r.reference}") for r in records]


def places(files: Sequence[Path], rows: Sequence[int] | np.ndarray) -> list[str]:
    """`file:line` of records."""
    table = take(files, np.asarray(rows, dtype=np.int64), ["file", "line"])
    return [f"{row['file']}:{row['line']}" for row in table.to_pylist()]
