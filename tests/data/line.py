"""Records through dedup, split and leak checks, with a domain's memory, without reading files."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from tuneline.data import memory as memories
from tuneline.data.compare import Compared, compare_all
from tuneline.data.config import DataConfig
from tuneline.data.dedup.scratch import Scratch
from tuneline.data.dedup.shingles import concatenate, sketch
from tuneline.data.fates import Texts
from tuneline.data.keys import KeyedRecord, Keys, rows_of
from tuneline.data.outside import Outside
from tuneline.data.prepare import Splits
from tuneline.data.snapshot import drops_of, take
from tuneline.records import Record, record_of

BASE = {"sources": [{"name": "s", "path": "f", "license": "MIT"}]}


class Result(NamedTuple):
    """What became of the records."""

    splits: Splits
    drops: list
    compared: Compared


class Line:
    """One domain's data stage over records in memory; every run sees what earlier ones used."""

    def __init__(self, folder: Path, **settings) -> None:
        self.folder = folder
        self.config = DataConfig.model_validate(BASE | settings)

    def run(self, records: Sequence[Record]) -> Result:
        """Decide about records; the same ones with the same settings are the same run."""
        rows = sorted(r.place + r.digest for r in records)
        label = hashlib.sha256(f"{rows} {self.config}".encode()).hexdigest()[:16]
        generation = self.config.split.holdout_generation
        memory = memories.recall(self.folder / "memory", label, generation)
        file = self.folder / "records.parquet"
        keyed = (KeyedRecord(record, record, "unknown", None) for record in records)
        pq.write_table(rows_of(keyed), file)
        threshold = self.config.least_threshold
        kinds = {
            "full": [f"{r.prompt_text}\n{r.reference}" for r in records],
            "prompt": [r.prompt_text for r in records],
            "answer": [r.reference for r in records],
        }
        scratch = Scratch(self.folder, max_bytes=0)
        sketches = {k: concatenate([sketch(t, threshold)], scratch) for k, t in kinds.items()}
        texts = Texts(Keys([file]), sketches)
        outside = Outside.gather(memory, [], lambda: [], threshold, scratch)
        compared = compare_all(texts, memory, outside, self.config, [file], 1000, scratch)
        self._remember(file, texts, compared, label)
        sides = {name: self._records(file, compared, name) for name in Splits._fields}
        drops = list(drops_of([file], compared.fates, 1000))
        return Result(Splits(**sides), drops, compared)

    def _remember(self, file: Path, texts: Texts, compared: Compared, label: str) -> None:
        used = self.folder / "used.parquet"
        memories.write_used(used, [file], texts, compared.fates, 1000)
        generation = self.config.split.holdout_generation
        memories.remember(self.folder / "memory", label, used, generation)

    def _records(self, file: Path, compared: Compared, side: str) -> list[Record]:
        order = compared.fates.order
        rows = order[compared.fates.is_kept(side)[order]]
        return [record_of(row) for row in take([file], np.asarray(rows)).to_pylist()]
