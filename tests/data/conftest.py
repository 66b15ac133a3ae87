import pytest

from tests.data.line import Line
from tuneline.base_model import BaseModelConfig, materialize_tokenizer
from tuneline.store import Store


@pytest.fixture
def line(tmp_path):
    """Makes a `Line` with data settings."""

    def make(**settings):
        return Line(tmp_path, **settings)

    return make


@pytest.fixture(scope="session")
def tokenizer(workspace_dir):
    """Folder of the tiny model's tokenizer."""
    return materialize_tokenizer(
        BaseModelConfig(source="random", name="tiny-qwen2"), Store(workspace_dir)
    )
