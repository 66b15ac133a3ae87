"""Real workers, as `docs/how-to/operations.md` starts them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.setting_up import set_up

ROOT = Path(__file__).parent.parent.parent
PREFECT = [sys.executable, "-m", "prefect", "--no-prompt"]
StartWorker = Callable[[str], None]


@pytest.fixture
def start_worker(prefect_server: str, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts a process worker of a pool; all deployments are there, `tmp_path` is the workspace."""
    env = os.environ | {
        "PREFECT_API_URL": prefect_server,
        "TUNELINE_WORKSPACE": str(tmp_path),
        "TUNELINE_ROOT": str(ROOT),
    }
    set_up(n_gpus=1)
    subprocess.run([*PREFECT, "deploy", "--all"], cwd=ROOT, env=env, check=True, timeout=240)
    workers = []

    def start(pool: str) -> None:
        command = [*PREFECT, "worker", "start", "--pool", pool]
        workers.append(subprocess.Popen(command, cwd=ROOT, env=env, start_new_session=True))

    yield start
    for worker in workers:
        os.killpg(worker.pid, signal.SIGTERM)
        worker.wait(60)


def wait_until(holds: Callable[[], bool], otherwise: str, timeout_s: float) -> None:
    """Wait, or fail with what is then the case."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)
