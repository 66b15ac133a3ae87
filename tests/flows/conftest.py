"""Real servers and workers, as `docs/how-to/operations.md` starts them."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tuneline.processes import kill_tree

ROOT = Path(__file__).parent.parent.parent
PREFECT = [sys.executable, "-m", "prefect", "--no-prompt"]
StartWorker = Callable[[str], None]


@pytest.fixture
def start_worker(prefect_server: str, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts a process worker of a pool; all deployments are there, `tmp_path` is the workspace."""
    env = os.environ | {
        "PREFECT_API_URL": prefect_server,
        "TUNELINE_WORKSPACE": str(tmp_path),
        "TUNELINE_ROOT": str(ROOT),
    }
    from flows.setting_up import set_up  # Prefect binds its log to what pytest captures meanwhile

    set_up(n_gpus=1)
    subprocess.run([*PREFECT, "deploy", "--all"], cwd=ROOT, env=env, check=True, timeout=240)
    workers = []

    def start(pool: str) -> None:
        command = [*PREFECT, "worker", "start", "--pool", pool]
        workers.append(subprocess.Popen(command, cwd=ROOT, env=env, start_new_session=True))

    yield start
    for worker in workers:
        os.killpg(worker.pid, signal.SIGTERM)
        worker.wait(60)


def wait_until(holds: Callable[[], bool], otherwise: str, timeout_s: float) -> None:
    """Wait, or fail with what is then the case."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


class Server:
    """A server that can be killed and started again, on the same port, database and files."""

    def __init__(self, arguments: list[str], health: str, log: Path, env: Mapping[str, str] = {}):
        self.command, self.health, self.log = [sys.executable, "-m", *arguments], health, log
        self.env = {**os.environ, **env}
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=self.env)
        wait_until(self.answers, "the server does not answer", 120)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.health, timeout=2):
                return True
        except OSError:
            return False

    def kill(self) -> None:
        kill_tree(self.process.pid)
        self.process.wait()


@pytest.fixture
def mlflow(tmp_path: Path) -> Iterator[Server]:
    """An MLflow server; its files are in `server/artifacts`."""
    from benchmarks.registry_servers import free_port

    folder, uri = tmp_path / "server", f"http://127.0.0.1:{free_port()}"
    folder.mkdir()
    arguments = [
        *("mlflow", "server", "--workers", "1", "--port", uri.rpartition(":")[2]),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    env = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    server = Server(arguments, f"{uri}/health", folder / "log", env)
    yield server
    server.kill()


@pytest.fixture
def prefect(tmp_path: Path) -> Iterator[Server]:
    """A Prefect server with a database of its own."""
    from benchmarks.registry_servers import free_port

    uri = f"http://127.0.0.1:{free_port()}"
    arguments = ["prefect", "server", "start", "--port", uri.rpartition(":")[2]]
    env = {"PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_API_URL": f"{uri}/api"}
    server = Server(arguments, f"{uri}/api/health", tmp_path / "log", env)
    yield server
    server.kill()
