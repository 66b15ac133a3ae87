"""Runs by their key: a killed one is found again and continued, a dead one is closed."""

import logging
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

from tuneline import logs
from tuneline.tracking.server import SQLITE, connect, tracking_uri, without_password

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)

KEY, HOST, PID, STARTED = (f"tuneline.{name}" for name in ("key", "host", "pid", "started"))
END_REASON = "tuneline.end_reason"
FLOW_RUN = "tuneline.flow_run"
"""Tag with the Prefect flow run that a run belongs to."""
PARENT = "mlflow.parentRunId"
"""Tag by which MLflow's UI shows a run below another one."""


def open_run(domain: str, key: str, *, name: str = "", tags: Mapping[str, str] = {}) -> str:
    """Id of the run with this key: continued where it was killed, reused where it finished.

    Args:
        domain: Experiment that the run belongs to.
        key: Says what the run is about, such as a digest of its inputs; one run per key.
        name: Name shown for a new run.
        tags: Tags of a new run.
    """
    client = connect(tracking_uri())
    experiment_id = _experiment_id(client, domain)
    found = client.search_runs([experiment_id], f"tags.`{KEY}` = '{key}'", max_results=1)
    if not found:
        owned = {**tags, KEY: key, **_owner()}
        return str(client.create_run(experiment_id, run_name=name or None, tags=owned).info.run_id)
    run_id = str(found[0].info.run_id)
    if found[0].info.status != "FINISHED":
        for tag, value in _owner().items():
            client.set_tag(run_id, tag, value)
        client.update_run(run_id, status="RUNNING")
    return run_id


@contextmanager
def run(domain: str, key: str, *, name: str = "", tags: Mapping[str, str] = {}) -> Iterator[str]:
    """Open a run and end it: FINISHED, FAILED on an error, KILLED when asked to stop.

    Arguments are those of `open_run`; yields the run id.
    """
    run_id = open_run(domain, key, name=name, tags=tags)
    logs.bind(domain=domain, run=run_id)
    client = connect(tracking_uri())
    try:
        yield run_id
    except Exception:
        _end(client, run_id, "FAILED")
        raise
    except BaseException:
        _end(client, run_id, "KILLED")
        raise
    client.set_terminated(run_id, "FINISHED")


def _end(client: "MlflowClient", run_id: str, status: str) -> None:
    """The error on the way out is the one to tell of; a run left RUNNING is closed by the next."""
    from mlflow.exceptions import MlflowException

    try:
        client.set_terminated(run_id, status)
    except MlflowException as error:
        log.warning("tracking: run=%s stays open: %s", run_id, str(error).partition(":")[0])


@contextmanager
def child_run(domain: str, parent: str, key: str, *, name: str = "") -> Iterator[str]:
    """Open a run below the run `parent` and end it, as `run` does; yields its id."""
    with run(domain, key, name=name, tags={PARENT: parent}) as run_id:
        yield run_id


def set_tags(run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags of a run; one that is there takes the new value."""
    for tag, value in tags.items():
        connect(tracking_uri()).set_tag(run_id, tag, value)


class KeyedRun(NamedTuple):
    """A run that is found by its key."""

    run_id: str
    domain: str
    key: str


def find_runs(key: str) -> list[KeyedRun]:
    """Runs of all domains whose key or id begins with these digits.

    Args:
        key: Hexadecimal digits.
    """
    client = connect(tracking_uri())
    domains = {e.experiment_id: e.name for e in client.search_experiments()}
    by_key = client.search_runs(list(domains), f"tags.`{KEY}` LIKE '{key}%'")
    found = by_key or client.search_runs(list(domains), f"attributes.run_id LIKE '{key}%'")
    return [
        KeyedRun(str(r.info.run_id), domains[r.info.experiment_id], r.data.tags.get(KEY, ""))
        for r in found
    ]


def run_link(run_id: str) -> str | None:
    """Address of a run's artifacts in MLflow's UI; None where no server is tracked to."""
    uri = tracking_uri()
    if not uri.startswith(("http://", "https://")):
        return None
    shown = without_password(uri)
    experiment = connect(uri).get_run(run_id).info.experiment_id
    return f"{shown}/#/experiments/{experiment}/runs/{run_id}/artifacts"


def close_dead_runs(domain: str) -> list[str]:
    """End as KILLED the RUNNING runs of this host whose process is gone; returns their ids."""
    client = connect(tracking_uri())
    running = f"attributes.status = 'RUNNING' and tags.`{HOST}` = '{socket.gethostname()}'"
    dead = [r for r in client.search_runs([_experiment_id(client, domain)], running) if _is_dead(r)]
    for killed in dead:
        reason = f"process {killed.data.tags[PID]} on {killed.data.tags[HOST]} is gone"
        _close(client, killed, reason)
    return [str(killed.info.run_id) for killed in dead]


def flow_runs_elsewhere(domain: str) -> list[str]:
    """Flow runs that own RUNNING runs of other hosts, whose processes cannot be looked at."""
    client = connect(tracking_uri())
    running = f"attributes.status = 'RUNNING' and tags.`{HOST}` != '{socket.gethostname()}'"
    found = client.search_runs([_experiment_id(client, domain)], running)
    return sorted({run.data.tags[FLOW_RUN] for run in found if FLOW_RUN in run.data.tags})


def close_runs_of(domain: str, flow_run: str, reason: str) -> list[str]:
    """End as KILLED the RUNNING runs of a flow run that has ended; returns their ids."""
    client = connect(tracking_uri())
    running = f"attributes.status = 'RUNNING' and tags.`{FLOW_RUN}` = '{flow_run}'"
    found = client.search_runs([_experiment_id(client, domain)], running)
    for left in found:
        _close(client, left, reason)
    return [str(left.info.run_id) for left in found]


def _close(client: "MlflowClient", left: "Run", reason: str) -> None:
    client.set_tag(left.info.run_id, END_REASON, reason)
    client.set_terminated(left.info.run_id, "KILLED")
    log.info("tracking: closed run=%s: %s", left.info.run_id, reason)


def _experiment_id(client: "MlflowClient", domain: str) -> str:
    from mlflow.exceptions import MlflowException

    if found := client.get_experiment_by_name(domain):
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(domain, artifact_location=_artifact_location(domain)))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return _experiment_id(client, domain)


def _artifact_location(domain: str) -> str | None:
    """Beside the SQLite file, or None where a server decides; fixed once the experiment exists."""
    if not tracking_uri().startswith(SQLITE):
        return None
    database = Path(tracking_uri().removeprefix(SQLITE)).absolute()
    return (database.parent / "artifacts" / domain).as_uri()


def _owner() -> dict[str, str]:
    """Tags that tell which process a run belongs to."""
    started = psutil.Process().create_time()
    return {HOST: socket.gethostname(), PID: str(os.getpid()), STARTED: f"{started:.0f}"}


def _is_dead(found: "Run") -> bool:
    """A pid is given out again, so the process must also be as old as the run's owner."""
    try:
        process = psutil.Process(int(found.data.tags[PID]))
        is_other = abs(process.create_time() - float(found.data.tags[STARTED])) > 10
        return bool(is_other or process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
