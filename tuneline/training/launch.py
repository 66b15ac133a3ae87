"""Where a training runs: here, or in supervised processes of its own.

One process on a CPU trains here: another one would import torch and transformers anew, 11 s of the
12 s that a start takes on two old cores, and there is no GPU memory that it could leave behind. On
CUDA and with several processes training has processes of its own, which end when this one does.
"""

import json
import logging
import os
import shutil
import signal
import sys
from pathlib import Path

from tuneline.base_model import BaseModelRef
from tuneline.errors import KilledError, TrainingError, TunelineError
from tuneline.machine import Machine
from tuneline.processes import GRACE_S, reap, run
from tuneline.progress import Progress, silent
from tuneline.records import read_records
from tuneline.store import workspace
from tuneline.training.config import TrainingConfig
from tuneline.training.job import EXITS, OUTPUT, Job, Listener, as_error, first_failure
from tuneline.training.join import RENDEZVOUS
from tuneline.training.ranks import StartAgainError
from tuneline.training.trainer import train
from tuneline.training.watching import LogMetrics
from tuneline.training.worker import REGISTRY

log = logging.getLogger(__name__)


def launch(
    base_model: BaseModelRef,
    sides: Path,
    config: TrainingConfig,
    machine: Machine,
    out: Path,
    progress: Progress = silent,
    log_metrics: LogMetrics = lambda metrics, step: None,
    n_down: int = 0,
) -> None:
    """Train as `trainer.train` does, in `config.n_processes` processes where it helps.

    Processes that outlived an earlier flow are ended first, so that two never share a folder.

    Args:
        base_model: The base model, 16-bit.
        sides: Folder with `train.parquet` and `validation.parquet`.
        config: The run's settings.
        machine: Where it runs.
        out: An existing folder; holds the checkpoints of a killed run, and then the adapter.
        progress: Told the optimizer steps done.
        log_metrics: Told the metrics of each step.
        n_down: Steps down the ladder of memory that the run begins with.

    Raises:
        TunelineError: As the training process raised it.
        TrainingError: A training process failed or was killed; names its rank and the signal.
    """
    reap(workspace() / "processes")
    if config.n_processes == 1 and machine.device == "cpu":
        train_records, validation = (
            read_records(sides / f"{side}.parquet") for side in ("train", "validation")
        )
        told = progress, log_metrics, n_down
        train(base_model, train_records, validation, config, machine, out, *told)
        return
    _check_machines(config.n_processes, machine)
    job = Job(
        base_model=base_model,
        sides=sides.absolute(),
        config=config,
        out=out.absolute(),
        n_down=n_down,
        rendezvous=os.environ.get(RENDEZVOUS, ""),
    )
    run_job(job, progress, log_metrics)


def _check_machines(n_processes: int, machine: Machine) -> None:
    import torch

    n_machines = int(os.environ.get("PET_NNODES", "1"))
    n_gpus = torch.cuda.device_count()
    if machine.device == "cuda" and n_processes > n_machines * n_gpus:
        raise TrainingError(
            f"training.n_processes={n_processes} wants a GPU for each process, and there are "
            f"{n_gpus} per machine; set it to {n_machines * n_gpus} or less"
        )
    if n_processes % n_machines:
        raise TrainingError(
            f"training.n_processes={n_processes} is no multiple of the {n_machines} machines that "
            "PET_NNODES names; each runs the same number"
        )


def run_job(
    job: Job,
    progress: Progress = silent,
    log_metrics: LogMetrics = lambda metrics, step: None,
    grace_s: float = GRACE_S,
) -> None:
    """Train in processes of their own; arguments and errors as in `launch`.

    The job's files lie beside `job.out`, and stay there when it fails.
    """
    folder = job.out.with_name(f"{job.out.name}.job")
    while code := _run_once(job, folder, progress, log_metrics, grace_s):
        failure = first_failure(folder)
        if failure is None or failure[1].kind != StartAgainError.__name__:
            raise failed(folder, code)
        log.warning("train: starting all processes again: %s", failure[1].message)
    shutil.rmtree(folder)


def _run_once(
    job: Job, folder: Path, progress: Progress, log_metrics: LogMetrics, grace_s: float
) -> int:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    job.write(folder)
    module = "agent" if job.config.n_processes > 1 else "worker"
    registry = workspace() / "processes"
    return run(
        [sys.executable, "-m", f"tuneline.training.{module}", str(folder)],
        registry,
        folder / OUTPUT,
        Listener(folder, progress, log_metrics).listen,
        env=os.environ | {REGISTRY: str(registry)},
        grace_s=grace_s,
    )


def failed(folder: Path, code: int) -> TunelineError:
    """What went wrong first: a killed rank makes the others fail, and an error ends them."""
    exits = {0: code}
    if (folder / EXITS).exists():
        exits = {int(rank): int(c) for rank, c in json.loads((folder / EXITS).read_text()).items()}
    killed = {rank: -c for rank, c in exits.items() if c < 0 and -c != signal.SIGTERM}
    failure = first_failure(folder)
    if failure and not killed:
        return as_error(*failure, folder / OUTPUT)
    ended = killed or {rank: -c for rank, c in exits.items() if c < 0}
    output = f"its output is in {folder / OUTPUT}"
    for rank, number in ended.items():
        name = signal.Signals(number).name
        why = ", as the system does when memory runs out" if number == signal.SIGKILL else ""
        return KilledError(
            f"training process of rank {rank} was ended by {name}{why}; {output}. The last "
            "complete checkpoint is kept: run the same command again to go on from there"
        )
    return TrainingError(f"training ended with exit code {code}; {output}")
