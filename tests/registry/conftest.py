"""One MLflow database for the folder's tests, one domain per test, and servers of their own."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from tuneline import tracking
from tuneline.errors import TrackingError
from tuneline.registry import Registry


@pytest.fixture(scope="package")
def registry(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNELINE_WORKSPACE", str(tmp_path_factory.mktemp("workspace")))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield Registry(tracking.tracking_uri())


@pytest.fixture
def domain(request):
    """A domain that no other test writes to."""
    return request.node.name


@pytest.fixture
def adapter(tmp_path):
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    (folder / "adapter_config.json").write_text("{}")
    return folder


@pytest.fixture
def server(tmp_path, monkeypatch):
    """URI of an MLflow server of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    store = f"--backend-store-uri=sqlite:///{tmp_path}/mlflow.db"
    command = f"mlflow server --workers 1 --port {port} {store} --artifacts-destination {tmp_path}"
    monkeypatch.setenv("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    process = subprocess.Popen(
        [sys.executable, "-m", *command.split()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(uri)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        yield uri
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(uri):
    for _ in range(120):
        try:
            return tracking.check_server(uri)
        except TrackingError:
            time.sleep(0.5)
    pytest.fail(f"no MLflow server at {uri}")
