"""`tuneline set-up`: work pools, queues and the reaper of dead runs, on the Prefect server."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from prefect.automations import AutomationCore, ChangeFlowRunState, EventTrigger, Posture
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import StateType
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL
from prefect.workers.process import ProcessWorker

from tuneline.errors import TunelineError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

HEARTBEAT_S = 30
"""The most often that Prefect lets a flow run tell that it lives."""
SILENT_S = 90
"""Three heartbeats missed: the run is taken for dead."""
REAPER = "crash flow runs without heartbeat"
QUEUES: Mapping[str, int] = {"hotfix": 1, "weekly": 10}
"""Queue of the pool `gpu` -> priority; the lowest number goes first."""
BEAT = "prefect.flow-run.heartbeat"
ENDS = tuple(f"prefect.flow-run.{end}" for end in ("Completed", "Failed", "Cancelled", "Crashed"))


def set_up(n_gpus: int) -> list[str]:
    """Make what is missing and correct what differs; running it again changes nothing.

    Args:
        n_gpus: GPUs of all workers of the pool `gpu`: so many of its runs go on at a time.

    Returns:
        What is there now, a line each.

    Raises:
        TunelineError: No Prefect server is configured.
    """
    if not PREFECT_API_URL.value():
        raise TunelineError(
            "set PREFECT_API_URL to the Prefect server that workers poll, such as "
            "http://127.0.0.1:4200/api"
        )
    with get_client(sync_client=True) as client:
        _pool(client, "cpu", "Data, decisions and the registry", None)
        _pool(client, "gpu", "Training, answers and quantization", n_gpus)
        for name, priority in QUEUES.items():
            _queue(client, name, priority)
        _reaper(client)
    return [
        "work pool cpu: any number of runs",
        f"work pool gpu: {n_gpus} at a time; queue hotfix before queue weekly",
        f"automation '{REAPER}': a run that is silent for {SILENT_S} s is Crashed",
    ]


def _pool(client: "SyncPrefectClient", name: str, text: str, limit: int | None) -> None:
    template = _job_template()
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        client.create_work_pool(
            WorkPoolCreate(
                name=name,
                description=text,
                type=ProcessWorker.type,
                base_job_template=template,
                concurrency_limit=limit,
            )
        )
    else:
        client.update_work_pool(name, WorkPoolUpdate(description=text, concurrency_limit=limit))


def _job_template() -> dict[str, Any]:
    """That of process workers, with the heartbeat on."""
    template = ProcessWorker.get_default_base_job_template()
    beat = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S)}
    template["variables"]["properties"]["env"]["default"] = beat
    return template


def _queue(client: "SyncPrefectClient", name: str, priority: int) -> None:
    try:
        queue = client.read_work_queue_by_name(name, work_pool_name="gpu")
    except ObjectNotFound:
        client.create_work_queue(name, priority=priority, work_pool_name="gpu")
    else:
        client.update_work_queue(queue.id, priority=priority)


def _reaper(client: "SyncPrefectClient") -> None:
    """Open-source Prefect leaves a run whose process died RUNNING, and its slot taken."""
    wanted = AutomationCore(
        name=REAPER,
        description="Frees the slot of a run whose worker or process was killed.",
        trigger=EventTrigger(
            after={BEAT},
            expect={BEAT, *ENDS},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=SILENT_S),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                name="Crashed",
                message=f"No sign of life for {SILENT_S} s: its process or worker was killed. "
                "Run it again; finished stages are reused.",
            )
        ],
    )
    found = client.read_automations_by_name(REAPER)
    if found:
        client.update_automation(found[0].id, wanted)
    else:
        client.create_automation(wanted)
