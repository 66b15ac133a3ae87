import pytest

from tests.data.line import Line
from tests.data.rows import source_of
from tuneline.base_model import BaseModelConfig, materialize_tokenizer
from tuneline.data.config import DataConfig
from tuneline.store import Store


@pytest.fixture
def line(tmp_path):
    """Makes a `Line` with data settings."""

    def make(**settings):
        return Line(tmp_path, **settings)

    return make


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "workspace")


@pytest.fixture
def config_of(tmp_path):
    """Makes the settings of a data stage over rows in one file."""

    def make(rows, **settings):
        source = source_of(tmp_path / "rows.jsonl", rows, "civil-code")
        return DataConfig.model_validate({"sources": [source], **settings})

    return make


@pytest.fixture(scope="session")
def tokenizer(workspace_dir):
    """Folder of the tiny model's tokenizer."""
    return materialize_tokenizer(
        BaseModelConfig(source="random", name="tiny-qwen2"), Store(workspace_dir)
    )
