"""MLflow runs of another machine: closed once Prefect knows that their flow run has ended."""

from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.states import Crashed, Running

from tasks import dead_runs
from tuneline import tracking


@flow
def retrained_elsewhere() -> None:
    """Stands for a retraining."""


@pytest.mark.parametrize(
    ("state", "status"), [(Crashed, "KILLED"), (Running, "RUNNING")], ids=["crashed", "running"]
)
def test_only_the_run_of_a_flow_run_that_has_ended_is_closed_and_says_why(
    state, status, prefect_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TUNELINE_WORKSPACE", str(tmp_path))
    run_id = tracking.open_run("elsewhere", "key")
    with get_client(sync_client=True) as client:
        flow_run = client.create_flow_run(retrained_elsewhere, state=state())
    owner = {tracking.HOST: "another machine", tracking.FLOW_RUN: str(flow_run.id)}
    tracking.set_tags(run_id, owner)
    dead_runs.close("elsewhere")
    run = tracking.connect(tracking.tracking_uri()).get_run(run_id)
    assert run.info.status == status
    told = run.data.tags.get(tracking.END_REASON)
    assert told == (f"flow run {flow_run.id} is Crashed" if status == "KILLED" else None)
