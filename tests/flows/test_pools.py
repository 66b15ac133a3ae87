"""Work pools as set up: one GPU, a queue that overtakes, secrets in blocks."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.deployments import run_deployment
from prefect.settings import PREFECT_SERVER_DATABASE_CONNECTION_URL

from tests.flows.conftest import StartWorker, wait_until

FLOWS = """
import hashlib, os, time
from prefect import flow

@flow
def sleeper(seconds: int):
    time.sleep(seconds)

@flow
def knower(sha256: str):
    assert hashlib.sha256(os.environ["MLFLOW_TRACKING_PASSWORD"].encode()).hexdigest() == sha256
"""
PLANTED = "planted-block-6b1d"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]


@pytest.fixture
def deploy(start_worker: StartWorker, tmp_path: Path):
    """Deploys one of the flows above; a worker of both pools is there."""
    (tmp_path / "flows.py").write_text(FLOWS)

    def deploy(name: str, pool: str, queue: str | None = None, **variables: Any) -> None:
        flow.from_source(str(tmp_path), f"flows.py:{name}").deploy(
            queue or pool, work_pool_name=pool, work_queue_name=queue, job_variables=variables,
            print_next_steps=False,
        )  # fmt: skip

    return deploy


def started(deployment: str, **parameters: Any) -> Any:
    return run_deployment(deployment, parameters=parameters, timeout=0).id


def run_of(run_id: Any) -> Any:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run_id)


def wait_for(state: str, *run_ids: Any) -> list[Any]:
    """The runs, once all are in this state."""
    wait_until(lambda: {run_of(r).state_type.value for r in run_ids} == {state}, state, 200)
    return [run_of(run_id) for run_id in run_ids]


def test_a_hotfix_overtakes_a_weekly_run_and_the_gpu_has_one_run_at_a_time(
    deploy, start_worker: StartWorker
):
    for queue in ("weekly", "hotfix"):
        deploy("sleeper", "gpu", queue)
    start_worker("gpu")
    running = started("sleeper/weekly", seconds=15)
    wait_for("RUNNING", running)
    waiting = started("sleeper/weekly", seconds=1)
    hotfix = started("sleeper/hotfix", seconds=1)
    first, second, third = wait_for("COMPLETED", running, hotfix, waiting)
    assert first.end_time <= second.start_time
    assert second.end_time <= third.start_time


def test_a_secret_block_reaches_the_flow_and_is_nowhere_in_clear(deploy, start_worker: StartWorker):
    Secret(value=PLANTED).save("mlflow-password", overwrite=True)
    env = {"MLFLOW_TRACKING_PASSWORD": "{{ prefect.blocks.secret.mlflow-password }}"}
    deploy("knower", "cpu", env=env)
    start_worker("cpu")
    digest = hashlib.sha256(PLANTED.encode()).hexdigest()
    wait_for("COMPLETED", started("knower/cpu", sha256=digest))
    database = Path(str(PREFECT_SERVER_DATABASE_CONNECTION_URL.value()).partition("///")[2])
    files = list(database.parent.glob(f"{database.name}*"))
    assert files
    assert not [file for file in files if PLANTED.encode() in file.read_bytes()]
