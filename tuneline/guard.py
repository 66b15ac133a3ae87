"""The process between a flow and its training: `python -m tuneline.guard`; see `processes`.

It imports nothing heavy, so that it still acts when the training process hangs or fills the memory.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from tuneline.processes import (
    GUARD,
    POLL_S,
    ProcessId,
    die_with_parent,
    kill_all,
    registered,
)

PR_SET_CHILD_SUBREAPER = 36


def guard(owner: ProcessId, grace_s: float, registry: Path, command: Sequence[str]) -> int:
    """Run a command for as long as its owner lives; returns its exit code, 128 + n for signal n."""
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, frame: asked.append(number))
    _adopt_orphans()
    with registered(registry, owner):
        # A function before exec is safe here: this process has one thread.
        child = subprocess.Popen(
            command,
            env=os.environ | {GUARD: str(os.getpid())},
            preexec_fn=die_with_parent,  # noqa: PLW1509
        )
        while child.poll() is None and not asked and os.getppid() == owner.pid:
            time.sleep(POLL_S / 2)
        return _end(child, grace_s)


def _end(child: "subprocess.Popen[bytes]", grace_s: float) -> int:
    """SIGTERM, time for a checkpoint, then SIGKILL to every descendant that is left."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(grace_s)
        except subprocess.TimeoutExpired:
            child.kill()
    code = child.wait()
    while left := psutil.Process().children(recursive=True):
        kill_all(left)
    return 128 - code if code < 0 else code


def _adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that they are found."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


if __name__ == "__main__":
    pid, started, grace, folder, *rest = sys.argv[1:]
    sys.exit(guard(ProcessId(int(pid), float(started)), float(grace), Path(folder), rest))
