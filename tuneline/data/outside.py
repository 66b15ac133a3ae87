"""Texts from outside the data that it is compared with: earlier runs and benchmark files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from tuneline.data.dedup.files import load_sketches
from tuneline.data.dedup.scratch import Scratch
from tuneline.data.ingest import RECORDS
from tuneline.data.keys import Keys
from tuneline.data.leakage import Hidden, Side
from tuneline.data.memory import Memory
from tuneline.data.splitting import HELD_OUT, RETIRED, TRAINED_ON
from tuneline.store import StageOutput

SketchAll = Callable[..., list[Path]]


class Outside(NamedTuple):
    """What records must not say again."""

    known: tuple[Hidden, ...]
    """Earlier runs trained on it, or other generations of the holdout held it out; new holdout
    records must not say it."""
    hidden: tuple[Hidden, ...]
    """Earlier holdouts and benchmarks; train and validation must not say it."""

    @classmethod
    def gather(
        cls,
        memory: Memory,
        benchmarks: Sequence[StageOutput],
        sketch_all: SketchAll,
        threshold: float,
        scratch: Scratch,
    ) -> "Outside":
        """Read what earlier runs left, and key and sketch the benchmark files."""
        trained, retired, earlier = (
            memory.hidden(used, threshold, scratch) for used in (TRAINED_ON, RETIRED, HELD_OUT)
        )
        folders = sketch_all(benchmarks, RECORDS, kinds=("full",)) if benchmarks else []
        named = [
            _benchmark(output.path / RECORDS, folder, threshold, scratch)
            for output, folder in zip(benchmarks, folders, strict=True)
        ]
        return cls((trained, retired), (earlier, *named))


def _benchmark(file: Path, folder: Path, threshold: float, scratch: Scratch) -> Hidden:
    keys = Keys([file]).load("prompt_digest", "questions", "file", "line")
    places = keys.select(place=pl.format("{}:{}", "file", "line"))["place"]
    sketches = load_sketches([folder], "full", threshold, scratch)
    side = Side(keys["prompt_digest"], keys["questions"], sketches)
    return Hidden(keys["file"][0], "benchmark", places, side)
