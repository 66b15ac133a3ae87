"""Training processes of a job: which run, and what they left."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.conftest import TRAINING
from tuneline.reports import TrainingReport, load_report
from tuneline.training import trainer

ROOT = Path(__file__).parent.parent.parent
# At the high rate of TRAINING a difference in the last digit grows within 20 steps.
CALM = {"dropout": 0.0, "batch_size": 8, "max_steps": 24, "learning_rate": 0.002}
ONE = TRAINING.model_copy(update=CALM)
TWO = ONE.model_copy(update={"batch_size": 4, "n_processes": 2})
"""As many records a step as `ONE`."""


def wait_until(holds: Callable[[], bool], what: str, timeout_s: float = 200) -> float:
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < timeout_s, what
        time.sleep(0.05)
    return time.monotonic() - started


def processes_of(folder: Path) -> list[psutil.Process]:
    """Training processes of a job: its name is in their command line."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = process.info["cmdline"] or []
        if f"{folder}.job" in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def ranks_of(folder: Path) -> dict[int, psutil.Process]:
    workers = [p for p in processes_of(folder) if "tuneline.training.worker" in p.cmdline()]
    return {int(process.environ().get("RANK", "0")): process for process in workers}


def checkpoints_of(out: Path) -> set[int]:
    found = out.glob("checkpoints/checkpoint-*/COMPLETE")
    return {int(path.parent.name.split("-")[1]) for path in found}


def report_of(out: Path) -> TrainingReport:
    return load_report(out / trainer.REPORT, TrainingReport)
