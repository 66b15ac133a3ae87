"""What answers, and what it answers."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ModelArtifact:
    """A model as it could be shipped: weights, perhaps with an adapter on top."""

    name: str
    """How people call it: base, champion, candidate, int8, ..."""
    folder: Path
    """Holds the weights, as the engine reads them."""
    digest: str
    """Identifies base weights, adapter and quantization together."""
    adapter: Path | None = None
    engine: str = "transformers"
    """Key of `ENGINES`: the runtime that its files are for."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One generated answer."""

    text: str | None
    """None where generation failed: unscored, never an empty answer."""
    n_tokens: int
    """Generated tokens, end token included."""
    latency_s: float = 0.0
    """Seconds from the start of its batch to its last token: what a request waits for that is
    served in such a batch. Time in a queue before the batch is not in it."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How likely a model finds a given answer, teacher-forced."""

    nll: float | None
    """Sum of -ln p over the answer's tokens and its end token; None where it did not fit in
    memory."""
    n_tokens: int
    """Tokens summed over."""
