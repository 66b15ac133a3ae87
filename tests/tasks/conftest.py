"""What tests of tasks share: a registry of the file's own, and files to register."""

import pytest

from tuneline import tracking
from tuneline.registry import Registry


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNELINE_WORKSPACE", str(tmp_path_factory.mktemp("workspace")))
        yield Registry(tracking.tracking_uri())


@pytest.fixture
def adapter(tmp_path):
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    return folder
