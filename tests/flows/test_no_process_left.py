"""A flow run that is cancelled while several processes train: nothing of it is left."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.flows.conftest import wait_until

ROOT = Path(__file__).parent.parent.parent
SETTINGS = ["training.n_processes=2", "training.max_steps=9999", "training.method=lora"]
LEFT_OVER_S = 60.0


def training_in(workspace: Path) -> list[int]:
    """Processes whose command line names the workspace: guard, agent and ranks."""
    found = psutil.process_iter(["cmdline", "status"])
    return [
        process.pid
        for process in found
        if str(workspace) in " ".join(process.info["cmdline"] or [])
        and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


@pytest.mark.slow
def test_a_cancelled_flow_run_leaves_no_process_and_a_checkpoint(
    prefect_server: str, tmp_path: Path
):
    """SIGTERM is what a Prefect worker sends when a run is cancelled."""
    env = os.environ | {"PREFECT_API_URL": prefect_server, "TUNELINE_WORKSPACE": str(tmp_path)}
    command = [sys.executable, "-m", "flows.cli", "retrain", "smoke"]
    command += [part for setting in SETTINGS for part in ("--set", setting)]
    flow = subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    complete = "work/train-*/checkpoints/checkpoint-*/COMPLETE"
    try:
        wait_until(lambda: bool(list(tmp_path.glob(complete))), "training did not start", 250)
        assert len(training_in(tmp_path)) >= 4, "a guard, an agent and two ranks"
        flow.send_signal(signal.SIGTERM)
        wait_until(lambda: not training_in(tmp_path), "a process is left", LEFT_OVER_S)
        assert flow.wait(LEFT_OVER_S) != 0
    finally:
        flow.kill()
        flow.wait()
    assert list(tmp_path.glob(complete))
    assert not list(tmp_path.glob("store/train/*"))
