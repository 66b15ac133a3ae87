"""The part of a training's other machines: `python -m tuneline.training.join`.

The flow runs on machine 0 and writes the job into the shared workspace; each other machine waits
for it, runs its ranks, and does so again where the training is started again.
"""

import logging
import os
import socket
import sys
import time
from pathlib import Path

from tuneline.processes import reap, run
from tuneline.store import workspace
from tuneline.training.job import SPEC, Job
from tuneline.training.worker import REGISTRY

log = logging.getLogger(__name__)

RENDEZVOUS = "PET_RDZV_ID"
"""Variable of torchrun that is the same on all machines of one training."""
POLL_S = 0.5


def join(root: Path, rendezvous: str) -> None:
    """Run this machine's ranks of the training that carries an id, until it ends well.

    Args:
        root: The shared workspace.
        rendezvous: The job's id; may be empty where one training runs at a time.
    """
    registry, done = root / "processes", 0.0
    reap(registry)
    while True:
        found = _newest(root / "work", rendezvous)
        if found is None or (written := found.stat().st_mtime) <= done:
            time.sleep(POLL_S)
            continue
        done, folder = written, found.parent
        log.info("join: %s", folder.name)
        code = run(
            [sys.executable, "-m", "tuneline.training.agent", str(folder)],
            registry,
            root / "work" / f"{folder.name}.{socket.gethostname()}.log",
            env=os.environ | {REGISTRY: str(registry)},
        )
        if code == 0:
            return
        log.warning("join: exit code %d; waiting for the training to be started again", code)


def _newest(work: Path, rendezvous: str) -> Path | None:
    """The job file of the id that was written last; one that fails is left lying."""
    files = work.glob(f"*.job/{SPEC}")
    found = [file for file in files if Job.read(file.parent).rendezvous == rendezvous]
    return max(found, key=lambda file: file.stat().st_mtime, default=None)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    join(workspace(), os.environ.get(RENDEZVOUS, ""))
