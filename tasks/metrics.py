"""Runs, queues, GPU time and champions as Prometheus metrics, read anew at every scrape.

Flow runs are processes that end: nothing of theirs can be scraped. What they leave can: Prefect's
database, the ledger in MLflow and the workspace. Values of a window of days are gauges, because
they fall when a run grows old.
"""

import logging
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tuneline.errors import TunelineError
from tuneline.release.event import Event
from tuneline.store import workspace

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

log = logging.getLogger(__name__)

PAGE = 200
"""Flow runs that Prefect gives at a time."""
MAX_RUNS = 5000
"""Newest runs looked at in one scrape."""
WAITING = ("SCHEDULED", "PENDING")
GPU_POOL = "gpu"


class LineCollector(Collector):
    """All metrics of the line; a source that is away costs its own metrics alone."""

    def __init__(self, window_days: float, prefect_api: str | None) -> None:
        self.window, self.prefect_api = timedelta(days=window_days), prefect_api

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering asks no server."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Ask each source; `tuneline_source_up` is 0 for one that does not answer."""
        sources: dict[str, Callable[[], list[Metric]]] = {
            "prefect": lambda: run_metrics(self._runs(), datetime.now(UTC)),
            "registry": lambda: champion_metrics(read_histories(), datetime.now(UTC)),
            "workspace": disk_metrics,
        }
        up = _gauge("source_up", "1 where the source answered this scrape", "source")
        took = _gauge("source_seconds", "Seconds that asking the source took", "source")
        for name, read in sources.items():
            started = time.monotonic()
            metrics: list[Metric] = []
            try:
                metrics = read()
            except Exception as error:  # noqa: BLE001 (whatever a source raises, others are shown)
                log.warning("metrics: source=%s %s: %s", name, type(error).__name__, error)
            up.add_metric([name], float(bool(metrics)))
            took.add_metric([name], time.monotonic() - started)
            yield from metrics
        yield from (up, took)

    def _runs(self) -> list[tuple[str, "FlowRun"]]:
        from prefect.settings import (
            PREFECT_API_URL,
            PREFECT_CLIENT_MAX_RETRIES,
            temporary_settings,
        )

        if not self.prefect_api:
            raise TunelineError("no Prefect server is configured; set PREFECT_API_URL")
        with temporary_settings({PREFECT_API_URL: self.prefect_api, PREFECT_CLIENT_MAX_RETRIES: 0}):
            return read_runs(self.window)


def read_runs(window: timedelta) -> list[tuple[str, "FlowRun"]]:
    """Flow name and run of all that waits or was due within the window, newest first."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterExpectedStartTime
    from prefect.client.schemas.sorting import FlowRunSort

    now = datetime.now(UTC)
    due = FlowRunFilterExpectedStartTime(after_=now - window, before_=now)
    runs: list[FlowRun] = []
    with get_client(sync_client=True) as client:
        while len(runs) < MAX_RUNS:
            page = client.read_flow_runs(
                flow_run_filter=FlowRunFilter(expected_start_time=due),
                sort=FlowRunSort.EXPECTED_START_TIME_DESC,
                limit=PAGE,
                offset=len(runs),
            )
            runs += page
            if len(page) < PAGE:
                break
        names = {flow.id: flow.name for flow in client.read_flows(limit=PAGE)}
    return [(names.get(run.flow_id, "unknown"), run) for run in runs]


def run_metrics(runs: Sequence[tuple[str, "FlowRun"]], now: datetime) -> list[Metric]:
    """Counts, durations, waits and GPU time of flow runs.

    Args:
        runs: Flow name and run.
        now: Time of the scrape.
    """
    by = ("flow", "domain")
    count = _Sums("runs", "Flow runs of the window by state", *by, "state")
    seconds = _Sums("run_seconds", "Seconds that runs of the window took in all", *by)
    gpu = _Sums("gpu_seconds", "Seconds that runs of the window held a GPU", *by)
    waits = _Sums("queue_wait_seconds", "Seconds from due to start, in all", "pool", "queue")
    started = _Sums("queue_started", "Runs of the window that started", "pool", "queue")
    waiting = _Sums("queue_waiting", "Runs that are due and have not started", "pool", "queue")
    oldest = _Sums("queue_oldest_seconds", "Longest wait of those runs", "pool", "queue")
    for flow, run in runs:
        labels, queue = (flow, domain_of(run)), _queue(run)
        count.add((*labels, str(run.state_type.value if run.state_type else "UNKNOWN").lower()))
        took = run.estimated_run_time.total_seconds()
        seconds.add(labels, took)
        gpu.add(labels, took if run.work_pool_name == GPU_POOL else 0)
        due, began = run.expected_start_time, run.start_time
        if due and began:
            waits.add(queue, max(0.0, (began - due).total_seconds()))
            started.add(queue)
        elif due and run.state_type and run.state_type.value in WAITING:
            waiting.add(queue)
            oldest.raise_to(queue, (now - due).total_seconds())
    return [sums.metric() for sums in (count, seconds, gpu, waits, started, waiting, oldest)]


def domain_of(run: "FlowRun") -> str:
    """Domain that a run is about: its parameter, its profile's name, or its first tag."""
    found: Any = run.parameters.get("domain") or run.parameters.get("profile")
    return str(found or (run.tags[0] if run.tags else ""))


