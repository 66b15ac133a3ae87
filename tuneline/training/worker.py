"""One training process: `python -m tuneline.training.worker <job folder>`."""

import logging
import os
import sys
import time
from functools import partial
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
        except Exception as error:
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
    records = read_records(job.sides / "train.parquet")
    validation = read_records(job.sides / "validation.parquet")
    run = partial(train, job.base_model, records, validation, job.config, machine, job.out)
    if ranks.is_main():
        teller = Teller(folder)
        logging.getLogger("tuneline").addHandler(teller)
        run(teller.progress, teller.log_metrics, n_down=job.n_down)
    else:
        run(n_down=job.n_down)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
