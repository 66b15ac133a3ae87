"""One trial: a training whose validation loss is told while it runs, and that may be stopped."""

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from tuneline.base_model import BaseModelRef
from tuneline.errors import KilledError
from tuneline.machine import Machine
from tuneline.progress import Progress, silent
from tuneline.reports import TrainingReport, load_report
from tuneline.search.space import final_loss
from tuneline.store import digest_of
from tuneline.training.config import TrainingConfig
from tuneline.training.launch import launch
from tuneline.training.trainer import REPORT
from tuneline.training.watching import LogMetrics

IsBehind = Callable[[float, int], bool]
"""Told a validation loss and its step; whether the trial should stop."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What all trials share."""

    base_model: BaseModelRef
    sides: Path
    """Folder with `train.parquet` and `validation.parquet`; what else is there is not read, the
    holdout above all: it is not for choosing settings."""
    machine: Machine
    folder: Path
    """Where trials keep their checkpoints."""
    keeps_best: bool
    """Whether the profile's training keeps its best checkpoint."""


class Outcome(NamedTuple):
    """How a trial ended."""

    loss: float
    """Validation loss at the end; where it was stopped, the last one measured."""
    is_stopped: bool


class _Stopped(Exception):  # noqa: N818  a decision, no error
    def __init__(self, loss: float) -> None:
        self.loss = loss


def run_trial(
    bench: Bench,
    config: TrainingConfig,
    is_behind: IsBehind,
    log_metrics: LogMetrics,
    progress: Progress = silent,
) -> Outcome:
    """Train with a trial's settings, leaving nothing behind but the outcome.

    The checkpoints of a killed trial, or of one with a killed process, stay, and a trial with the
    same settings goes on from them.

    Args:
        bench: What all trials share.
        config: The trial's settings.
        is_behind: Told every measurement; its answer counts for all but the last.
        log_metrics: Told the metrics of each step.
        progress: Told the optimizer steps done.
    """
    folder = bench.folder / trial_key(config)
    bench.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        folder.mkdir(exist_ok=True)
        try:
            outcome = _train(bench, config, folder, is_behind, log_metrics, progress)
        except _Stopped as stopped:
            outcome = Outcome(stopped.loss, True)
        except KilledError:
            raise
        except Exception:
            _remove(folder)
            raise
        _remove(folder)
        return outcome


def _remove(folder: Path) -> None:
    """Remove a trial's folder and the files of its processes."""
    shutil.rmtree(folder)
    shutil.rmtree(folder.with_name(f"{folder.name}.job"), ignore_errors=True)


def _train(
    bench: Bench,
    config: TrainingConfig,
    folder: Path,
    is_behind: IsBehind,
    log_metrics: LogMetrics,
    progress: Progress,
) -> Outcome:
    def note(metrics: dict[str, float], step: int) -> None:
        log_metrics(metrics, step)
        if (loss := metrics.get("eval_loss")) is None:
            return
        is_last = config.max_steps is not None and step >= config.max_steps
        if (is_behind(loss, step) and not is_last) or not math.isfinite(loss):
            raise _Stopped(loss)

    launch(bench.base_model, bench.sides, config, bench.machine, folder, progress, note)
    losses = load_report(folder / REPORT, TrainingReport).validation_losses
    return Outcome(final_loss(losses, keeps_best=bench.keeps_best), False)


def trial_key(config: TrainingConfig) -> str:
    """Identifies a trial by its settings: one that is tried again has the key of the killed one."""
    return digest_of(config.model_dump(mode="json"))[:16]
