"""What a run holds: parameters, metrics, data sets and artifacts."""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from tuneline.errors import TrackingError
from tuneline.store import file_digest
from tuneline.tracking.server import connect, tracking_uri

MAX_PARAMS_PER_CALL = 100


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


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
