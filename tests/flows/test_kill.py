"""kill -9 in each stage, then run again: the line ends as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from mlflow import MlflowClient

from tasks.run_log import LoggedRun

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-m", "flows.cli", "retrain", "smoke", "--set", "training.max_steps=60"]
WAIT_S = 250.0
BEFORE: dict[str, list[str]] = {
    "data": [],
    "train": ["data"],
    "answers": ["data", "train", "merge"],
    "quantize": ["data", "train", "merge", "answers", "scores"],
    "register": ["data", "train", "merge", "answers", "scores", "quantize", "fidelity"],
}
"""Stage in which the process dies -> stages that are done by then and must not be done again."""


def begins(stage: str, workspace: Path) -> bool:
    """Whether a run is in the middle of a stage."""
    if stage == "train":
        return bool(list(workspace.glob("work/train-*/checkpoints/checkpoint-*/COMPLETE")))
    if stage == "register":
        return bool(list(workspace.glob("store/release_report/*/manifest.json")))
    in_work = any(path.is_dir() for path in workspace.glob(f"work/{stage}-*"))
    return in_work or bool(list(workspace.glob(f"store/{stage}/*")))  # over in a moment


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_killed_in_every_stage_goes_on_and_registers_one_version(
    prefect_server: str, tmp_path: Path
):
    """One workspace, killed in stage after stage: each attempt gets as far as the next."""
    env = os.environ | {"PREFECT_API_URL": prefect_server, "TUNELINE_WORKSPACE": str(tmp_path)}
    built: dict[Path, int] = {}
    for stage, done in BEFORE.items():
        _kill_in(stage, env, tmp_path)
        for earlier in done:
            assert list(tmp_path.glob(f"store/{earlier}/*/manifest.json")), (stage, earlier)
        for path, identity in built.items():
            assert _identity(path) == identity, f"{path} was built again after a kill in {stage}"
        built = {path: _identity(path) for path in tmp_path.glob("store/*/*/manifest.json")}

    client = _client(tmp_path)
    assert [run.info.status for run in _runs(client)] == ["RUNNING"]
    again = subprocess.run(COMMAND, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "Verdict: promote" in again.stdout
    assert all(_identity(path) == identity for path, identity in built.items())
    runs = _runs(client)
    assert Counter(run.info.status for run in runs) == {"FINISHED": 1}
    assert len(client.search_model_versions("name = 'smoke'")) == 1
    steps = [p.step for p in client.get_metric_history(runs[0].info.run_id, "train/loss")]
    assert steps[-1] == 60
    assert len(steps) < 2 * 60, "training began again from its start"
    log = max(tmp_path.glob("runs/smoke/*.json"))
    stages = msgspec.json.decode(log.read_bytes(), type=LoggedRun).stages
    assert {s.stage for s in stages if s.is_reused} >= set(BEFORE["register"])


def _kill_in(stage: str, env: dict[str, str], workspace: Path) -> None:
    process = subprocess.Popen(
        COMMAND, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + WAIT_S
    while not begins(stage, workspace):
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < deadline, f"{stage} did not begin"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def _identity(manifest: Path) -> int:
    """A stage that is built again gets another file."""
    return manifest.stat().st_ino


def _client(workspace: Path) -> MlflowClient:
    uri = f"sqlite:///{workspace}/mlflow/mlflow.db"
    return MlflowClient(uri, uri)


def _runs(client: MlflowClient):
    experiment = client.get_experiment_by_name("smoke")
    assert experiment is not None
    return client.search_runs([experiment.experiment_id])
