"""Flow runs of deployments that a flow run waits for; they end when it does."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.runtime import flow_run
from prefect.states import Cancelling

log = logging.getLogger(__name__)

POLL_S = 5.0


def run_to_end(deployment: str, parameters: Mapping[str, Any]) -> tuple[FlowRun, State[Any]]:
    """Run a deployment below this flow run, once per attempt of it; returns run and final state.

    Prefect leaves a child alone when its parent is cancelled or told to stop; here it is cancelled
    as well, so that it does not hold a GPU for nobody.
    """
    run = run_deployment(
        deployment,
        parameters=dict(parameters),
        timeout=0,
        idempotency_key=f"{flow_run.id}-a{flow_run.run_count}",
        as_subflow=True,
    )
    assert isinstance(run, FlowRun)  # outside of async code it is no coroutine
    with get_client(sync_client=True) as client:
        try:
            while (state := client.read_flow_run(run.id).state) is None or not state.is_final():
                time.sleep(POLL_S)
        except Exception:  # Prefect is away: the child goes on, and the next attempt takes it up
            raise
        except BaseException:
            client.set_flow_run_state(run.id, Cancelling(message="Its parent was stopped."))
            log.warning("flow run %s is cancelled, its parent was stopped", run.name)
            raise
    return run, state
