"""What a domain held out and trained on in earlier runs, so that later ones respect it.

Positions alone keep a record on its side while it is in the data. Memory is for what they cannot
see: a held-out record that was deleted from the data still bars its near-duplicates from training,
a lowered `holdout_fraction` releases nothing, and a new record that says what was trained on before
is not held out.

A new generation of the holdout retires what others held out: it stays out of training, and is not
measured on either.

Each run adds one Parquet file, `0003-<label>.parquet`, whole or not at all. A run that is repeated
sees what it saw the first time: the files before its own. No text is kept, only digests and hashed
shingles: a rule that redacts personal data later finds none here.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tuneline.data.dedup import kernels
from tuneline.data.dedup.scratch import Scratch, give_memory_back
from tuneline.data.dedup.shingles import (
    SEED,
    TEXTS_AT_A_TIME,
    Bands,
    Sketches,
    concatenate,
    rehash,
)
from tuneline.data.fates import Fates, Texts
from tuneline.data.keys import STREAMED, numbered
from tuneline.data.leakage import Hidden, Side, guarding
from tuneline.data.snapshot import take
from tuneline.data.splitting import HELD_OUT, HOLDOUT, RETIRED, TRAINED_ON
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
    generation: int = 0
    """Of the holdout: what files of another one held out is retired."""

    @property
    def digests(self) -> list[str]:
        """SHA-256 of each file."""
        return [file_digest(file) for file in self.files]

    def uses(self, *digests: str) -> pl.DataFrame:
        """Some of the digests of records and groups, and how they were used: a key of `USES`."""
        return numbered(self._rows(self.files).select(*digests, "used")).collect()

    def hidden(self, used: str, threshold: float, scratch: Scratch) -> Hidden:
        """What was trained on, held out (retired texts are too), or retired, to compare with."""
        name, reason = NAMES[used]
        files = [f for f in self.files if used != RETIRED or self._is_other(f)]
        written = HELD_OUT if used == RETIRED else used
        wanted = self._rows(files, as_written=True).filter(pl.col("used") == written)
        keys = numbered(wanted.select("prompt_digest", "questions", "place")).collect()
        sets = concatenate(_sets(files, written), scratch)
        sketches = rehash(sets, threshold, SEED, scratch)
        side = Side(keys["prompt_digest"], keys["questions"], sketches)
        return Hidden(name, reason, keys["place"], side)

    def _rows(self, files: Sequence[Path], *, as_written: bool = False) -> pl.LazyFrame:
        """Rows of files; what was held out by another generation is retired, unless as written.

        Raises:
            DataError: A file has shingles of another version, which cannot be compared.
        """
        empty = pl.from_arrow(SCHEMA.empty_table())
        assert isinstance(empty, pl.DataFrame)
        parts = [empty.lazy()]
        for file in files:
            _check_shingles(file)
            rows = pl.scan_parquet(file)
            if not as_written and self._is_other(file):
                rows = rows.with_columns(pl.col("used").replace({HELD_OUT: RETIRED}))
            parts.append(rows)
        return pl.concat(parts)

    def _is_other(self, file: Path) -> bool:
        """Whether a file was written by another generation."""
        return int(_metadata(file).get("generation", "0")) != self.generation


NAMES = {
    HELD_OUT: ("earlier holdouts", "earlier_holdout"),
    RETIRED: ("other generations of the holdout", "near_another_generation"),
    TRAINED_ON: ("earlier training", "trained_on_before"),
}
"""Use -> what reports call such texts, and the reason of a drop or its end."""


def _metadata(file: Path) -> dict[str, str]:
    found = pq.read_schema(file).metadata or {}
    return {name.decode(): value.decode() for name, value in found.items()}


def _check_shingles(file: Path) -> None:
    found = _metadata(file).get("shingles", "")
    if found != SHINGLES:
        raise DataError(
            f"{file} was written with shingles {found or 'of no version'}, this version "
            f"compares {SHINGLES}; go back to that version, or move {file.parent} away to "
            "start a new holdout"
        )


def _sets(files: Sequence[Path], used: str) -> Iterator[Sketches]:
    """Shingles without keys, some texts at a time."""
    yield _sets_of(pa.array([], SCHEMA.field("shingles").type))
    for file in files:
        columns = ["used", "shingles"]
        for batch in pq.ParquetFile(file, **STREAMED).iter_batches(
            TEXTS_AT_A_TIME, columns=columns
        ):
            yield _sets_of(batch.filter(pc.equal(batch["used"], used))["shingles"])


def _sets_of(lists: pa.ListArray) -> Sketches:
    bounds = lists.offsets.to_numpy().astype(np.int64)
    values = lists.values.to_numpy().astype(np.uint32)
    return Sketches(values, bounds[:-1], bounds[1:], Bands())


def recall(folder: Path, label: str, generation: int = 0) -> Memory:
    """The files before the one of the run with this label; all of them where it has none.

    Args:
        folder: The domain's memory.
        label: Identifies the run's input.
        generation: Of the holdout.
    """
    files = sorted(folder.glob("*.parquet"))
    own = next((n for n, file in enumerate(files) if file.stem.endswith(label)), len(files))
    return Memory(files[:own], generation)


def remember(folder: Path, label: str, used: Path, generation: int = 0) -> None:
    """Add what one run used and no earlier file has, once per label.

    Args:
        folder: The domain's memory; the caller holds its lock.
        label: Identifies the run's input.
        used: As `write_used` wrote it.
        generation: Of the holdout.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(folder.glob("*.parquet"))
    if any(file.stem.endswith(label) for file in files):
        return
    known = Memory(files, generation).uses("raw_digest").with_columns(is_known=True).unique()
    partial = folder / f"{label}.{os.getpid()}.part"
    schema = SCHEMA.with_metadata({"shingles": SHINGLES, "generation": str(generation)})
    with pq.ParquetWriter(partial, schema) as writer:
        for batch in pq.ParquetFile(used, **STREAMED).iter_batches():
            rows = pl.from_arrow(batch.select(["raw_digest", "used"]))
            assert isinstance(rows, pl.DataFrame)
            found = (
                numbered(rows.lazy())
                .collect()
                .join(known, on=["raw_digest", "used"], how="left", maintain_order="left")
            )
            writer.write_batch(batch.filter(found["is_known"].is_null().to_arrow()))
            give_memory_back()
    partial.replace(folder / f"{len(files) + 1:04d}-{label}.parquet")


