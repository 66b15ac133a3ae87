"""The GPU part as a deployment: called by a parent that looks at another machine than its own."""

from dataclasses import replace
from pathlib import Path

import pytest

from flows.retrain import retrain
from flows.setting_up import REAPER, set_up
from tasks import gpu
from tests.flows.conftest import StartWorker
from tuneline import machine
from tuneline.errors import StoreError
from tuneline.store import workspace

ROOT = Path(__file__).parent.parent.parent


def test_a_gpu_machine_without_the_callers_workspace_stops_before_any_work():
    with pytest.raises(StoreError, match="set TUNELINE_WORKSPACE of all workers to one shared"):
        gpu.accept("a call that was never written here")


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_the_parent_finds_what_the_gpu_part_built_and_calls_it_only_when_something_changed(
    start_worker: StartWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    start_worker("gpu")
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TUNELINE_WORKSPACE", str(tmp_path))
    here = replace(machine.this_machine(), attention="sdpa")
    monkeypatch.setattr(machine, "_look", lambda: here)  # the parent's own keys lead nowhere
    before = len(_gpu_runs())  # other tests share the server
    first = retrain("smoke", gpu_deployment="gpu-part/gpu")
    assert first.decision.verdict == "promote"
    assert [s.name for s in first.stages if s.stage in gpu.GPU_STAGES and not s.is_reused] == []
    assert len(_gpu_runs()) == before + 1
    assert not list((workspace() / gpu.FOLDER).glob("*.call"))
    second = retrain("smoke", gpu_deployment="gpu-part/gpu")
    assert second.version == first.version
    assert len(_gpu_runs()) == before + 1, "nothing changed, and the GPU was asked for"


def _gpu_runs() -> list[object]:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName

    with get_client(sync_client=True) as client:
        only = FlowFilter(name=FlowFilterName(any_=["gpu-part"]))
        return list(client.read_flow_runs(flow_filter=only))


def test_setting_up_twice_leaves_one_pool_of_each_kind_and_one_reaper(prefect_server: str):
    from prefect.client.orchestration import get_client

    set_up(n_gpus=1)
    set_up(n_gpus=2)
    with get_client(sync_client=True) as client:
        assert client.read_work_pool("gpu").concurrency_limit == 2
        queues = {queue.name: queue.priority for queue in client.read_work_queues()}
        assert queues["hotfix"] < queues["weekly"]
        assert len(client.read_automations_by_name(REAPER)) == 1
        template = client.read_work_pool("gpu").base_job_template
    assert template["variables"]["properties"]["env"]["default"] == {
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"
    }
