"""Servers on this machine: started once, kept, stopped on request; the two UIs of `tuneline ui`."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from tuneline.errors import TunelineError
from tuneline.processes import ProcessId, kill_all
from tuneline.store import workspace
from tuneline.tracking import tracking_uri, without_password

PREFECT_PORT = int(os.environ.get("PREFECT_SERVER_API_PORT", "4200"))
MLFLOW_PORT = int(os.environ.get("MLFLOW_PORT", "5000"))
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 20
"""Seconds from asking a server to end to killing it."""


@dataclass(frozen=True, slots=True)
class Server:
    """A local server: how it is started and where it answers."""

    name: str
    url: str
    health: str
    """Answers 200 to GET when the server is ready; empty where `answers` tells."""
    command: Callable[[], list[str]]
    folder: str = "servers"
    """Place of its files in the workspace."""
    env: Callable[[], Mapping[str, str]] = dict
    """What it needs beside this process's environment; passwords travel here, not in `command`."""
    answers: Callable[[], bool] | None = None
    """Says whether a server without HTTP is ready."""
    account: str | None = None
    """System user to run as; default the one who starts it."""
    stop_signal: signal.Signals = signal.SIGTERM

    @property
    def pid_file(self) -> Path:
        """Process that this workspace started."""
        return workspace() / self.folder / f"{self.name}.pid"

    @property
    def log_file(self) -> Path:
        """What the server prints."""
        return workspace() / self.folder / f"{self.name}.log"

    def is_ready(self) -> bool:
        """Whether the server answers."""
        if self.answers:
            return self.answers()
        try:
            with urllib.request.urlopen(self.health, timeout=2) as response:
                return bool(response.status == 200)
        except (OSError, ValueError):
            return False

    def process(self) -> ProcessId | None:
        """The process that this workspace started, if it still runs; a cut file names none."""
        with suppress(FileNotFoundError, ValueError, TypeError):
            process = ProcessId(**json.loads(self.pid_file.read_text()))
            return process if process.is_alive() else None
        return None


def _prefect_command() -> list[str]:
    return [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]


def _mlflow_command() -> list[str]:
    database = tracking_uri()
    if database.startswith("http"):
        address = without_password(database)
        raise TunelineError(f"MLFLOW_TRACKING_URI names a server already: open {address}")
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
    process = _launch(server)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not server.is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            stop(server)
            raise TunelineError(
                f"the {server.name} server does not answer at {server.url}; see {server.log_file}"
            )
        time.sleep(0.3)


def _launch(server: Server) -> "subprocess.Popen[bytes]":
    server.log_file.parent.mkdir(parents=True, exist_ok=True)
    defaults = {
        "PREFECT_SERVER_API_PORT": str(PREFECT_PORT),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # kept in memory, slots that are held while the server restarts are never free again
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
            "prefect.server.concurrency.lease_storage.filesystem"
        ),
    }
    with server.log_file.open("ab") as log:
        process = subprocess.Popen(
            server.command(),
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **defaults, **server.env()},
            user=server.account,
            group=server.account,
            extra_groups=[] if server.account else None,
        )
    server.pid_file.write_text(json.dumps(asdict(ProcessId.of(process.pid))))
    return process


def stop(server: Server) -> bool:
    """Stop the server that this workspace started, and its children; False where none runs."""
    process = server.process()
    server.pid_file.unlink(missing_ok=True)
    if process is None:
        return False
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(process.pid)
        family = [*root.children(recursive=True), root]
        root.send_signal(server.stop_signal)
        _, left = psutil.wait_procs(family, timeout=STOP_TIMEOUT_S)
        kill_all(left)
    return True
