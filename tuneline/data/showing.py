"""What people are shown of records: where they stand, and how they begin."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from tuneline.data.excerpts import shorten
from tuneline.data.snapshot import take
from tuneline.records import record_of

__all__ = ["places", "shorten", "shown_texts"]


def shown_texts(files: Sequence[Path], rows: np.ndarray) -> list[str]:
    """Prompt and answer of records, shortened."""
    records = [record_of(row) for row in take(files, rows).to_pylist()]
    return [shorten(f"{r.prompt[-1].content} → {r.reference}") for r in records]


def places(keys: pl.DataFrame, rows: Sequence[int] | np.ndarray) -> list[str]:
    """`file:line` of records."""
    return [f"{keys['file'][int(row)]}:{keys['line'][int(row)]}" for row in rows]
