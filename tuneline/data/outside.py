"""Texts from outside the data that it is compared with: earlier runs and benchmark files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from tuneline.data.dedup.files import load_sketches
from tuneline.data.dedup.shingles import sketch
from tuneline.data.ingest import RECORDS
from tuneline.data.keys import load_keys
from tuneline.data.leakage import Hidden
from tuneline.data.memory import Memory
from tuneline.data.splitting import HELD_OUT, TRAINED_ON
from tuneline.store import StageOutput

SketchAll = Callable[..., list[Path]]


class Outside(NamedTuple):
    """What records must not say again."""

    trained: Hidden
    """Earlier runs trained on it; new holdout records must not say it."""
    hidden: tuple[Hidden, ...]
    """Earlier holdouts and benchmarks; train and validation must not say it."""

    @classmethod
    def gather(
        cls,
        memory: Memory,
        benchmarks: Sequence[StageOutput],
        benchmark_files: Sequence[Path],
        sketch_all: SketchAll,
        threshold: float,
    ) -> "Outside":
        """Sketch and key all of it; what was sketched before is read."""
        remembered = memory.read("prompt_digest", "place", "used", "text")
        earlier = _remembered(
            remembered, HELD_OUT, "earlier holdouts", "earlier_holdout", threshold
        )
        trained = _remembered(remembered, TRAINED_ON, "earlier training", "training", threshold)
        folders = sketch_all(benchmarks, RECORDS, kinds=("full",)) if benchmarks else []
        named = []
        for folder, file in zip(folders, benchmark_files, strict=True):
            keys = load_keys([file])
            places = keys.select(place=pl.format("{}:{}", "file", "line"))["place"]
            name = keys["file"][0] if len(keys) else str(file)
            sketches = load_sketches([folder], "full", threshold)
            named.append(Hidden(name, "benchmark", keys["prompt_digest"], places, sketches))
        return cls(trained, (earlier, *named))


def _remembered(rows: pl.DataFrame, used: str, name: str, reason: str, threshold: float) -> Hidden:
    some = rows.filter(pl.col("used") == used)
    sketches = sketch(some["text"].to_list(), threshold)
    return Hidden(name, reason, some["prompt_digest"], some["place"], sketches)
