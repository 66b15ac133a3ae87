"""One training process: `python -m tuneline.training.worker <job folder>`."""

import logging
import os
import sys
import time
from pathlib import Path

from tuneline.processes import ProcessId, follow_parent, registered
from tuneline.training import ranks
from tuneline.training.job import Failure, Job, Teller, write_failure

REGISTRY = "TUNELINE_PROCESSES"
"""Variable with the folder of process files."""


def main(folder: Path) -> int:
    """Do the job of a folder; returns the exit code, and leaves an error in the folder."""
    follow_parent()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    with registered(Path(os.environ[REGISTRY]), ProcessId.of(os.getppid())):
        try:
            _train(folder)
        except Exception as error:  # noqa: BLE001: told to whoever started the training
            logging.exception("rank %d", ranks.rank())
            told = Failure(type(error).__name__, str(error), time.time())
            write_failure(folder, ranks.rank(), told)
            return 1
    return 0


def _train(folder: Path) -> None:
    from accelerate import PartialState

    from tuneline.machine import this_machine
    from tuneline.records import read_records
    from tuneline.training.checkpoints import last_complete_checkpoint
    from tuneline.training.trainer import CHECKPOINTS, train

    job, machine = Job.read(folder), this_machine()
    if ranks.n_ranks() > 1:
        with PartialState(cpu=machine.device == "cpu").main_process_first():
            last_complete_checkpoint(job.out / CHECKPOINTS)  # removes the others, once
    sides = [read_records(job.sides / f"{side}.parquet") for side in ("train", "validation")]
    tell = [Teller(folder)] if ranks.is_main() else []
    listeners = {
        name: getattr(teller, name) for teller in tell for name in ("progress", "log_metrics")
    }
    train(job.base_model, *sides, job.config, machine, job.out, **listeners)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
