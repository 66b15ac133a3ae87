"""MLflow runs: parameters, metrics and artifacts; a killed run is found again and continued.

Everything goes through `MlflowClient` and a run id. The fluent API (`mlflow.start_run`) keeps the
active run in globals, which threads and nested flows would share.
"""

import json
import logging
import os
import socket
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import urlsplit

import psutil
import pyarrow.parquet as pq
from filelock import FileLock

from tuneline import logs
from tuneline.errors import TrackingError
from tuneline.patience import PatientClient
from tuneline.store import file_digest, workspace

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)

HEALTH_TIMEOUT_S = 5
SQLITE = "sqlite:///"
KEY, HOST, PID, STARTED = (f"tuneline.{name}" for name in ("key", "host", "pid", "started"))
END_REASON = "tuneline.end_reason"
FLOW_RUN = "tuneline.flow_run"
"""Tag with the Prefect flow run that a run belongs to."""
PARENT = "mlflow.parentRunId"
"""Tag by which MLflow's UI shows a run below another one."""
MAX_PARAMS_PER_CALL = 100


def tracking_uri() -> str:
    """`$MLFLOW_TRACKING_URI`, else a SQLite file in the workspace."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{workspace()}/mlflow/mlflow.db"


def check_server(uri: str) -> None:
    """Fail within seconds where MLflow would try again for minutes.

    Raises:
        TrackingError: No MLflow server answers, or the SQLite file cannot be written.
    """
    if uri.startswith(SQLITE):
        _check_folder(Path(uri.removeprefix(SQLITE)).parent)
    elif uri.startswith(("http://", "https://")):
        _check_health(uri)


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_writable = os.access(folder, os.W_OK)
    except OSError:
        is_writable = False
    if not is_writable:
        raise TrackingError(
            f"cannot write to {folder}, where MLflow's SQLite file belongs; "
            "set TUNELINE_WORKSPACE or MLFLOW_TRACKING_URI to a place that can be written"
        )


def _check_health(uri: str) -> None:
    shown = without_password(uri)
    try:
        with urllib.request.urlopen(f"{shown}/health", timeout=HEALTH_TIMEOUT_S):
            return
    except OSError as error:
        raise TrackingError(
            f"no MLflow server answers at {shown} ({error}); "
            "start it, correct MLFLOW_TRACKING_URI, or unset that to track in the workspace"
        ) from error


@cache
def connect(uri: str) -> "MlflowClient":
    """Client of a tracking server or SQLite file; the first one creates the file's tables.

    Raises:
        TrackingError: As `check_server` tells, or the server refuses this user.
    """
    check_server(uri)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # it prints a traceback of each database error that it raises, a lock that passes too
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    with _alone(uri):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    if uri.startswith(SQLITE):
        return cast("MlflowClient", PatientClient(client))
    if uri.startswith("http"):
        _check_access(client, uri)
    return client


def _check_access(client: "MlflowClient", uri: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.search_experiments(max_results=1)
    except MlflowException as error:
        raise refusal(error, uri) or error from None


def refusal(error: BaseException, uri: str) -> TrackingError | None:
    """What to do about an error by which the server refuses a user; None for other errors."""
    reason = _REFUSALS.get(getattr(error, "error_code", ""))
    return (
        TrackingError(f"the MLflow server at {without_password(uri)} {reason}") if reason else None
    )


_REFUSALS = {
    "UNAUTHENTICATED": "does not know this user and password; "
    "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    "PERMISSION_DENIED": "does not let this user do that; "
    "ask its administrator for the permission, or use another account",
}


def without_password(uri: str) -> str:
    """An address as it may be shown: user and password are left out."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri.rstrip("/")
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")


def _alone(uri: str) -> "AbstractContextManager[object]":
    """Of processes that first use a SQLite file at once, each would create its tables."""
    is_file = uri.startswith(SQLITE)
    return FileLock(f"{uri.removeprefix(SQLITE)}.lock") if is_file else nullcontext()


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
        client.set_terminated(run_id, "FAILED")
        raise
    except BaseException:
        client.set_terminated(run_id, "KILLED")
        raise
    client.set_terminated(run_id, "FINISHED")


