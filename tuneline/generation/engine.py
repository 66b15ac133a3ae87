"""The one interface to every runtime that generates: transformers, llama.cpp, vLLM."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tuneline.errors import EvaluationError
from tuneline.generation.artifact import Likelihood, ModelArtifact, Prediction
from tuneline.generation.config import GenerationConfig
from tuneline.machine import Machine
from tuneline.records import Message

if TYPE_CHECKING:
    import numpy as np


class Engine(Protocol):
    """A loaded model that answers one batch at a time, greedily."""

    identity: str
    """Runtime, version, dtype and device, such as `transformers 5.23.0 bfloat16 cpu`: part of the
    decoding identity, so that scores of two runtimes are never compared silently."""

    def render(self, prompt: Sequence[Message]) -> str:
        """A prompt in the model's own chat template, ending where its answer begins."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each rendered prompt."""
        ...

    def answer(self, prompts: Sequence[str]) -> list[Prediction]:
        """Answer one batch of rendered prompts.

        Raises:
            MemoryError, RuntimeError: The batch does not fit; `is_out_of_memory` knows them.
        """
        ...

    def answer_logits(self, prompt: str, answer: str) -> "np.ndarray":
        """Teacher-forced logits of an answer to a rendered prompt.

        Returns:
            float32 of shape (answer tokens + end token, vocabulary); row i predicts token i of
            `answer_token_ids`.
        """
        ...

    def answer_token_ids(self, prompt: str, answer: str) -> list[int]:
        """The tokens that `answer_logits` predicts: those of the answer, then the end token."""
        ...

    def close(self) -> None:
        """Give back the memory; the engine cannot be used any more."""
        ...


@runtime_checkable
class BatchScorer(Protocol):
    """An engine that measures how likely many answers are in one forward pass."""

    vocabulary: int
    """Logits of one token."""

    def answer_nll(self, prompts: Sequence[str], answers: Sequence[str]) -> list[Likelihood]:
        """Likelihoods of the answers to one batch of rendered prompts.

        Raises:
            MemoryError, RuntimeError: The batch does not fit; `is_out_of_memory` knows them.
        """
        ...


EngineLoader = Callable[[ModelArtifact, Machine, GenerationConfig], Engine]


def _lazy(module: str, name: str) -> EngineLoader:
    """The class of an engine's module, imported when it is first loaded: runtimes are heavy."""

    def load(artifact: ModelArtifact, machine: Machine, config: GenerationConfig) -> Engine:
        engine: EngineLoader = getattr(import_module(f"tuneline.generation.{module}"), name)
        return engine(artifact, machine, config)

    return load


ENGINES: dict[str, EngineLoader] = {
    "transformers": _lazy("transformers_engine", "TransformersEngine"),
    "llama_cpp": _lazy("llama_cpp_engine", "LlamaCppEngine"),
    "vllm": _lazy("vllm_engine", "VllmEngine"),
}

PACKAGES: Mapping[str, tuple[str, ...]] = {
    "transformers": ("torch", "transformers", "peft", "bitsandbytes"),
    "llama_cpp": ("llama-cpp-python", "transformers"),
    "vllm": ("vllm", "torch", "transformers"),
}
"""Engine -> distributions whose versions decide what it answers."""
INSTALL: Mapping[str, str] = {
    "llama_cpp": "run `make gguf`",
    "vllm": "run `pip install vllm` on a machine with a GPU, or set "
    "evaluation.generation.engine to transformers",
}


def engine_name(artifact: ModelArtifact, config: GenerationConfig) -> str:
    """Key of `ENGINES` that runs an artifact: settings choose among those for its files."""
    return config.engine if artifact.engine == "transformers" else artifact.engine


def engine_versions(name: str) -> dict[str, str]:
    """Installed versions of what an engine is made of, as inputs of a stage.

    Raises:
        EvaluationError: There is no such engine, or it is not installed; says what would help.
    """
    if name not in PACKAGES:
        raise EvaluationError(f"unknown engine {name!r}; known are {', '.join(PACKAGES)}")
    try:
        return {f"version:{package}": metadata.version(package) for package in PACKAGES[name]}
    except metadata.PackageNotFoundError as error:
        way_out = INSTALL.get(name, "install Tuneline again")
        raise EvaluationError(
            f"the engine {name} needs {error.name}, which is not installed; {way_out}"
        ) from error
