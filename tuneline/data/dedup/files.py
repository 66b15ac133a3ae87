"""Sketches of the texts in Parquet files, made once per file and kept in the store."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from tuneline.data.dedup.shingles import Sketches, concatenate, sketch
from tuneline.store import StageOutput, Store, code_version

PARTS = ("shingles", "starts", "ends", "bands")


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
        **code_version("data/dedup/shingles", "data/dedup/kernels", "data/dedup/characters"),
    }
    write = partial(_write, file, texts, threshold, rows)
    return Store(root).build("sketch", inputs, write)


def load_sketches(outputs: Sequence[Path], kind: str, threshold: float) -> Sketches:
    """The sketches of all files, in their order."""
    if not outputs:
        return sketch([], threshold)
    parts = (
        Sketches(*(np.load(folder / f"{kind}-{part}.npy") for part in PARTS)) for folder in outputs
    )
    return next(parts) if len(outputs) == 1 else concatenate(parts)


def _write(file: Path, texts: dict[str, pl.Expr], threshold: float, rows: int, out: Path) -> None:
    parts: dict[str, list[Sketches]] = {kind: [] for kind in texts}
    for batch in pq.ParquetFile(file).iter_batches(rows):
        frame = pl.from_arrow(pa.Table.from_batches([batch]))
        assert isinstance(frame, pl.DataFrame)
        for kind, expression in texts.items():
            column = frame.select(text=expression)["text"].to_arrow().cast(pa.large_string())
            parts[kind].append(sketch(column, threshold))
    for kind, sketches in parts.items():
        whole = concatenate(sketches) if sketches else sketch([], threshold)
        for name, array in zip(PARTS, whole, strict=True):
            np.save(out / f"{kind}-{name}.npy", np.asarray(array))
