"""The local Prefect and MLflow servers: started once, kept, stopped on request."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tuneline.errors import TunelineError
from tuneline.store import workspace
from tuneline.tracking import tracking_uri

PREFECT_PORT = int(os.environ.get("PREFECT_SERVER_API_PORT", "4200"))
MLFLOW_PORT = int(os.environ.get("MLFLOW_PORT", "5000"))
START_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class Server:
    """A local server: how it is started and where it answers."""

    name: str
    url: str
    health: str
    """Answers 200 to GET when the server is ready."""
    command: Callable[[], list[str]]

    @property
    def pid_file(self) -> Path:
        """Process id of the server that this workspace started."""
        return workspace() / "servers" / f"{self.name}.pid"

    @property
    def log_file(self) -> Path:
        """What the server prints."""
        return workspace() / "servers" / f"{self.name}.log"

    def is_ready(self) -> bool:
        """Whether the server answers."""
        try:
            with urllib.request.urlopen(self.health, timeout=2) as response:
                return bool(response.status == 200)
        except (OSError, ValueError):
            return False


def _prefect_command() -> list[str]:
    return [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]


def _mlflow_command() -> list[str]:
    database = tracking_uri()
    if database.startswith("http"):
        raise TunelineError(f"MLFLOW_TRACKING_URI names a server already: open {database}")
    artifacts = workspace() / "mlflow" / "artifacts"
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"),
        *("--port", str(MLFLOW_PORT), "--workers", "1"),
        *("--backend-store-uri", database, "--default-artifact-root", artifacts.as_uri()),
    ]


PREFECT = Server(
    "prefect",
    f"http://127.0.0.1:{PREFECT_PORT}",
    f"http://127.0.0.1:{PREFECT_PORT}/api/health",
    _prefect_command,
)
MLFLOW = Server(
    "mlflow",
    f"http://127.0.0.1:{MLFLOW_PORT}",
    f"http://127.0.0.1:{MLFLOW_PORT}/health",
    _mlflow_command,
)


def start(server: Server) -> None:
    """Start a server unless it answers already, and wait until it does.

    It runs on after this process ends, in a session of its own.

    Raises:
        TunelineError: It ended or did not answer; names the log file.
    """
    if server.is_ready():
        return
    server.log_file.parent.mkdir(parents=True, exist_ok=True)
    with server.log_file.open("ab") as log:
        process = subprocess.Popen(
            server.command(),
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ
            | {
                "PREFECT_SERVER_API_PORT": str(PREFECT_PORT),
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            },
        )
    server.pid_file.write_text(json.dumps(process.pid))
    deadline = time.monotonic() + START_TIMEOUT_S
    while not server.is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise TunelineError(
                f"the {server.name} server does not answer at {server.url}; see {server.log_file}"
            )
        time.sleep(0.3)


def stop(server: Server) -> bool:
    """Stop the server that this workspace started; False where there is none."""
    if not server.pid_file.exists():
        return False
    pid = json.loads(server.pid_file.read_text())
    server.pid_file.unlink()
    try:
        os.killpg(pid, signal.SIGTERM)
    except ProcessLookupError:
        return False
    return True
