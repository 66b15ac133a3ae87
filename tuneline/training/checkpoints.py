"""Checkpoints that survive kill -9: only one that was written to its end is ever resumed from."""

import logging
import shutil
from pathlib import Path

log = logging.getLogger(__name__)

COMPLETE = "COMPLETE"
"""Empty file, written into a checkpoint after everything else."""


def mark_complete(checkpoint: Path) -> None:
    """Say that every file of the checkpoint is written."""
    (checkpoint / COMPLETE).touch()


def last_complete_checkpoint(folder: Path) -> Path | None:
    """The newest complete `checkpoint-N` in a folder; incomplete ones are removed.

    The trainer itself would take the highest number and, where `optimizer.pt` is missing, go on
    with a fresh optimizer and no word about it.
    """
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    for checkpoint in found:
        if not (checkpoint / COMPLETE).exists():
            log.warning("train: %s was not written to its end; removed", checkpoint.name)
            shutil.rmtree(checkpoint)
    return next((path for path in reversed(found) if path.exists()), None)
