"""What a domain held out and trained on in earlier runs, so that later ones respect it.

Positions alone keep a record on its side while it is in the data. Memory is for what they cannot
see: a held-out record that was deleted from the data still bars its near-duplicates from training,
a lowered `holdout_fraction` releases nothing, and a new record that says what was trained on before
is not held out.

Each run adds one Parquet file, `0003-<label>.parquet`, whole or not at all. A run that is repeated
sees what it saw the first time: the files before its own. No text is kept, only digests and hashed
shingles: a rule that redacts personal data later finds none here.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tuneline.data.dedup.shingles import SEED, Sketches, rehash
from tuneline.data.fates import Fates, Texts
from tuneline.data.leakage import Hidden, Side, guarding
from tuneline.data.splitting import HELD_OUT, HOLDOUT, TRAINED_ON
from tuneline.errors import DataError
from tuneline.store import file_digest

SHINGLES = "pairs-32-1"
"""Version of the hashed shingles; to be raised whenever equal texts get other hashes."""
DIGESTS = ("raw_digest", "digest", "group_digest", "prompt_digest")
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in DIGESTS),
        ("questions", pa.list_(pa.uint64())),
        ("place", pa.string()),
        ("used", pa.string()),  # held_out or trained_on
        ("shingles", pa.list_(pa.uint32())),  # of prompt and answer
    ],
    metadata={"shingles": SHINGLES},
)


class Memory(NamedTuple):
    """The files that one run sees."""

    files: Sequence[Path]

    @property
    def digests(self) -> list[str]:
        """SHA-256 of each file."""
        return [file_digest(file) for file in self.files]

    def uses(self) -> pl.DataFrame:
        """Digests of records and groups, and how they were used."""
        return _frame(self._read([*DIGESTS, "used"]))

    def hidden(self, used: str, threshold: float) -> Hidden:
        """What was held out, or trained on, to be compared with."""
        name, reason = NAMES[used]
        rows = self._read(SCHEMA.names)
        rows = rows.filter(pc.equal(rows["used"], used))
        keys = _frame(rows.drop_columns("shingles"))
        side = Side(keys["prompt_digest"], keys["questions"], _sketches(rows, threshold))
        return Hidden(name, reason, keys["place"], side)

    def _read(self, columns: Sequence[str]) -> pa.Table:
        """Columns of all files.

        Raises:
            DataError: A file has shingles of another version, which cannot be compared.
        """
        for file in self.files:
            found = (pq.read_schema(file).metadata or {}).get(b"shingles", b"").decode()
            if found != SHINGLES:
                raise DataError(
                    f"{file} was written with shingles {found or 'of no version'}, this version "
                    f"compares {SHINGLES}; go back to that version, or move {file.parent} away to "
                    "start a new holdout"
                )
        schema = pa.schema([SCHEMA.field(name) for name in columns])
        return pa.concat_tables(
            [schema.empty_table(), *(pq.read_table(f, columns=list(columns)) for f in self.files)]
        )


NAMES = {
    HELD_OUT: ("earlier holdouts", "earlier_holdout"),
    TRAINED_ON: ("earlier training", "earlier_training"),
}
"""Use -> what reports call such texts, and the end of the reason of a drop."""


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _sketches(rows: pa.Table, threshold: float) -> Sketches:
    lists = rows["shingles"].combine_chunks()
    bounds = lists.offsets.to_numpy().astype(np.int64)
    values = lists.values.to_numpy().astype(np.uint32)
    no_bands = np.empty((0, len(rows)), dtype=np.uint32)
    return rehash(Sketches(values, bounds[:-1], bounds[1:], no_bands), threshold, SEED)


def recall(folder: Path, label: str) -> Memory:
    """The files before the one of the run with this label; all of them where it has none."""
    files = sorted(folder.glob("*.parquet"))
    own = next((n for n, file in enumerate(files) if file.stem.endswith(label)), len(files))
    return Memory(files[:own])


def remember(folder: Path, label: str, used: Path) -> None:
    """Add what one run used and no earlier file has, once per label.

    Args:
        folder: The domain's memory; the caller holds its lock.
        label: Identifies the run's input.
        used: As `write_used` wrote it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(folder.glob("*.parquet"))
    if any(file.stem.endswith(label) for file in files):
        return
    known = {tuple(row) for row in Memory(files).uses().select("raw_digest", "used").iter_rows()}
    partial = folder / f"{label}.{os.getpid()}.part"
    with pq.ParquetWriter(partial, SCHEMA) as writer:
        for batch in pq.ParquetFile(used).iter_batches():
            rows = zip(*(batch[name].to_pylist() for name in ("raw_digest", "used")), strict=True)
            is_new = [row not in known for row in rows]
            writer.write_batch(batch.filter(pa.array(is_new, pa.bool_())))
    partial.replace(folder / f"{len(files) + 1:04d}-{label}.parquet")


def write_used(path: Path, texts: Texts, fates: Fates, rows: int) -> None:
    """Write what guards the holdout, and what is trained or validated with.

    Args:
        path: Parquet with rows of `SCHEMA`.
        texts: All records.
        fates: What became of each.
        rows: Rows in hand at a time.
    """
    is_held = guarding(fates, HOLDOUT)
    numbers = np.flatnonzero(is_held | (fates.is_kept() & (fates.side != HOLDOUT)))
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for start in range(0, len(numbers), rows):
            some = numbers[start : start + rows]
            columns = texts.keys[some].select(
                *DIGESTS, "questions",
                place=pl.format("{}:{}", "file", "line"),
                used=pl.Series(np.where(is_held[some], HELD_OUT, TRAINED_ON)),
            ).to_arrow()  # fmt: skip
            shingles = _as_lists(texts.sketches["full"].take(some))
            writer.write_table(columns.append_column("shingles", shingles).cast(SCHEMA))


def _as_lists(sketches: Sketches) -> pa.Array:
    bounds = np.concatenate([[0], np.cumsum(sketches.ends - sketches.starts)])
    parts = [
        sketches.shingles[start:end]
        for start, end in zip(sketches.starts, sketches.ends, strict=True)
    ]
    values = np.concatenate(parts) if parts else np.empty(0, dtype=np.uint32)
    return pa.ListArray.from_arrays(pa.array(bounds.astype(np.int32)), pa.array(values))
