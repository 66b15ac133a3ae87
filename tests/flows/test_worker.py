"""The smoke line as users run it: `prefect deploy --all`, a process worker, a deployment's run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.slow
def test_a_process_worker_runs_a_deployment_of_prefect_yaml(prefect_server: str, tmp_path: Path):
    env = os.environ | {
        "PREFECT_API_URL": prefect_server,
        "TUNELINE_WORKSPACE": str(tmp_path),
        "TUNELINE_ROOT": str(ROOT),
    }

    def prefect(*arguments: str) -> str:
        command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=240
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for pool in ("cpu", "gpu"):
        prefect("work-pool", "create", pool, "--type", "process")
    prefect("deploy", "--all")
    run_id = _start_run()
    prefect("worker", "start", "--pool", "cpu", "--run-once")
    assert _state(run_id) == "COMPLETED"
    verdict = _verdict()
    assert "# Verdict: promote" in verdict, verdict

    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    client = MlflowClient(uri, uri)
    version = client.get_model_version_by_alias("smoke", "champion")
    assert version.tags["release"].startswith("v1.0-smoke-")


def _start_run() -> object:
    from prefect.deployments import run_deployment

    return run_deployment("retrain/demo", parameters={"profile": "smoke"}, timeout=0).id


def _verdict() -> str:
    from prefect.artifacts import Artifact

    artifact = Artifact.get("smoke-verdict")
    assert artifact is not None
    return str(artifact.data)


def _state(run_id) -> str:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run_id).state
    assert state is not None
    return state.type.value