def write_used(path: Path, files: Sequence[Path], texts: Texts, fates: Fates, rows: int) -> None:
    """Write what guards the holdout, and what is trained or validated with.

    Args:
        path: Parquet with rows of `SCHEMA`.
        files: Cleaned files.
        texts: All their records.
        fates: What became of each.
        rows: Rows in hand at a time.
    """
    is_held = guarding(fates, HOLDOUT)
    numbers = np.flatnonzero(is_held | (fates.is_kept() & (fates.side != HOLDOUT)))
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for start in range(0, len(numbers), rows):
            some = numbers[start : start + rows]
            table = take(files, some, [*DIGESTS, "questions", "file", "line"])
            used = np.where(is_held[some], HELD_OUT, TRAINED_ON)
            columns = {
                "place": pc.binary_join_element_wise(
                    table["file"], table["line"].cast(pa.string()), ":"
                ),
                "used": pa.array(used),
                "shingles": _as_lists(texts.sketches["full"].take(some)),
            }
            for name, column in columns.items():
                table = table.append_column(name, column)
            writer.write_table(table.select(SCHEMA.names).cast(SCHEMA))
            give_memory_back()


def _as_lists(sketches: Sketches) -> pa.Array:
    bounds = np.concatenate([[0], np.cumsum(sketches.ends - sketches.starts)])
    values = np.empty(bounds[-1], dtype=np.uint32)
    for first in range(0, sketches.n_texts, TEXTS_AT_A_TIME):
        some = slice(first, first + TEXTS_AT_A_TIME)
        sets = sketches.shingles, sketches.starts[some], sketches.ends[some]
        kernels.gather(*sets, values[bounds[first] :])
        sketches.let_go()
    return pa.ListArray.from_arrays(pa.array(bounds.astype(np.int32)), pa.array(values))
