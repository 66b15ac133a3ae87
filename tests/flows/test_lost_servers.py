"""Servers die in the middle of a retraining and come back: the line ends as if they had not."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.flows.conftest import Server, wait_until
from tuneline.processes import kill_tree

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-m", "flows.cli", "retrain", "smoke", "--set", "training.max_steps=60"]
AWAY_S = 15.0
WAIT_S = 250.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(prefect_server: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a retraining in a process of its own, in the workspace `tmp_path`."""
    runs = []

    def start(**env: str) -> "subprocess.Popen[str]":
        here = {"TUNELINE_WORKSPACE": str(tmp_path), "PREFECT_API_URL": prefect_server}
        run = subprocess.Popen(
            COMMAND, cwd=ROOT, env={**os.environ, **here, **env},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        runs.append(run)
        return run

    yield start
    for run in runs:
        kill_tree(run.pid)
        run.communicate()


def wait_for_training(workspace: Path) -> None:
    complete = "work/train-*/checkpoints/checkpoint-*/COMPLETE"
    wait_until(lambda: bool(list(workspace.glob(complete))), "training did not begin", WAIT_S)


def ended(run: "subprocess.Popen[str]") -> tuple[str, str]:
    """What a retraining printed that must have ended well."""
    out, err = run.communicate()
    assert run.returncode == 0, err
    assert "Verdict: promote" in out
    return out, err


def outcome(uri: str) -> tuple[Counter[str], int]:
    """Status of the runs, and how many versions there are."""
    client = MlflowClient(uri, uri)
    experiment = client.get_experiment_by_name("smoke")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    return Counter(r.info.status for r in runs), len(client.search_model_versions("name = 'smoke'"))


def test_an_mlflow_server_that_is_killed_and_comes_back_is_waited_for(
    mlflow: Server, start: Start, tmp_path: Path
):
    uri = mlflow.health.removesuffix("/health")
    run = start(MLFLOW_TRACKING_URI=uri)
    wait_for_training(tmp_path)
    mlflow.kill()
    time.sleep(AWAY_S)
    mlflow.start()
    ended(run)
    assert outcome(uri) == ({"FINISHED": 1}, 1)


def test_without_an_mlflow_server_a_run_ends_in_one_sentence_and_the_next_one_goes_on(
    mlflow: Server, start: Start, tmp_path: Path
):
    uri = mlflow.health.removesuffix("/health")
    run = start(MLFLOW_TRACKING_URI=uri, MLFLOW_HTTP_REQUEST_MAX_RETRIES="1")
    wait_for_training(tmp_path)
    mlflow.kill()
    _, err = run.communicate()
    assert run.returncode == 1
    assert "Traceback" not in err, err
    assert f"error: no MLflow server answers at {uri}" in err
    mlflow.start()
    ended(start(MLFLOW_TRACKING_URI=uri))
    assert outcome(uri) == ({"FINISHED": 1}, 1)


def test_artifacts_that_cannot_be_stored_for_a_minute_are_stored_later(
    mlflow: Server, start: Start, tmp_path: Path
):
    uri = mlflow.health.removesuffix("/health")
    artifacts = tmp_path / "server" / "artifacts"
    run = start(MLFLOW_TRACKING_URI=uri)
    wait_for_training(tmp_path)
    artifacts.write_text("a file where the server wants its folder")
    wait_until(
        lambda: bool(list(tmp_path.glob("store/fidelity/*/manifest.json"))),
        "nothing quantized",
        WAIT_S,
    )
    time.sleep(60)
    assert run.poll() is None, run.communicate()
    artifacts.unlink()
    ended(run)
    assert outcome(uri) == ({"FINISHED": 1}, 1)


def test_a_prefect_server_that_is_killed_and_comes_back_is_waited_for(
    prefect: Server, start: Start, tmp_path: Path
):
    run = start(PREFECT_API_URL=prefect.env["PREFECT_API_URL"])
    wait_for_training(tmp_path)
    prefect.kill()
    time.sleep(AWAY_S)
    prefect.start()
    ended(run)
    assert outcome(f"sqlite:///{tmp_path}/mlflow/mlflow.db") == ({"FINISHED": 1}, 1)


def test_without_a_prefect_server_a_run_ends_in_one_sentence_and_the_next_one_goes_on(
    prefect: Server, start: Start, tmp_path: Path
):
    api = prefect.env["PREFECT_API_URL"]
    run = start(PREFECT_API_URL=api, PREFECT_CLIENT_MAX_RETRIES="1")
    wait_for_training(tmp_path)
    prefect.kill()
    _, err = run.communicate()
    assert run.returncode == 1
    assert "Traceback" not in err, err
    assert "no Prefect server answers at" in err
    prefect.start()
    ended(start(PREFECT_API_URL=api))
    assert outcome(f"sqlite:///{tmp_path}/mlflow/mlflow.db") == ({"FINISHED": 1}, 1)
