"""A worker is killed with all it runs: Prefect learns of it, and the slot is free again."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.deployments import run_deployment

from flows.setting_up import HEARTBEAT_S, SILENT_S, set_up
from tuneline.processes import kill_tree

SLEEPER = """
from prefect import flow

@flow
def sleeper(seconds: int):
    import time
    time.sleep(seconds)
"""
SLACK_S = 60.0
"""For starting, and for a loaded server."""


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_killed_worker_leaves_a_crashed_run_and_a_free_slot(prefect_server: str, tmp_path: Path):
    set_up(n_gpus=1)
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    sleeper = flow.from_source(str(tmp_path), "sleeper.py:sleeper")
    sleeper.deploy("gpu", work_pool_name="gpu", work_queue_name="weekly", print_next_steps=False)
    killed = start(prefect_server)
    run = run_deployment("sleeper/gpu", parameters={"seconds": 600}, timeout=0)
    wait(lambda: state_of(run.id) == "RUNNING", SLACK_S)
    time.sleep(HEARTBEAT_S + 5)
    kill(killed)
    assert state_of(run.id) == "RUNNING", "Prefect alone does not learn of it"
    wait(lambda: state_of(run.id) == "CRASHED", SILENT_S + SLACK_S)

    other = start(prefect_server)
    try:
        after = run_deployment("sleeper/gpu", parameters={"seconds": 0}, timeout=0)
        wait(lambda: state_of(after.id) == "COMPLETED", 2 * SLACK_S)
    finally:
        kill(other)


def start(prefect_server: str) -> "subprocess.Popen[bytes]":
    """A worker of the pool `gpu`."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "gpu"]
    return subprocess.Popen(command, env=os.environ | {"PREFECT_API_URL": prefect_server})


def kill(worker: "subprocess.Popen[bytes]") -> None:
    """SIGKILL a worker and the flow runs that it started."""
    kill_tree(worker.pid)
    worker.wait()


def state_of(run_id) -> str:
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run_id).state
    assert state is not None
    return state.type.value


def wait(holds: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(1)
