"""One MLflow database for the folder's tests, one domain per test, and servers of their own."""

import pytest

from benchmarks.registry_servers import mlflow_server
from tuneline import tracking
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
def server(tmp_path):
    """URI of an MLflow server of its own, on SQLite."""
    with mlflow_server(tmp_path) as uri:
        yield uri
