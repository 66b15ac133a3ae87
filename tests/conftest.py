"""What tests share: a tiny model, one Prefect server, one adapter. Nothing is downloaded."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
for offline in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"):
    os.environ[offline] = "1"
os.environ["PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW"] = "ignore"
os.environ.pop("MLFLOW_TRACKING_URI", None)
os.environ.pop("PREFECT_API_URL", None)

from collections.abc import Iterator
from pathlib import Path

import pytest

from tuneline.base_model import BaseModelConfig, BaseModelRef, materialize
from tuneline.machine import this_machine
from tuneline.records import Message, Record
from tuneline.reports import TrainingReport
from tuneline.store import Store
from tuneline.training.config import TrainingConfig
from tuneline.training.trainer import train

TRAINING = TrainingConfig(
    max_steps=12, learning_rate=0.01, checkpoint_every_steps=2, dropout=0.1, rank=8
)


@pytest.fixture(scope="session", autouse=True)
def workspace_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of the session."""
    folder = tmp_path_factory.mktemp("workspace")
    os.environ["TUNELINE_WORKSPACE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(workspace_dir: Path) -> BaseModelRef:
    return materialize(BaseModelConfig(source="random", name="tiny-qwen2"), Store(workspace_dir))


def yes_no_records(n: int) -> list[Record]:
    """`Is 4 even?` -> `Yes`."""
    return [
        Record(
            (Message("user", f"Is {i} even?"), Message("assistant", "No" if i % 2 else "Yes")),
            "even",
            "even.jsonl",
            i + 1,
        )
        for i in range(n)
    ]


@pytest.fixture(scope="session")
def records() -> list[Record]:
    return yes_no_records(40)


@pytest.fixture(scope="session")
def trained(
    tiny_model: BaseModelRef, records: list[Record], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TrainingReport]:
    """Folder and report of one adapter."""
    out = tmp_path_factory.mktemp("trained")
    report = train(tiny_model, records[:32], records[32:], TRAINING, this_machine(), out)
    return out, report


@pytest.fixture(scope="session")
def prefect_server(workspace_dir: Path) -> Iterator[str]:
    """API address of a real Prefect server with its own database."""
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield str(PREFECT_API_URL.value())
