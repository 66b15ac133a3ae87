"""kill -9 in the middle of training, then run again: the line ends as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-m", "flows.cli", "retrain", "smoke", "--set", "training.max_steps=60"]


@pytest.mark.slow
def test_a_run_killed_in_training_continues_and_registers_one_version(
    prefect_server: str, tmp_path: Path
):
    env = os.environ | {"PREFECT_API_URL": prefect_server, "TUNELINE_WORKSPACE": str(tmp_path)}
    process = subprocess.Popen(
        COMMAND, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    _wait_for_checkpoint(tmp_path, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()

    uri = f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    client = MlflowClient(uri, uri)
    assert [run.info.status for run in _runs(client)] == ["RUNNING"]

    again = subprocess.run(COMMAND, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "Verdict: promote" in again.stdout
    assert [run.info.status for run in _runs(client)] == ["FINISHED"]
    assert len(client.search_model_versions("name = 'smoke'")) == 1
    steps = [
        point.step
        for point in client.get_metric_history(_runs(client)[0].info.run_id, "train/loss")
    ]
    assert steps[-1] == 60
    assert len(steps) < 2 * 60, "training began again from its start"


def _wait_for_checkpoint(workspace: Path, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 200
    while not list(workspace.glob("work/train-*/checkpoints/checkpoint-*/COMPLETE")):
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < deadline, "no checkpoint appeared"
        time.sleep(0.02)


def _runs(client: MlflowClient):
    experiment = client.get_experiment_by_name("smoke")
    assert experiment is not None
    return client.search_runs([experiment.experiment_id])
