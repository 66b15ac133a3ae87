"""Sketches of the texts in Parquet files, made once per file and kept in the store."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from tuneline.data.dedup.scratch import Scratch
from tuneline.data.dedup.shingles import (
    TEXTS_AT_A_TIME,
    Bands,
    Sketches,
    concatenate,
    n_bands,
    sketch,
)
from tuneline.store import StageOutput, Store, code_version

PARTS = ("shingles", "starts", "ends", "bands")
CODE = tuple(f"data/dedup/{name}" for name in ("shingles", "kernels", "characters", "files"))


def sketch_file(
    file: Path, digest: str, texts: dict[str, pl.Expr], threshold: float, root: Path, rows: int
) -> StageOutput:
    """Sketch the texts of one file, unless that was done before.

    Args:
        file: Parquet.
        digest: SHA-256 that stands for its content.
        texts: Kind of text -> expression over the file's columns.
        threshold: Jaccard similarity that must not be missed.
        root: The store's folder.
        rows: Rows in memory at a time.
    """
    inputs = {
        "file": digest,
        "texts": {kind: str(expression) for kind, expression in texts.items()},
        "threshold": threshold,
        **code_version(*CODE),
    }
    write = partial(_write, file, texts, threshold, rows)
    return Store(root).build("sketch", inputs, write)


def load_sketches(
    outputs: Sequence[Path], kind: str, threshold: float, scratch: Scratch
) -> Sketches:
    """The sketches of all files, in their order, without reading them into memory."""
    parts = (part for folder in outputs for part in _stored(folder, kind))
    return concatenate(chain([sketch([], threshold)], parts), scratch)


def _stored(folder: Path, kind: str) -> Iterator[Sketches]:
    """The texts of one file, some at a time."""
    paths = {part: folder / f"{kind}-{part}.npy" for part in PARTS}
    starts, ends = np.load(paths["starts"]), np.load(paths["ends"])
    for first in range(0, len(starts), TEXTS_AT_A_TIME):
        some = slice(first, first + TEXTS_AT_A_TIME)
        begin, end = starts[some][0], ends[some][-1]
        # Mapped anew each time, so that what was read leaves the memory.
        shingles, bands = (np.load(paths[p], mmap_mode="r") for p in ("shingles", "bands"))
        keys = Bands((bands[:, some],))
        yield Sketches(shingles[begin:end], starts[some] - begin, ends[some] - begin, keys)


def _write(file: Path, texts: dict[str, pl.Expr], threshold: float, rows: int, out: Path) -> None:
    for kind, expression in texts.items():
        reader = pq.ParquetFile(file)
        batches = reader.iter_batches(
            min(rows, TEXTS_AT_A_TIME), columns=expression.meta.root_names()
        )
        columns = (_column(batch, expression) for batch in batches)
        parts = (sketch(column, threshold) for column in columns)
        _save(parts, reader.metadata.num_rows, threshold, out, kind)


def _column(batch: pa.RecordBatch, expression: pl.Expr) -> pa.LargeStringArray:
    frame = pl.from_arrow(batch)
    assert isinstance(frame, pl.DataFrame)
    return frame.select(text=expression)["text"].to_arrow().cast(pa.large_string())


def _save(parts: Iterable[Sketches], n_texts: int, threshold: float, out: Path, kind: str) -> None:
    """Write the arrays as `numpy.save` does, while they come."""
    bounds = [np.zeros((2, 0), dtype=np.int64)]
    n_shingles = first = 0
    with (
        (out / f"{kind}-shingles.npy").open("wb") as shingles,
        (out / f"{kind}-bands.npy").open("wb") as bands,
    ):
        _write_header(shingles, (0,))
        _write_header(bands, (n_bands(threshold), n_texts))
        offset = bands.tell()
        bands.truncate(offset + 4 * n_bands(threshold) * n_texts)
        for part in parts:
            shingles.write(part.shingles.data)
            for number, keys in enumerate(part.bands):
                bands.seek(offset + 4 * (number * n_texts + first))
                bands.write(keys.data)
            bounds.append(np.stack([part.starts, part.ends]) + n_shingles)
            n_shingles, first = n_shingles + len(part.shingles), first + part.n_texts
        shingles.seek(0)
        _write_header(shingles, (n_shingles,))  # as long as before: numpy leaves room in it
    starts, ends = np.concatenate(bounds, axis=1)
    np.save(out / f"{kind}-starts.npy", starts)
    np.save(out / f"{kind}-ends.npy", ends)


def _write_header(file: IO[bytes], shape: tuple[int, ...]) -> None:
    header = {"descr": "<u4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
