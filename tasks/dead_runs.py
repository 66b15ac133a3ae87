"""MLflow runs of flow runs that ended without closing them, on whatever machine."""

from contextlib import suppress
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run

from tuneline import tracking


def own(run_id: str) -> None:
    """Note in an MLflow run to which flow run it belongs."""
    tracking.set_tags(run_id, {tracking.FLOW_RUN: str(flow_run.id)})


def close(domain: str) -> None:
    """End what is left RUNNING: here by looking at processes, elsewhere by asking Prefect.

    A flow run whose machine died is Crashed in Prefect once its heartbeats stop.
    """
    tracking.close_dead_runs(domain)
    for flow in tracking.flow_runs_elsewhere(domain):
        with suppress(ObjectNotFound), get_client(sync_client=True) as client:
            state = client.read_flow_run(UUID(flow)).state
            if state is not None and state.is_final():
                tracking.close_runs_of(domain, flow, f"flow run {flow} is {state.name}")