@contextmanager
def child_run(domain: str, parent: str, key: str, *, name: str = "") -> Iterator[str]:
    """Open a run below the run `parent` and end it, as `run` does; yields its id."""
    with run(domain, key, name=name, tags={PARENT: parent}) as run_id:
        yield run_id


def set_tags(run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags of a run; one that is there takes the new value."""
    for tag, value in tags.items():
        connect(tracking_uri()).set_tag(run_id, tag, value)


def log_params(run_id: str, params: Mapping[str, Any]) -> None:
    """Log settings; nested ones as `training.rank`. A run's parameter never changes its value."""
    from mlflow.entities import Param

    flat = [Param(name, str(value)) for name, value in _flatten(params)]
    for start in range(0, len(flat), MAX_PARAMS_PER_CALL):
        connect(tracking_uri()).log_batch(run_id, params=flat[start : start + MAX_PARAMS_PER_CALL])


def log_metrics(run_id: str, metrics: Mapping[str, float], step: int = 0) -> None:
    """Log numbers at one step; names may hold letters, digits, `_ - . /` and spaces."""
    from mlflow.entities import Metric

    now_ms = int(time.time() * 1000)
    points = [Metric(name, value, now_ms, step) for name, value in metrics.items()]
    connect(tracking_uri()).log_batch(run_id, metrics=points)


class DataSet(NamedTuple):
    """Rows that a run used."""

    name: str
    digest: str
    folder: Path
    """Holds `<name>.parquet`."""
    n_records: int


def log_dataset(run_id: str, rows: DataSet, context: str) -> None:
    """Log rows as an input of the run, as MLflow's UI shows data sets.

    Args:
        run_id: The run.
        rows: What was used.
        context: training, validation or holdout.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    file = rows.folder / f"{rows.name}.parquet"
    source = json.dumps({"uri": file.as_uri(), "sha256": file_digest(file)})
    columns = json.dumps({"columns": pq.read_schema(file).names})
    profile = json.dumps({"num_rows": rows.n_records})
    entity = Dataset(rows.name, rows.digest[:36], "local", source, columns, profile)
    tagged = DatasetInput(entity, [InputTag("mlflow.data.context", context)])
    connect(tracking_uri()).log_inputs(run_id, datasets=[tagged])


def log_artifacts(run_id: str, path: Path, folder: str | None = None) -> None:
    """Upload a file, or what a folder holds, to the run's artifacts or a folder of them."""
    client = connect(tracking_uri())
    upload = client.log_artifacts if path.is_dir() else client.log_artifact
    upload(run_id, str(path), folder)


def artifact_names(run_id: str, folder: str | None = None) -> list[str]:
    """Paths of files and folders directly below a folder of a run's artifacts; none if it lacks."""
    found = connect(tracking_uri()).list_artifacts(run_id, folder)
    return sorted(str(file.path) for file in found)


def read_artifact(run_id: str, path: str) -> bytes:
    """Content of one file of a run's artifacts.

    Raises:
        TrackingError: The run has no such file.
    """
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory() as folder:
        try:
            fetched = download_artifacts(
                run_id=run_id, artifact_path=path, dst_path=folder, tracking_uri=tracking_uri()
            )
        except (MlflowException, OSError) as error:
            raise TrackingError(
                f"MLflow run {run_id} has no {path}; it was made by an older version, or its "
                "artifacts are gone"
            ) from error
        return Path(fetched).read_bytes()


def run_link(run_id: str) -> str | None:
    """Address of a run's artifacts in MLflow's UI; None where no server is tracked to."""
    uri = tracking_uri()
    if not uri.startswith(("http://", "https://")):
        return None
    shown = without_password(uri)
    experiment = connect(uri).get_run(run_id).info.experiment_id
    return f"{shown}/#/experiments/{experiment}/runs/{run_id}/artifacts"


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


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
