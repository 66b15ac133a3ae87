"""A retraining is cancelled while its GPU part trains on another worker."""

from collections.abc import Container
from pathlib import Path
from uuid import UUID

import pytest
from mlflow import MlflowClient
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.deployments import run_deployment
from prefect.states import Cancelling

from tests.flows.conftest import StartWorker, wait_until
from tests.flows.test_no_process_left import training_in

CHECKPOINTS = "work/train-*/checkpoints/checkpoint-*/COMPLETE"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_cancelling_a_retraining_stops_the_training_and_keeps_its_checkpoint(
    start_worker: StartWorker, tmp_path: Path
):
    start_worker("cpu")
    start_worker("gpu")
    parameters = {
        "profile": "smoke",
        "gpu_deployment": "gpu-part/gpu",
        "overrides": {"training.max_steps": 9999},
    }
    before = {*states_of("retrain"), *states_of("gpu-part")}  # other tests share the server
    run = run_deployment("retrain/demo", parameters=parameters, timeout=0)
    wait_until(lambda: bool(list(tmp_path.glob(CHECKPOINTS))), "training did not start", 400)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, Cancelling())
    wait_until(lambda: not training_in(tmp_path), "a training process is left", 90)
    wait_until(lambda: new_states("retrain", before) == ["CANCELLED"], "it is not cancelled", 60)
    wait_until(lambda: new_states("gpu-part", before) == ["CANCELLED"], "the GPU is held", 60)
    assert list(tmp_path.glob(CHECKPOINTS))
    assert mlflow_states(tmp_path) == {"KILLED"}


def new_states(flow: str, before: Container[UUID]) -> list[str]:
    """Of the runs of a flow that were not there before."""
    return [state for run, state in states_of(flow).items() if run not in before]


def states_of(flow: str) -> dict[UUID, str]:
    """Run -> state, of all runs of a flow."""
    only = FlowFilter(name=FlowFilterName(any_=[flow]))
    with get_client(sync_client=True) as client:
        return {run.id: run.state_type.value for run in client.read_flow_runs(flow_filter=only)}


def mlflow_states(workspace: Path) -> set[str]:
    uri = f"sqlite:///{workspace}/mlflow/mlflow.db"
    client = MlflowClient(uri, uri)
    experiment = client.get_experiment_by_name("smoke")
    assert experiment is not None
    return {run.info.status for run in client.search_runs([experiment.experiment_id])}
