"""The records that stay, by side, and the drops: written in slices, so memory stays bounded."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tuneline.data.dedup.scratch import give_memory_back
from tuneline.data.drops import Drop, drop_record
from tuneline.data.fates import NONE, REASONS, Fates
from tuneline.data.keys import COLUMNS
from tuneline.records import record_of

LARGE = pa.schema([f.with_type(pa.large_string()) if f.type == pa.string() else f for f in COLUMNS])
"""Columns that do not overflow when slices of many rows are put together."""
COPIES = 8
"""How often a row's bytes are in hand while it is moved, as Arrow and as Python values."""
MIN_ROW_BYTES = 500
ROWS_AS_OBJECTS = 1_000
"""Rows that are Python values at a time."""


def rows_in(memory_mib: int, files: Sequence[Path]) -> int:
    """Rows of cleaned files that may be in hand at a time, by their average size."""
    metadata = [pq.read_metadata(file) for file in files]
    n_rows = sum(each.num_rows for each in metadata)
    n_bytes = sum(m.row_group(i).total_byte_size for m in metadata for i in range(m.num_row_groups))
    row_bytes = max(MIN_ROW_BYTES, n_bytes // max(1, n_rows))
    return max(1_000, int(memory_mib * 2**20 // (COPIES * row_bytes)))


def write_side(files: Sequence[Path], fates: Fates, side: str, rows: int, path: Path) -> None:
    """Write the records of one side, in order.

    Args:
        files: Cleaned files; their rows are numbered through.
        fates: What becomes of each row.
        side: Name in `SIDES`.
        rows: Rows in hand at a time.
        path: Parquet with the columns of `keys.COLUMNS`.
    """
    ordered = fates.order[fates.is_kept(side)[fates.order]]
    with pq.ParquetWriter(path, COLUMNS) as writer:
        for start in range(0, max(1, len(ordered)), rows):
            writer.write_table(take(files, ordered[start : start + rows]))
            give_memory_back()


def take(
    files: Sequence[Path], rows: np.ndarray, columns: Sequence[str] = COLUMNS.names
) -> pa.Table:
    """Rows by their numbers, in the order given, in those of the columns of `keys.COLUMNS`."""
    parts, starts, first = [], [], 0
    wanted = np.sort(rows)
    for file in files:
        n = pq.read_metadata(file).num_rows
        inside = wanted[(wanted >= first) & (wanted < first + n)]
        if len(inside):
            parts.append(_take_from(file, inside - first, columns))
            starts.append(inside)
        first += n
    schema = pa.schema([COLUMNS.field(name) for name in columns])
    if not parts:
        return schema.empty_table()
    places = pa.array(np.searchsorted(np.concatenate(starts), rows))
    found, taken = pa.concat_tables(parts), []
    del parts
    for field in schema:  # column by column, so that little is in memory twice
        taken.append(found[field.name].take(places).cast(field.type))
        found = found.drop_columns(field.name)
    return pa.Table.from_arrays(taken, schema=schema)


def _take_from(file: Path, rows: np.ndarray, columns: Sequence[str]) -> pa.Table:
    """Ascending rows of one file, row group by row group."""
    reader, first, parts = pq.ParquetFile(file), 0, []
    for group in range(reader.num_row_groups):
        n = reader.metadata.row_group(group).num_rows
        inside = rows[(rows >= first) & (rows < first + n)] - first
        if len(inside):
            parts.append(reader.read_row_group(group, list(columns)).take(pa.array(inside)))
        first += n
    return pa.concat_tables(parts).cast(pa.schema([LARGE.field(name) for name in columns]))


def drops_of(files: Sequence[Path], fates: Fates, rows: int) -> Iterator[Drop]:
    """What dedup and the leak checks dropped, with the reason in words.

    Args:
        files: Cleaned files.
        fates: What becomes of each row.
        rows: Rows in hand at a time.
    """
    gone = fates.order[(fates.reason != 0)[fates.order]]
    for start in range(0, len(gone), rows):
        numbers = gone[start : start + rows]
        table = take(files, numbers)
        because = take(files, np.maximum(fates.because[numbers], 0), ["digest", "file", "line"])
        for first in range(0, len(numbers), ROWS_AS_OBJECTS):
            some = slice(first, first + ROWS_AS_OBJECTS)
            found = table.slice(first, ROWS_AS_OBJECTS).to_pylist()
            kept = because.slice(first, ROWS_AS_OBJECTS).to_pylist()
            for number, row, reason in zip(numbers[some].tolist(), found, kept, strict=True):
                yield _drop_of(number, row, fates, reason)
        give_memory_back()


def _drop_of(number: int, row: Mapping[str, Any], fates: Fates, kept: Mapping[str, Any]) -> Drop:
    stage, reason = REASONS[fates.reason[number]]
    is_inside = fates.because[number] != NONE
    place = f"{kept['file']}:{kept['line']}" if is_inside else ""
    place = fates.outside.get(number, ("", place))[1]
    digest = kept["digest"] if is_inside else None
    return drop_record(record_of(row), stage, reason, _in_words(reason, place), digest)


def _in_words(reason: str, place: str) -> str:
    words = {
        "held_out_by_another_generation": "another generation of the holdout held it out",
        "near_another_generation": f"another generation of the holdout held out {place}",
        "same_text": f"reads the same as {place}",
        "similar_text": f"one cluster of near-duplicates with {place}",
        "similar_meaning": f"says in other words what {place} says",
        "trained_on_before": f"new to the holdout, but an earlier run trained on {place or 'it'}",
    }
    return words.get(reason, f"{reason.replace('_', ' ')} ({place})")
