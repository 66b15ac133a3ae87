"""A training as files: what the processes are to do, what they tell, and why they failed."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from pydantic import BaseModel, ConfigDict

from tuneline import errors
from tuneline.base_model import BaseModelRef
from tuneline.errors import TrainingError, TunelineError
from tuneline.progress import Progress
from tuneline.training.config import TrainingConfig
from tuneline.training.watching import LogMetrics

SPEC, EVENTS, OUTPUT, EXITS = "job.json", "events.jsonl", "output.log", "exits.json"


class Job(BaseModel):
    """What a training process reads before it starts; paths are absolute."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_model: BaseModelRef
    sides: Path
    """Folder with `train.parquet` and `validation.parquet`."""
    config: TrainingConfig
    out: Path
    """Where the adapter, its report and its checkpoints go."""
    n_down: int = 0
    """Steps down the ladder of memory that the run begins with."""
    rendezvous: str = ""
    """Id of the training, which the agents of other machines look for."""

    @classmethod
    def read(cls, folder: Path) -> "Job":
        """The job of a folder."""
        return cls.model_validate_json((folder / SPEC).read_bytes())

    def write(self, folder: Path) -> None:
        """Write the job into an existing folder, whole or not at all."""
        partial = folder / f"{SPEC}.partial"
        partial.write_text(self.model_dump_json(indent=1))
        partial.replace(folder / SPEC)


class Teller(logging.Handler):
    """Writes what a training process tells and logs, one JSON line each."""

    def __init__(self, folder: Path) -> None:
        super().__init__(logging.INFO)
        self.path = folder / EVENTS

    def progress(self, done: int, total: int) -> None:
        """Tell the optimizer steps done."""
        self._write({"done": done, "total": total})

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Tell the metrics of one step."""
        self._write({"metrics": metrics, "step": step})

    def emit(self, record: logging.LogRecord) -> None:
        """Tell a line of the log."""
        self._write({"log": [record.name, record.levelno, record.getMessage()]})

    def _write(self, event: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")


class Listener:
    """Reads what a `Teller` writes, while it writes."""

    def __init__(self, folder: Path, progress: Progress, log_metrics: LogMetrics) -> None:
        self.path = folder / EVENTS
        self.progress, self.log_metrics = progress, log_metrics
        self.position = 0

    def listen(self) -> None:
        """Pass on what came since the last call."""
        for event in self._new_events():
            if "metrics" in event:
                self.log_metrics(event["metrics"], event["step"])
            elif "log" in event:
                name, level, message = event["log"]
                logging.getLogger(name).log(level, "%s", message)
            else:
                self.progress(event["done"], event["total"])

    def _new_events(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self.position)
            for line in file:
                if not line.endswith(b"\n"):  # still being written
                    return
                self.position += len(line)
                yield json.loads(line)


class Failure(msgspec.Struct, frozen=True):
    """An error that ended one process."""

    kind: str
    """Name of the exception's class."""
    message: str
    at: float
    """Seconds since the epoch."""


def write_failure(folder: Path, rank: int, failure: Failure) -> None:
    """Leave an error for the process that started the training."""
    (folder / f"failure-{rank}.json").write_bytes(msgspec.json.encode(failure))


def first_failure(folder: Path) -> tuple[int, Failure] | None:
    """Rank and error of the process that failed first: the others fail because of it."""
    found = [
        (int(path.stem.split("-")[1]), msgspec.json.decode(path.read_bytes(), type=Failure))
        for path in folder.glob("failure-*.json")
    ]
    return min(found, key=lambda one: one[1].at, default=None)


def as_error(rank: int, failure: Failure, output: Path) -> TunelineError:
    """The error as the training process raised it, or a TrainingError that tells of it."""
    kind = getattr(errors, failure.kind, None)
    if isinstance(kind, type) and issubclass(kind, TunelineError):
        error: TunelineError = kind(failure.message)
        return error
    return TrainingError(
        f"training process of rank {rank} failed: {failure.kind}: {failure.message}; "
        f"its output is in {output}"
    )
