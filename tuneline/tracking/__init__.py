"""MLflow runs: parameters, metrics and artifacts; a killed run is found again and continued.

Everything goes through `MlflowClient` and a run id. The fluent API (`mlflow.start_run`) keeps the
active run in globals, which threads and nested flows would share.
"""

from tuneline.tracking.content import (
    DataSet,
    artifact_names,
    log_artifacts,
    log_dataset,
    log_metrics,
    log_params,
    read_artifact,
)
from tuneline.tracking.runs import (
    END_REASON,
    FLOW_RUN,
    HOST,
    PID,
    STARTED,
    KeyedRun,
    child_run,
    close_dead_runs,
    close_runs_of,
    find_runs,
    flow_runs_elsewhere,
    open_run,
    run,
    run_link,
    set_tags,
)
from tuneline.tracking.server import (
    check_server,
    connect,
    diagnosis,
    tracking_uri,
    without_password,
)

__all__ = [
    "END_REASON",
    "FLOW_RUN",
    "HOST",
    "PID",
    "STARTED",
    "DataSet",
    "KeyedRun",
    "artifact_names",
    "check_server",
    "child_run",
    "close_dead_runs",
    "close_runs_of",
    "connect",
    "diagnosis",
    "find_runs",
    "flow_runs_elsewhere",
    "log_artifacts",
    "log_dataset",
    "log_metrics",
    "log_params",
    "open_run",
    "read_artifact",
    "run",
    "run_link",
    "set_tags",
    "tracking_uri",
    "without_password",
]
