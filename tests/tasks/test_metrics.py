"""Metrics of real flow runs, a real ledger and a real disk, as Prometheus reads them."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from prefect import flow
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tasks.metrics import LineCollector, champion_metrics, run_metrics
from tuneline.release.event import Event

ROOT = Path(__file__).parent.parent.parent
NOW = datetime(2026, 11, 26, tzinfo=UTC)


def values(metrics):
    """Name and labels -> value."""
    return {
        (sample.name.removeprefix("tuneline_"), *sample.labels.values()): sample.value
        for metric in metrics
        for sample in metric.samples
    }


def run_of(state="COMPLETED", pool="gpu", queue="weekly", waited_s=30, took_s=60.0, **parameters):
    """A flow run as Prefect's client gives it, due ten minutes ago."""
    due = NOW - timedelta(minutes=10)
    return SimpleNamespace(
        parameters=parameters, tags=["tax"], work_pool_name=pool, work_queue_name=queue,
        expected_start_time=due, start_time=None if waited_s is None
        else due + timedelta(seconds=waited_s), state_type=SimpleNamespace(value=state),
        estimated_run_time=timedelta(seconds=took_s),
    )  # fmt: skip


def test_runs_durations_waits_and_gpu_time_are_added_up():
    runs = [
        run_of(profile="lawyer"),
        run_of("FAILED", profile="lawyer", waited_s=90, took_s=40.0),
        run_of("SCHEDULED", waited_s=None, took_s=0.0),
        run_of("COMPLETED", pool="cpu", queue="default", domain="lawyer", took_s=5.0),
    ]
    found = values(run_metrics([("retrain", run) for run in runs], NOW))
    assert found["runs", "retrain", "lawyer", "completed"] == 2
    assert found["runs", "retrain", "lawyer", "failed"] == 1
    assert found["run_seconds", "retrain", "lawyer"] == 105
    assert found["gpu_seconds", "retrain", "lawyer"] == 100
    assert found["queue_wait_seconds", "gpu", "weekly"] == 120
    assert found["queue_started", "gpu", "weekly"] == 2
    assert found["queue_waiting", "gpu", "weekly"] == 1
    assert found["queue_oldest_seconds", "gpu", "weekly"] == 600


def test_the_age_of_a_champion_counts_from_what_put_it_into_service():
    def event(kind, version, day, release=None):
        at = f"2026-11-{day:02d}T00:00:00+00:00"
        return Event(kind, "lawyer", "ann", "", f"{kind}{day}", version, release, at=at)

    history = [
        event("register", "1", 1, "v1.0-lawyer-20261101"), event("promote", "1", 2),
        event("register", "2", 8, "v1.1-lawyer-20261108"), event("promote", "2", 9),
        event("rollback", "1", 25), event("refuse", "2", 26),
    ]  # fmt: skip
    found = values(champion_metrics({"lawyer": history, "tax": []}, NOW))
    assert found["champion_age_seconds", "lawyer", "v1.0-lawyer-20261101"] == 86_400
    assert found["ledger_events", "lawyer", "promote"] == 2
    assert [key for key in found if "tax" in key] == []


@flow(name="measured")
def measured(domain: str, fails: bool = False) -> None:
    if fails:
        raise ValueError("on purpose")


@pytest.fixture
def port(prefect_server: str, tmp_path: Path):
    """Port of `tuneline metrics serve` beside a Prefect server on which flows ran."""
    measured("metrics")
    with pytest.raises(ValueError, match="on purpose"):
        measured("metrics", fails=True)
    env = os.environ | {"PREFECT_API_URL": prefect_server, "TUNELINE_WORKSPACE": str(tmp_path)}
    command = [sys.executable, "-m", "flows.cli", "metrics", "serve", "--port", "0"]
    server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = re.search(r":(\d+)/metrics", server.stdout.readline())
        assert address is not None
        yield int(address[1])
    finally:
        server.terminate()
        server.communicate()


@pytest.mark.slow
def test_prometheus_reads_runs_that_have_ended_from_the_endpoint(port: int):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as response:
        text = response.read().decode()
    found = values(text_string_to_metric_families(text))
    assert found["runs", "metrics", "measured", "completed"] == 1
    assert found["runs", "metrics", "measured", "failed"] == 1
    assert [found["source_up", name] for name in ("prefect", "registry", "workspace")] == [1, 1, 1]
    assert found["workspace_free_bytes",] > 0


@pytest.mark.slow
def test_a_source_that_is_away_costs_its_own_metrics_alone():
    registry = CollectorRegistry()
    registry.register(LineCollector(7, "http://127.0.0.1:9/api"))
    found = values(text_string_to_metric_families(generate_latest(registry).decode()))
    assert found["source_up", "prefect"] == 0
    assert found["source_up", "workspace"] == 1
    assert [key for key in found if key[0] == "runs"] == []


def test_every_query_of_the_grafana_dashboard_names_metrics_that_there_are():
    dashboard = json.loads((ROOT / "docs" / "grafana" / "tuneline.json").read_text())
    queries = " ".join(target["expr"] for p in dashboard["panels"] for target in p["targets"])
    asked = set(re.findall(r"tuneline_(\w+)", queries))
    shown = {metric.name for metric in LineCollector(7, None).collect()}
    shown |= {metric.name for metric in run_metrics([], NOW) + champion_metrics({}, NOW)}
    assert {f"tuneline_{name}" for name in asked} <= shown
