"""The base model at hand: downloaded, or unpacked once."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.progress import progress_of
from tasks.stage import RETRY_DELAYS_S, may_pass, store
from tuneline.base_model import (
    BaseModelConfig,
    BaseModelRef,
    materialize,
    materialize_tokenizer,
)
from tuneline.generation import ModelArtifact


@task(
    name="base model",
    task_run_name="base model {config.name}",
    retries=2,
    retry_delay_seconds=RETRY_DELAYS_S,
    retry_condition_fn=may_pass,
    timeout_seconds=6 * 3600,
    cache_policy=NO_CACHE,
)
def get(config: BaseModelConfig) -> BaseModelRef:
    """Return the folder of the base model, getting it where it is not there."""
    progress = progress_of("base model")
    progress(0, 1)
    found = materialize(config, store())
    progress(1, 1)
    return found


@task(
    name="tokenizer",
    task_run_name="tokenizer of {config.name}",
    retries=2,
    retry_delay_seconds=RETRY_DELAYS_S,
    retry_condition_fn=may_pass,
    timeout_seconds=1800,
    cache_policy=NO_CACHE,
)
def tokenizer(config: BaseModelConfig) -> Path:
    """Return a folder with the base model's tokenizer; no weights are loaded."""
    return materialize_tokenizer(config, store())


def untrained(base: BaseModelRef) -> ModelArtifact:
    """The base model as it is, to be measured beside its adapters."""
    return ModelArtifact("base", base.folder, base.digest)
