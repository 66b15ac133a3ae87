"""The base model at hand: downloaded, or unpacked once."""

from pathlib import Path

from tasks.progress import progress_of
from tasks.stage import network_task, store
from tuneline.base_model import (
    BaseModelConfig,
    BaseModelRef,
    materialize,
    materialize_tokenizer,
)
from tuneline.generation import ModelArtifact


@network_task("base model", run_name="base model {config.name}", timeout_s=6 * 3600)
def get(config: BaseModelConfig) -> BaseModelRef:
    """Return the folder of the base model, getting it where it is not there."""
    progress = progress_of("base model")
    progress(0, 1)
    found = materialize(config, store())
    progress(1, 1)
    return found


@network_task("tokenizer", run_name="tokenizer of {config.name}", timeout_s=1800)
def tokenizer(config: BaseModelConfig) -> Path:
    """Return a folder with the base model's tokenizer; no weights are loaded."""
    return materialize_tokenizer(config, store())


def untrained(base: BaseModelRef) -> ModelArtifact:
    """The base model as it is, to be measured beside its adapters."""
    return ModelArtifact("base", base.folder, base.digest)
