"""The MLflow that runs go to: is it there, and does it let this user in?"""

import logging
import os
import urllib.request
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from filelock import FileLock

from tuneline.errors import TrackingError
from tuneline.patience import PatientClient
from tuneline.store import workspace

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from mlflow import MlflowClient

HEALTH_TIMEOUT_S = 5
SQLITE = "sqlite:///"


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
        raise diagnosis(error, uri) or error from None


def diagnosis(error: BaseException, uri: str) -> TrackingError | None:
    """What to do about an error by which the server refuses a user, or that comes of its absence.

    None for other errors.
    """
    from mlflow.exceptions import MlflowException

    if reason := _REFUSALS.get(getattr(error, "error_code", "")):
        return TrackingError(f"the MLflow server at {without_password(uri)} {reason}")
    try:
        if isinstance(error, MlflowException):
            check_server(uri)
    except TrackingError as gone:
        return gone
    return None


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
