"""Jobs for training processes, and trainings that tell what they told."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tuneline.base_model import BaseModelRef
from tuneline.records import Record, write_records
from tuneline.training.config import TrainingConfig
from tuneline.training.job import Job

if TYPE_CHECKING:
    from tests.training.watched import Run


@pytest.fixture(scope="module")
def sides(records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sides")
    write_records(folder / "train.parquet", records[:32])
    write_records(folder / "validation.parquet", records[32:])
    return folder


@pytest.fixture
def job(tiny_model: BaseModelRef, sides: Path, tmp_path: Path):
    def make(config: TrainingConfig) -> Job:
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        return Job(base_model=tiny_model, sides=sides, config=config, out=out)

    return make


@pytest.fixture
def run(tiny_model, records, monkeypatch) -> "Run":
    from tests.training.watched import Run  # imports torch

    return Run(tiny_model, records, monkeypatch)
