"""What people are shown of records: where they stand, and how they begin."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from tuneline.data.cleaning.personal_data import mask
from tuneline.data.drops import EXCERPT_CHARS
from tuneline.data.snapshot import take
from tuneline.records import record_of


def shown_texts(files: Sequence[Path], rows: np.ndarray) -> list[str]:
    """Prompt and answer of records, shortened."""
    records = [record_of(row) for row in take(files, rows).to_pylist()]
    return [shorten(f"{r.prompt[-1].content} → {r.reference}") for r in records]


def places(keys: pl.DataFrame, rows: Sequence[int] | np.ndarray) -> list[str]:
    """`file:line` of records."""
    return [f"{keys['file'][int(row)]}:{keys['line'][int(row)]}" for row in rows]


def shorten(text: str) -> str:
    """The beginning, personal data masked."""
    shown = mask(text[: 4 * EXCERPT_CHARS])
    return shown if len(shown) <= EXCERPT_CHARS else f"{shown[:EXCERPT_CHARS]}…"
