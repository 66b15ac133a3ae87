"""The session's registry, and a domain of its own for every test."""

import pytest

from tests.registry.acting import champion_and_challenger
from tuneline import tracking
from tuneline.registry import Registry


@pytest.fixture(scope="module")
def registry(workspace_dir):
    return Registry(tracking.tracking_uri())


@pytest.fixture
def adapter(tmp_path):
    (tmp_path / "adapter_model.safetensors").write_bytes(b"weights")
    return tmp_path


@pytest.fixture
def domain(registry, adapter, request):
    """A domain of its own with version 1 as champion and 2 as challenger."""
    name = request.node.name.partition("[")[0]
    champion_and_challenger(registry, name, adapter)
    return name
