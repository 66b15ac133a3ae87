"""What a domain held out and trained on in earlier runs, so that later ones respect it.

Positions alone keep a record on its side while it is in the data. Memory is for what they cannot
see: a held-out record that was deleted from the data still bars its near-duplicates from training,
a lowered `holdout_fraction` releases nothing, and a new record that says what was trained on before
is not held out.

Each run that brought something new adds one Parquet file, `0003-<label>.parquet`, whole or not at
all. A run that is repeated sees what it saw the first time: the files before its own.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from tuneline.data.fates import Fates
from tuneline.data.keys import full_text
from tuneline.data.leakage import guarding
from tuneline.data.snapshot import take
from tuneline.data.splitting import HELD_OUT, HOLDOUT, TRAINED_ON
from tuneline.store import file_digest

SCHEMA = pl.Schema(
    {
        "digest": pl.String,
        "group_digest": pl.String,
        "prompt_digest": pl.String,
        "place": pl.String,
        "used": pl.String,
        "text": pl.String,
    }
)
"""`used`: held_out or trained_on. `text`: prompt and answer."""
ARROW = pa.schema([(name, pa.large_string()) for name in SCHEMA])


class Memory(NamedTuple):
    """The files that one run sees."""

    files: Sequence[Path]

    @property
    def digests(self) -> list[str]:
        """SHA-256 of each file."""
        return [file_digest(file) for file in self.files]

    def read(self, *columns: str) -> pl.DataFrame:
        """Columns of all files; each record once, by its first use."""
        if not self.files:
            return pl.DataFrame(schema=SCHEMA).select(columns)
        rows = pl.scan_parquet(list(self.files), schema=SCHEMA).select(columns)
        return rows.collect()


def recall(folder: Path, label: str) -> Memory:
    """The files before the one of the run with this label; all of them where it has none."""
    files = sorted(folder.glob("*.parquet"))
    own = next((n for n, file in enumerate(files) if file.stem.endswith(label)), len(files))
    return Memory(files[:own])


def remember(folder: Path, label: str, used: Path) -> None:
    """Add the records of one run that no earlier file has, once per label.

    Args:
        folder: The domain's memory; the caller holds its lock.
        label: Identifies the run's input.
        used: Parquet with rows of `SCHEMA`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(folder.glob("*.parquet"))
    if any(file.stem.endswith(label) for file in files):
        return
    known = Memory(files).read("digest", "used")
    found = pl.scan_parquet(used).join(known.lazy(), on=["digest", "used"], how="anti")
    new = found.unique(["digest", "used"], keep="first", maintain_order=True).collect()
    if new.is_empty():
        return
    partial = folder / f"{label}.{os.getpid()}.part"
    new.write_parquet(partial)
    partial.replace(folder / f"{len(files) + 1:04d}-{label}.parquet")


def write_used(path: Path, files: Sequence[Path], fates: Fates, rows: int) -> None:
    """Write rows of `SCHEMA`: what guards the holdout, and what is trained or validated with.

    Args:
        path: Parquet.
        files: Cleaned files; their rows are numbered through.
        fates: What became of each row.
        rows: Rows in hand at a time.
    """
    with pq.ParquetWriter(path, ARROW) as writer:
        for frame in _used_rows(files, fates, rows):
            writer.write_table(frame.to_arrow().cast(ARROW))


def _used_rows(files: Sequence[Path], fates: Fates, rows: int) -> Iterator[pl.DataFrame]:
    is_held = guarding(fates, HOLDOUT)
    is_used = is_held | (fates.is_kept() & (fates.side != HOLDOUT))
    numbers = np.flatnonzero(is_used)
    for start in range(0, len(numbers), rows):
        some = numbers[start : start + rows]
        frame = pl.from_arrow(take(files, some))
        assert isinstance(frame, pl.DataFrame)
        yield frame.select(
            "digest", "group_digest", "prompt_digest",
            place=pl.format("{}:{}", "file", "line"),
            used=pl.Series(np.where(is_held[some], HELD_OUT, TRAINED_ON)),
            text=full_text(),
        )  # fmt: skip
