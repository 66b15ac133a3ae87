"""One set of `tuneline servers` with PostgreSQL and an S3 API, on ports of its own."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from flows.shared_database import programs

ROOT = Path(__file__).parent.parent.parent
PORTS = (
    "TUNELINE_POSTGRES_PORT", "TUNELINE_STORAGE_PORT", "MLFLOW_PORT", "PREFECT_SERVER_API_PORT",
)  # fmt: skip


@dataclass(frozen=True)
class Servers:
    workspace: Path
    env: Mapping[str, str]
    """Of a user who has read `credentials.env`."""

    def tuneline(self, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "flows.cli", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env={**self.env, **env}, capture_output=True, text=True, timeout=900
        )

    def processes(self) -> list[psutil.Process]:
        """All processes that the servers' folder knows, and their children."""
        found = []
        for file in self.workspace.glob("servers/shared/*.pid"):
            pid = int(file.read_text().split(":")[1].split(",")[0])
            root = psutil.Process(pid)
            found += [root, *root.children(recursive=True)]
        return found


def free_ports(n: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [found.getsockname()[1] for found in sockets]
    for found in sockets:
        found.close()
    return ports


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    if programs() is None:
        pytest.skip("PostgreSQL is not installed")
    for module in ("moto", "psycopg", "boto3", "flask_wtf"):
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    # pytest's own folders are closed to the user that PostgreSQL runs as when root starts it
    workspace = Path(tempfile.mkdtemp(prefix="tuneline-servers-"))
    workspace.chmod(0o755)
    ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    started = Servers(workspace, {**os.environ, **ports, "TUNELINE_WORKSPACE": str(workspace)})
    try:
        done = started.tuneline("servers", "start", "--s3")
        assert done.returncode == 0, done.stdout + done.stderr
        lines = (workspace / "servers/shared/credentials.env").read_text().splitlines()
        given = dict(line.split("=", 1) for line in lines)
        yield Servers(workspace, {**started.env, **given})
    finally:
        started.tuneline("servers", "stop")
        shutil.rmtree(workspace, ignore_errors=True)
