"""Child processes that do not outlive the work they were started for.

    owner (the flow) ── guard ── command (a training process, or torch's agent and its ranks)

The guard (`tuneline.guard`) is a small process with a session of its own. It ends its command when
its owner is gone, asks it to stop or when the command's first process ends: SIGTERM, time to write
a checkpoint, then SIGKILL to all that is left. Should the guard itself be killed, what it started
dies with it (see `follow_parent`). Each of these processes has a file in the workspace, by which
`reap` finds at the next start what is left all the same.
"""

import ctypes
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

log = logging.getLogger(__name__)

GRACE_S = 20.0
"""Seconds between SIGTERM and SIGKILL: enough for a checkpoint, under Prefect's own 30."""
POLL_S = 0.2
"""Seconds between two looks at a process."""
AFTER_KILL_S = 5.0
"""Seconds that the system gets to clear a killed process away."""
SAME_START_S = 2.0
"""Two start times of one process, read before and after the clock was set, may differ so much."""
GUARD = "TUNELINE_GUARD"
"""Variable with the pid of the guard that a process runs under."""
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process of this machine; a pid alone is given out again."""

    pid: int
    started: float
    """Seconds since the epoch."""

    @classmethod
    def of(cls, pid: int) -> "ProcessId":
        """The process that has this pid now."""
        return cls(pid, psutil.Process(pid).create_time())

    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        try:
            process = psutil.Process(self.pid)
            is_same = abs(process.create_time() - self.started) <= SAME_START_S
            return bool(is_same and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False


def this_process() -> ProcessId:
    """The process that calls."""
    return ProcessId.of(os.getpid())


def run(
    command: Sequence[str],
    registry: Path,
    output: Path,
    tick: Callable[[], None] = lambda: None,
    *,
    env: Mapping[str, str] | None = None,
    grace_s: float = GRACE_S,
) -> int:
    """Run a command under a guard to its end; however this call ends, the command ends too.

    Args:
        command: Program and arguments.
        registry: Folder of process files.
        output: File to which the command's output is appended.
        tick: Called every `POLL_S` and once at the end; what it raises ends the command.
        env: Environment; default that of this process.
        grace_s: Seconds from SIGTERM to SIGKILL.

    Returns:
        Exit code; negative where a signal ended it, as `subprocess` has it.
    """
    owner = this_process()
    settings = [str(owner.pid), str(owner.started), str(grace_s), str(registry)]
    guard = _start([sys.executable, "-m", "tuneline.guard", *settings, *command], output, env)
    try:
        while guard.poll() is None:
            tick()
            time.sleep(POLL_S)
        tick()
    finally:
        _end(guard, grace_s)
        reap(registry, patience_s=0)
    code = guard.returncode
    return 128 - code if code > 128 else code


def _start(
    command: Sequence[str], output: Path, env: Mapping[str, str] | None
) -> "subprocess.Popen[bytes]":
    root = str(Path(__file__).parent.parent)
    variables = dict(os.environ if env is None else env)
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, [root, variables.get("PYTHONPATH")]))
    with output.open("ab") as file:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=variables,
        )


def _end(guard: "subprocess.Popen[bytes]", grace_s: float) -> None:
    """Ask the guard to end its command, and kill both where it does not."""
    if guard.poll() is not None:
        return
    guard.terminate()
    try:
        guard.wait(grace_s + AFTER_KILL_S)
    except subprocess.TimeoutExpired:
        kill_tree(guard.pid)
        guard.wait()


def kill_tree(pid: int) -> None:
    """SIGKILL a process and all its descendants, and wait until they are gone."""
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        kill_all([*root.children(recursive=True), root])


def kill_all(processes: Sequence[psutil.Process]) -> None:
    """SIGKILL processes and wait until they are gone."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=AFTER_KILL_S)


@contextmanager
def registered(registry: Path, owner: ProcessId) -> Iterator[None]:
    """Have a file for this process, naming the one it must not outlive."""
    own = this_process()
    registry.mkdir(parents=True, exist_ok=True)
    path = registry / f"{socket.gethostname()}-{own.pid}.json"
    partial = path.with_suffix(f".{own.pid}.partial")
    partial.write_text(json.dumps({"process": asdict(own), "owner": asdict(owner)}))
    partial.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def reap(registry: Path, patience_s: float = GRACE_S + AFTER_KILL_S) -> list[int]:
    """Kill what outlived its owner on this machine; returns the pids.

    Args:
        registry: Folder of process files; those of other machines are left alone.
        patience_s: How long such a process may still take to end by itself: a guard whose owner
            was killed is giving the trainer time for a checkpoint.
    """
    deadline, killed = time.monotonic() + patience_s, []
    for path in sorted(registry.glob(f"{socket.gethostname()}-*.json")):
        with suppress(FileNotFoundError):
            entry = {key: ProcessId(**value) for key, value in json.loads(path.read_text()).items()}
            process, owner = entry["process"], entry["owner"]
            if owner.is_alive() and process.is_alive():
                continue
            while process.is_alive() and time.monotonic() < deadline:
                time.sleep(POLL_S)
            if process.is_alive():
                log.warning("processes: killing pid=%d, its owner is gone", process.pid)
                kill_tree(process.pid)
                killed.append(process.pid)
            path.unlink(missing_ok=True)
    return killed


def follow_parent() -> None:
    """Die at once when the parent or the guard does, however they end.

    Linux does it by itself (`prctl`); a thread looks too, for other systems and for a parent that
    was gone before this call.
    """
    parent, guard = os.getppid(), int(os.environ.get(GUARD, "0"))
    die_with_parent()

    def watch() -> None:
        while os.getppid() == parent and (not guard or psutil.pid_exists(guard)):
            time.sleep(POLL_S)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="follow parent", daemon=True).start()


def die_with_parent() -> None:
    """Have Linux send SIGKILL to this process when the thread that started it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
