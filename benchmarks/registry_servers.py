"""MLflow and PostgreSQL servers of their own, for the registry's benchmark and tests."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from tuneline import tracking
from tuneline.errors import TrackingError

POSTGRES_USER = "postgres"
"""PostgreSQL refuses to run as root; Debian's package makes this user."""
START_S = 120.0
SEVERAL = ("--gunicorn-opts", "--log-level warning")
"""Several workers of uvicorn add 43 ms to each call: https://github.com/Kludex/uvicorn/issues/3149"""


def has_postgres() -> bool:
    """Whether PostgreSQL's programs are installed."""
    return _program("initdb") is not None


@contextmanager
def sqlite_file(folder: Path) -> Iterator[str]:
    """URI of MLflow in a SQLite file, as a workspace has it without a server."""
    with patch.dict(os.environ, TUNELINE_WORKSPACE=str(folder)):
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        yield tracking.tracking_uri()


@contextmanager
def mlflow_server(folder: Path, store: str | None = None, workers: int = 1) -> Iterator[str]:
    """URI of an MLflow server, by default on SQLite; it is the one that is used inside."""
    uri = f"http://127.0.0.1:{free_port()}"
    store = store or f"sqlite:///{folder}/mlflow.db"
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--workers", str(workers)),
        *("--port", uri.rpartition(":")[2], "--backend-store-uri", store),
        *("--artifacts-destination", str(folder / "artifacts")),
        *(SEVERAL if workers > 1 else ()),
    ]
    silent = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "mlflow.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=silent, start_new_session=True
        )
    try:
        _wait_for(uri, process)
        with patch.dict(os.environ, MLFLOW_TRACKING_URI=uri):
            yield uri
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def postgres() -> Iterator[str]:
    """SQLAlchemy URL of a PostgreSQL server with an empty database, gone afterwards."""
    port = free_port()
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        if os.getuid() == 0:
            shutil.chown(folder, POSTGRES_USER)
        data, log = f"--pgdata={folder}/data", f"--log={folder}/log"
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        _run("initdb", "--auth=trust", f"--username={POSTGRES_USER}", data)
        _run("pg_ctl", "start", "--wait", f"--options={options}", log, data)
        try:
            yield f"postgresql+psycopg://{POSTGRES_USER}@127.0.0.1:{port}/postgres"
        finally:
            _run("pg_ctl", "stop", "--mode=immediate", data)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _run(program: str, *arguments: str) -> None:
    as_user = ["runuser", "-u", POSTGRES_USER, "--"] if os.getuid() == 0 else []
    subprocess.run(
        [*as_user, str(_program(program)), *arguments],
        check=True,
        cwd="/",
        stdout=subprocess.DEVNULL,
    )


def _program(name: str) -> str | None:
    """Path of one of PostgreSQL's programs; Debian keeps most of them out of the search path."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(installed[-1]) if installed else None)


def _wait_for(uri: str, process: subprocess.Popen[bytes]) -> None:
    started = time.monotonic()
    while time.monotonic() - started < START_S and process.poll() is None:
        try:
            return tracking.check_server(uri)
        except TrackingError:
            time.sleep(0.5)
    raise TrackingError(f"no MLflow server at {uri}")