def _queue(run: "FlowRun") -> tuple[str, str]:
    """Runs that no worker took are of no pool: they were called on the spot."""
    return run.work_pool_name or "none", run.work_queue_name or "none"


def read_histories() -> dict[str, list[Event]]:
    """Domain -> its events, oldest first."""
    from tuneline.registry import Registry
    from tuneline.tracking import tracking_uri

    registry = Registry(tracking_uri())
    return {domain: registry.history(domain) for domain in registry.domains()}


def champion_metrics(histories: dict[str, list[Event]], now: datetime) -> list[Metric]:
    """Age of champions and events by kind.

    Args:
        histories: Domain -> its events, oldest first.
        now: Time of the scrape.
    """
    age = _gauge(
        "champion_age_seconds", "Since the champion came into service", "domain", "release"
    )
    events = _Sums("ledger_events", "Events of the ledger by kind", "domain", "kind")
    for domain, history in histories.items():
        releases = {e.to_version: e.release for e in history if e.kind == "register"}
        for event in history:
            events.add((domain, event.kind))
        moves = [event for event in history if event.moves_champion and event.at]
        if moves:
            since = now - datetime.fromisoformat(moves[-1].at)
            release = releases.get(moves[-1].to_version) or str(moves[-1].to_version)
            age.add_metric([domain, release], since.total_seconds())
    return [age, events.metric()]


def disk_metrics() -> list[Metric]:
    """Room that the workspace's disk has."""
    folder = workspace()
    folder.mkdir(parents=True, exist_ok=True)
    usage = shutil.disk_usage(folder)
    free = _gauge("workspace_free_bytes", "Free bytes on the workspace's disk")
    size = _gauge("workspace_size_bytes", "Size of the workspace's disk")
    free.add_metric([], usage.free)
    size.add_metric([], usage.total)
    return [free, size]


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"tuneline_{name}", text, labels=labels)


class _Sums:
    """A gauge that is added up."""

    def __init__(self, name: str, text: str, *labels: str) -> None:
        self._gauge = _gauge(name, text, *labels)
        self._values: dict[tuple[str, ...], float] = defaultdict(float)

    def add(self, labels: tuple[str, ...], value: float = 1) -> None:
        self._values[labels] += value

    def raise_to(self, labels: tuple[str, ...], value: float) -> None:
        self._values[labels] = max(self._values[labels], value)

    def metric(self) -> Metric:
        for labels, value in sorted(self._values.items()):
            self._gauge.add_metric(labels, value)
        return self._gauge
