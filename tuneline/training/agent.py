"""Several training processes of one machine: `python -m tuneline.training.agent <job folder>`.

torch's elastic agent starts the ranks, ends all when one fails, and meets the agents of other
machines where the `PET_*` variables of torchrun say so.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tuneline.processes import follow_parent
from tuneline.training.job import EXITS, Job

SHUTDOWN_S = 15
"""Seconds that the ranks get after SIGTERM, below the guard's own grace."""


def main(folder: Path) -> int:
    """Run the ranks of a job to their end; the exit codes of failed ones are left in the folder."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    follow_parent()
    try:
        run(parse_args(_arguments(folder)))  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        exits = {rank: failure.exitcode for rank, failure in error.failures.items()}
        (folder / EXITS).write_text(json.dumps(exits))
        return 1
    return 0


def _arguments(folder: Path) -> Sequence[str]:
    import torch

    n = Job.read(folder).config.n_processes
    n_nodes = int(os.environ.get("PET_NNODES", "1"))
    return [
        *(f"--nproc-per-node={n // n_nodes}", f"--shutdown-timeout={SHUTDOWN_S}"),
        *(["--standalone"] if n_nodes == 1 else []),
        # Each rank sees its own GPU as the only one, and so all code may say "cuda".
        *(["--virtual-local-rank"] if torch.cuda.is_available() else []),
        *("-m", "tuneline.training.worker", str(folder)),
    ]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
